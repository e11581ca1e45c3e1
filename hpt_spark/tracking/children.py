"""The runs of candidates, below that of their search."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from mlflow.entities import Metric, Run
from mlflow.tracking import MlflowClient
from mlflow.utils.mlflow_tags import MLFLOW_PARENT_RUN_ID

from hpt_spark.tracking.requests import known_name, log_all, metrics_of_row, peaks_of, short_value
from hpt_spark.tracking.sweep import Candidate, Row, Sweep

NUMBER, KEY, FAILURE = "hpt_spark.candidate", "hpt_spark.key", "failure"
ROWS, SCORES, TOLD = "hpt_spark.rows", "hpt_spark.scores", "hpt_spark.columns"
PAGE = 1000


@dataclass
class Child:
    """The run of a candidate, and how much of it is written."""

    run_id: str
    key: str  # of the candidate
    rows: int = 0  # how many of its rows are written
    scores: str = ""  # a digest of these rows' scores
    told: str = ""  # a digest of the final columns
    has_failure: bool = False
    is_closed: bool = False
    is_found: bool = False  # whether the store had it, and nothing has been compared with it yet

    @classmethod
    def of(cls, run: Run) -> Child:
        """Return the child for a run of the store."""
        tags = run.data.tags
        return cls(
            run.info.run_id,
            tags.get(KEY, ""),
            int(tags.get(ROWS, 0)),
            tags.get(SCORES, ""),
            tags.get(TOLD, ""),
            FAILURE in tags,
            run.info.status != "RUNNING",
            is_found=True,
        )


class Children:
    """The children of one parent, by the numbers of their candidates."""

    def __init__(self, client: MlflowClient, experiment_id: str, parent: str) -> None:
        self._client = client
        self._experiment_id = experiment_id
        self._parent = parent
        self._children: dict[int, Child] = {}
        self._ranked: set[int] = set()

    def find(self) -> None:
        """Read which children the store has."""
        self._children.update((number, Child.of(run)) for number, run in self._stored())

    def delete_doubles(self) -> None:
        """Delete what another writer, whose request took long, has made of candidates that have a run."""
        for number, run in list(self._stored()):  # a run that goes would move the next page
            if number in self._children and self._children[number].run_id != run.info.run_id:
                self._client.delete_run(run.info.run_id)

    def _stored(self) -> Iterator[tuple[int, Run]]:
        token = None
        while True:
            page = self._client.search_runs(
                [self._experiment_id],
                f"tags.`{MLFLOW_PARENT_RUN_ID}` = '{self._parent}'",
                max_results=PAGE,
                page_token=token,
            )
            for run in page:
                if NUMBER in run.data.tags:  # somebody may have put a run of another kind below
                    yield int(run.data.tags[NUMBER]), run
            token = page.token
            if not token:
                return

    def __contains__(self, candidate: Candidate) -> bool:
        return candidate.number in self._children

    def may_be(self, candidate: Candidate) -> bool:
        """Return whether the child of this number is the candidate's, or does not exist yet."""
        return candidate not in self or self._children[candidate.number].key == candidate.key

    def are_within(self, sweep: Sweep) -> bool:
        """Return whether an ended search has all rows that are written here."""
        rows = {candidate.number: len(candidate.whole_rows) for candidate in sweep.candidates.values()}
        return all(child.rows <= rows.get(number, -1) for number, child in self._children.items())

    def write(self, candidate: Candidate, sweep: Sweep) -> bool:
        """Write the new rows and columns of a candidate; return whether there were any."""
        rows, child = candidate.whole_rows, self._children.get(candidate.number)
        if not rows:
            return False
        if child is None:
            child = self._create(candidate, sweep, rows[0].began)
        written = self._written(child, rows)
        ranked = [row for row in rows if row.columns and row.number not in self._ranked]
        is_told = bool(ranked) and _digest([row.columns for row in ranked]) == child.told
        has_news = len(rows) > written or (bool(ranked) and not is_told)
        if has_news:
            self._log(child, candidate, sweep, written, [] if is_told else ranked)
        self._ranked.update(row.number for row in ranked)
        if not child.is_closed and (ranked or not sweep.may_go_on):
            self._close(child, rows[-1])
        return has_news

    def close_all(self, sweep: Sweep, status: str) -> None:
        """Close the open children; one without a whole row gets the status of the search."""
        candidates = {candidate.number: candidate for candidate in sweep.candidates.values()}
        for number, child in self._children.items():
            if child.is_closed:
                continue
            candidate = candidates.get(number)
            if candidate is not None and candidate.key == child.key and candidate.whole_rows:
                self._close(child, candidate.whole_rows[-1])
            else:
                self._client.set_terminated(child.run_id, status)
                child.is_closed = True

    def _create(self, candidate: Candidate, sweep: Sweep, began: int) -> Child:
        facts: dict[str, Any] = sweep.facts or {}
        tags = {MLFLOW_PARENT_RUN_ID: self._parent, NUMBER: str(candidate.number), KEY: candidate.key}
        tags.update({name: facts["tags"][name] for name in ("estimator_name", "estimator_class")})
        run = self._client.create_run(self._experiment_id, began, tags, f"candidate {candidate.number}")
        self._children[candidate.number] = child = Child(run.info.run_id, candidate.key)
        return child

    def _written(self, child: Child, rows: list[Row]) -> int:
        """Return how many rows need not be written: none of a found child whose fits have run again."""
        if child.is_found and len(rows) >= child.rows:
            child.is_found = False
            if child.rows and _digest_of_scores(rows[: child.rows]) != child.scores:
                child.is_closed = False
                return 0
        return child.rows

    def _log(self, child: Child, candidate: Candidate, sweep: Sweep, written: int, ranked: list[Row]) -> None:
        rows = candidate.whole_rows
        new = rows[written:]
        metrics = [metric for row in new for metric in metrics_of_row(row, sweep)]
        for row in ranked:
            known = row.summary()
            late = {name: value for name, value in row.columns.items() if row not in new and known.get(name) != value}
            metrics += [
                Metric(known_name(name), value, row.ended + 1, row.step) for name, value in late.items()
            ]  # the latest
        if ranked and sweep.curve:
            metrics += peaks_of(rows)
        tags = {ROWS: str(len(rows)), SCORES: _digest_of_scores(rows)}
        if reasons := [row.failure for row in new if row.failure]:
            tags[FAILURE] = reasons[-1]
        elif child.has_failure and not written:
            self._client.delete_tag(child.run_id, FAILURE)
            child.has_failure = False
        if all(row.skipped for row in rows):
            folds = max(len(row.scores) for row in rows)
            tags["dropped"] = f"by the race, after {folds} of {rows[-1].folds} folds"
        if ranked:
            tags[TOLD] = _digest([row.columns for row in ranked])
        params = {} if child.rows else _params_of(candidate, sweep)
        log_all(self._client, child.run_id, metrics, params, tags)
        child.rows = len(rows)

    def _close(self, child: Child, last: Row) -> None:
        scores = [score for scores in last.scores.values() for score in scores.values()]
        has_failed = last.failure is not None and all(score != score for score in scores)
        self._client.set_terminated(child.run_id, "FAILED" if has_failed else "FINISHED", last.ended)
        child.is_closed = True


def _params_of(candidate: Candidate, sweep: Sweep) -> dict[str, str]:
    params = {**(sweep.facts or {})["estimator_params"], **candidate.params}
    return {known_name(name): short_value(text) for name, text in params.items()}


def _digest_of_scores(rows: list[Row]) -> str:
    return _digest([sorted(row.scores.items()) for row in rows])


def _digest(values: Any) -> str:
    return hashlib.sha256(json.dumps(values, sort_keys=True).encode()).hexdigest()[:32]
