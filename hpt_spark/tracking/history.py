"""A sweep in MLflow: a parent run, and a child run for each candidate.

The store is brought up to what the sweep knows, step by step. What it has already is left alone, so that
a sweep that resumes, or a step that failed halfway, goes on where it was.
"""

from __future__ import annotations

import hashlib
import json
import logging
import math
from collections.abc import Iterable, Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import cloudpickle
import mlflow
from mlflow.entities import Dataset, DatasetInput, InputTag, Metric, Param, RunTag, ViewType
from mlflow.exceptions import MlflowException
from mlflow.tracking import MlflowClient
from mlflow.utils.mlflow_tags import MLFLOW_PARENT_RUN_ID

from hpt_spark.tracking.metrics import known_name, metrics_of_outer_folds, metrics_of_row, peaks_of
from hpt_spark.tracking.sweep import Candidate, Row, Sweep

ID, NUMBER, ROWS, KEPT = "hpt_spark.id", "hpt_spark.candidate", "hpt_spark.rows", "hpt_spark.kept"
TOLD = "hpt_spark.columns"
# What one request may hold: MLflow allows 1,000 metrics, 100 parameters, and 1 MB in all.
METRICS, PARAMS, LETTERS_OF_PARAMS = 1000, 100, 800_000
LONGEST_VALUE = 6000
PAGE = 1000

log = logging.getLogger(__name__)


class History:
    """Writes one sweep into a store.

    Parameters
    ----------
    uri : str
        MLflow's tracking URI.
    experiment : str
    max_children : int or None
        How many candidates get a run of their own; where there are more, the best ones do, at the end, by the metric
        of ``refit`` or else the first scoring.

    Attributes
    ----------
    run_id : str or None
        The parent's.
    parent_is_done : bool
        Whether the parent has all that is known.
    """

    def __init__(self, uri: str, experiment: str, max_children: int | None = None) -> None:
        mlflow.set_tracking_uri(uri)
        self._uri = uri
        self._client = MlflowClient(uri)
        self._experiment = experiment
        self._max_children = max_children
        self._experiment_id = ""
        self.run_id: str | None = None
        self.parent_is_done = False
        self._has_results = False
        self._parent_params: dict[str, str] = {}
        self._parent_tags: dict[str, str] = {}
        self._parent_metrics: dict[str, float] = {}
        self._children: dict[int, str] = {}  # run ids, by the candidate's number
        self._rows: dict[int, int] = {}  # how many rows of a candidate are there
        self._ranked: set[int] = set()
        self._told: dict[int, str] = {}  # a digest of the final columns that a candidate has been given
        self._closed: set[int] = set()
        self.problems: list[str] = []

    def reopen(self) -> None:
        """Look again at what the store has, after a request of which nobody knows whether it arrived."""
        self.run_id = None
        self.parent_is_done = self._has_results = False
        self._ranked.clear()

    def steps(self, sweep: Sweep) -> Iterator[int]:
        """Write what the store lacks; yield after each step, with how many candidates were written in it."""
        if sweep.facts is None:
            return
        if self.run_id is None:
            self._open(sweep)
            yield 0
        if sweep.results is not None and not self._has_results:
            self._log_results(sweep.results)
            yield 0
        if self._has_results and not self.parent_is_done:
            yield from self._finish_parent(sweep)
        for candidate in self._chosen(sweep):
            if self._write(candidate, sweep):
                yield 1
        if sweep.status is not None:
            if sweep.results is None:
                self._close_all(sweep)
            self._client.set_terminated(self._parent, sweep.status)
            yield 0

    @property
    def _parent(self) -> str:
        assert self.run_id is not None
        return self.run_id

    # --- the parent ---

    def _open(self, sweep: Sweep) -> None:
        facts: dict[str, Any] = sweep.facts or {}
        self._experiment_id = self._id_of_experiment(facts)
        found = self._client.search_runs(
            [self._experiment_id], f"tags.`{ID}` = '{facts['id']}'", ViewType.ACTIVE_ONLY, max_results=1
        )
        if found:
            run = found[0]
            self._client.update_run(run.info.run_id, status="RUNNING")
            self._find_children(run.info.run_id)
        else:
            tags = {ID: facts["id"], **{name: _value(text) for name, text in facts["tags"].items()}}
            run = self._client.create_run(self._experiment_id, facts["started"], tags, facts["name"])
        self._parent_params, self._parent_tags = dict(run.data.params), dict(run.data.tags)
        self._parent_metrics = dict(run.data.metrics)
        self.run_id = run.info.run_id
        self._log(self._parent, params=self._new_params(facts["params"]), tags=facts["tags"] if found else {})
        if not found and facts["dataset"]:
            self._client.log_inputs(self._parent, [_dataset(facts["dataset"])])

    def _id_of_experiment(self, facts: Mapping[str, Any]) -> str:
        experiment = self._client.get_experiment_by_name(self._experiment)
        if experiment is not None:
            return str(experiment.experiment_id)
        try:
            return str(self._client.create_experiment(self._experiment, artifact_location=facts.get("artifacts")))
        except MlflowException:
            experiment = self._client.get_experiment_by_name(self._experiment)  # another sweep's, made just now
            if experiment is None:
                raise
            return str(experiment.experiment_id)

    def _find_children(self, parent: str) -> None:
        token = None
        while True:
            page = self._client.search_runs(
                [self._experiment_id],
                f"tags.`{MLFLOW_PARENT_RUN_ID}` = '{parent}'",
                max_results=PAGE,
                page_token=token,
            )
            for run in page:
                number = int(run.data.tags.get(NUMBER, -1))
                self._children[number] = run.info.run_id
                self._rows[number] = int(run.data.tags.get(ROWS, 0))
                self._told[number] = run.data.tags.get(TOLD, "")
                if run.info.status != "RUNNING":
                    self._closed.add(number)
            token = page.token
            if not token:
                return

    def _log_results(self, results: Mapping[str, Any]) -> None:
        best = results["best_params"]
        params = {**best, **{f"best_{name}": text for name, text in best.items()}}
        now = results["time"]
        metrics = [Metric(known_name(name), value, now, 0) for name, value in results["metrics"].items()]
        best_so_far = results.get("best_so_far", ())
        if best_so_far and self._parent_metrics.get("best_so_far") != best_so_far[-1][1]:
            metrics += [Metric("best_so_far", best, now, batch) for batch, best in best_so_far]
        # A search that was ended early may go on and find another best one, but no parameter can be changed.
        tags = {**results["tags"], "best_params": json.dumps(best)}
        self._log(self._parent, metrics, self._new_params(params), tags)
        self._has_results = True

    def _finish_parent(self, sweep: Sweep) -> Iterator[int]:
        if sweep.files is None:
            if sweep.status is not None:
                self.parent_is_done = True
            return
        if scores := sweep.files.get("outer_scores"):
            outer = list(metrics_of_outer_folds(scores, sweep.files["time"]))
            if any(self._parent_metrics.get(one.key) != one.value for one in outer[:2]):
                self._log(self._parent, outer)
                yield 0
        for path in sweep.files["files"]:
            self._client.log_artifact(self._parent, path)
            yield 0
        if sweep.files["model"] and self._parent_tags.get(KEPT) != sweep.files["model"]["digest"]:
            self._log_model(sweep.files["model"])
            yield 0
        self.parent_is_done = True

    def _log_model(self, model: Mapping[str, Any]) -> None:
        """Keep the model with the run; one that MLflow cannot keep is told, and the rest goes on."""
        import mlflow.models

        try:
            with Path(model["path"]).open("rb") as file:
                estimator, example = cloudpickle.load(file)
            signature = mlflow.models.infer_signature(example, estimator.predict(example))
            flavor: Any
            with mlflow.start_run(run_id=self._parent, log_system_metrics=False):
                more: dict[str, Any] = {"signature": signature, "input_example": example}
                more["pip_requirements"] = model["requirements"]
                # XGBoost's file does not say which value stands for a missing one.
                if hasattr(estimator, "get_booster") and math.isnan(estimator.missing):
                    import mlflow.xgboost as flavor
                else:
                    import mlflow.sklearn as flavor

                    more["serialization_format"] = "cloudpickle"
                flavor.log_model(estimator, name="model", **more)
            self._client.set_tag(self._parent, KEPT, model["digest"])
        except Exception as error:
            if is_about_the_store(error):
                raise
            self.problems.append(f"the model could not be kept: {type(error).__name__}: {error}")
        finally:
            self._client.update_run(self._parent, status="RUNNING")

    def _new_params(self, params: Mapping[str, str]) -> dict[str, str]:
        """Return the parameters that the parent lacks: MLflow refuses another value for one that it has."""
        new = {known_name(name): _value(text) for name, text in params.items()}
        new = {name: text for name, text in new.items() if name not in self._parent_params}
        self._parent_params.update(new)
        return new

    # --- the children ---

    def _chosen(self, sweep: Sweep) -> list[Candidate]:
        """Return the candidates that get a run now."""
        candidates = list(sweep.candidates.values())
        if self._max_children is None or len(candidates) <= self._max_children:
            return candidates
        if sweep.results is None:
            return []
        return sorted(candidates, key=partial(_rank, sweep))[: self._max_children]

    def _write(self, candidate: Candidate, sweep: Sweep) -> bool:
        """Write what is new of a candidate; return whether there was anything."""
        rows = candidate.whole_rows
        new = rows[self._rows.get(candidate.number, 0) :]
        ranked = [row for row in rows if row.columns and row.number not in self._ranked]
        told = _digest([row.columns for row in ranked]) if ranked else None
        if told is not None and told == self._told.get(candidate.number):
            self._ranked.update(row.number for row in ranked)
            ranked = []
        if not rows or not (new or ranked):
            return False
        number = candidate.number
        if number not in self._children:
            self._children[number] = self._create(candidate, sweep, rows[0].began)
        metrics = [metric for row in new for metric in metrics_of_row(row, sweep)]
        for row in ranked:
            known = row.summary()
            late = {name: value for name, value in row.columns.items() if row not in new and known.get(name) != value}
            metrics += [
                Metric(known_name(name), value, row.ended + 1, row.step) for name, value in late.items()
            ]  # the latest
        if ranked and sweep.curve:
            metrics += peaks_of(rows)
        reasons = [row.failure for row in new if row.failure]
        more = {"failure": reasons[-1]} if reasons else {}
        if rows[-1].skipped:
            more["dropped"] = f"by the race, after {len(rows[-1].scores)} of {rows[-1].folds} folds"
        if ranked:
            more[TOLD] = str(told)
        params = self._child_params(candidate, sweep) if number not in self._rows else {}
        self._log(self._children[number], metrics, params, {ROWS: str(len(rows)), **more})
        self._rows[number] = len(rows)
        self._ranked.update(row.number for row in ranked)
        if number not in self._closed and (ranked or not sweep.may_go_on):
            self._close(candidate, rows[-1])
        return True

    def _create(self, candidate: Candidate, sweep: Sweep, began: int) -> str:
        facts: dict[str, Any] = sweep.facts or {}
        tags = {MLFLOW_PARENT_RUN_ID: self._parent, NUMBER: str(candidate.number)}
        tags.update({name: facts["tags"][name] for name in ("estimator_name", "estimator_class")})
        run = self._client.create_run(self._experiment_id, began, tags, f"candidate {candidate.number}")
        return str(run.info.run_id)

    def _child_params(self, candidate: Candidate, sweep: Sweep) -> dict[str, str]:
        params = {**(sweep.facts or {})["estimator_params"], **candidate.params}
        return {known_name(name): _value(text) for name, text in params.items()}

    def _close(self, candidate: Candidate, last: Row) -> None:
        scores = [score for scores in last.scores.values() for score in scores.values()]
        has_failed = last.failure is not None and all(score != score for score in scores)
        status = "FAILED" if has_failed else "FINISHED"
        self._client.set_terminated(self._children[candidate.number], status, last.ended)
        self._closed.add(candidate.number)

    def _close_all(self, sweep: Sweep) -> None:
        for candidate in sweep.candidates.values():
            if candidate.number in self._children and candidate.number not in self._closed:
                self._close(candidate, candidate.whole_rows[-1])

    def _log(
        self,
        run_id: str,
        metrics: Iterable[Metric] = (),
        params: Mapping[str, str] | None = None,
        tags: Mapping[str, str] | None = None,
    ) -> None:
        """Log all of it, in as many requests as MLflow's limits ask for."""
        tag_list = [RunTag(name, _value(text)) for name, text in (tags or {}).items()]
        pieces = list(_pieces(params or {})) or [[]]
        rest = list(metrics)
        for piece in pieces:
            room = METRICS - len(piece) - len(tag_list)
            self._client.log_batch(run_id, rest[:room], piece, tag_list)
            rest, tag_list = rest[room:], []
        while rest:
            self._client.log_batch(run_id, rest[:METRICS])
            rest = rest[METRICS:]


def is_about_the_store(error: Exception) -> bool:
    """Return whether an error is the store's, or that of the way to it."""
    return isinstance(error, (MlflowException, OSError))


def _digest(columns: list[Mapping[str, float]]) -> str:
    return hashlib.sha256(json.dumps(columns, sort_keys=True).encode()).hexdigest()[:32]


def _rank(sweep: Sweep, candidate: Candidate) -> tuple[bool, float, float]:
    rows = candidate.rows if sweep.curve else candidate.rows[-1:]
    assert sweep.results is not None  # candidates are ranked at the end
    # A function as `refit` may choose another one than the first by rank.
    is_chosen = sweep.results.get("best_row") in {row.number for row in candidate.rows}
    column = sweep.results["rank"]
    return (not is_chosen, 0 if sweep.curve else -rows[-1].step, min(row.columns.get(column, math.inf) for row in rows))


def _pieces(params: Mapping[str, str]) -> Iterator[list[Param]]:
    piece: list[Param] = []
    letters = 0
    for name, text in params.items():
        if piece and (len(piece) == PARAMS or letters + len(text) > LETTERS_OF_PARAMS):
            yield piece
            piece, letters = [], 0
        piece.append(Param(name, text))
        letters += len(text)
    if piece:
        yield piece


def _dataset(facts: Mapping[str, Any]) -> DatasetInput:
    dataset = Dataset(
        name=facts["name"],
        digest=facts["digest"],
        source_type="local",
        source=json.dumps({"uri": facts["source"]}),
        profile=json.dumps({"num_rows": facts["rows"], "num_features": facts["columns"]}),
    )
    return DatasetInput(dataset, [InputTag("mlflow.data.context", "train")])


def _value(text: str) -> str:
    return text if len(text) <= LONGEST_VALUE else f"{text[: LONGEST_VALUE - 3]}..."
