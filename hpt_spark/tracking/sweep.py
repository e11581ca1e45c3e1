"""A sweep: the replay of its events."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from itertools import takewhile

import numpy as np

from hpt_spark.search.results.result_table import DONE
from hpt_spark.tracking.spool import Event


@dataclass
class Row:
    """A row of ``cv_results_``: a candidate, of halving on one rung, of a curve after so many rounds."""

    number: int
    step: int  # the rung, counted from 0, or the number of rounds; 0 where the search has neither
    folds: int
    skipped: int = 0  # how many of the folds a race has left out
    scores: dict[int, Mapping[str, float]] = field(default_factory=dict)
    times: dict[int, tuple[float, float]] = field(default_factory=dict)
    began: int = 0
    ended: int = 0
    failure: str | None = None
    columns: Mapping[str, float] = field(default_factory=dict)

    @property
    def is_whole(self) -> bool:
        """Whether all folds have results, apart from those that a race has left out."""
        return 0 < len(self.scores) == self.folds - self.skipped

    def summary(self) -> dict[str, float]:
        """Return the means and standard deviations over the folds, by scikit-learn's names."""
        of_folds = [self.scores[fold] for fold in sorted(self.scores)]
        values = {f"test_{name}": [scores[name] for scores in of_folds] for name in of_folds[0]}
        for place, name in enumerate(("fit_time", "score_time")):
            values[name] = [times[place] for times in self.times.values()]
        means = {f"mean_{name}": float(np.mean(each)) for name, each in values.items()}
        return {**means, **{f"std_{name}": float(np.std(each)) for name, each in values.items()}}


@dataclass
class Candidate:
    """A candidate: a child run. Its rows are those of halving's rungs or of a curve's points, or the only one."""

    number: int
    key: str  # a digest of its parameters, and how many candidates with the same ones came before it
    params: Mapping[str, str]
    rows: list[Row] = field(default_factory=list)

    @property
    def whole_rows(self) -> list[Row]:
        """The rows before the first incomplete one."""
        return list(takewhile(lambda row: row.is_whole, self.rows))


class Sweep:
    """The state of a search.

    Attributes
    ----------
    facts : Event or None
        Of the search: its id, name, parameters, tags, dataset.
    results : Event or None
        The best candidate and the metrics of the whole.
    files : Event or None
        The files to keep with the run, and the model.
    status : str or None
        How it ended, in MLflow's words.
    curve : str or None
        The parameter that counts the rounds, where rows are the points of curves.
    may_go_on : bool
        Whether a candidate may get further rows.
    """

    def __init__(self, events: Iterable[Event] = ()) -> None:
        self.facts: Event | None = None
        self.results: Event | None = None
        self.files: Event | None = None
        self.status: str | None = None
        self.curve: str | None = None
        self.may_go_on = False
        self.candidates: dict[str, Candidate] = {}
        self._rows: dict[int, Row] = {}
        self._equal: Counter[str] = Counter()
        self.add(events)

    @property
    def halves(self) -> bool:
        """Whether rows are those of rungs."""
        return bool((self.facts or {}).get("halves"))

    def add(self, events: Iterable[Event]) -> None:
        """Apply more events."""
        for event in events:
            getattr(self, f"_{event['kind']}")(event)

    def _search(self, event: Event) -> None:
        self.facts = event

    def _evaluation(self, event: Event) -> None:
        self.curve = curve = event.get("curve")
        self.may_go_on |= bool(event["rung"])
        for at, params in enumerate(event["candidates"]):
            step = int(params[curve]) if curve else (event["rung"] or 1) - 1
            row = Row(event["first_row"] + at, step, event["folds"])
            self._rows[row.number] = row
            known = {name: text for name, text in params.items() if name not in (event["resource"], curve)}
            # Halving tries a candidate again on each rung, and so does a curve; elsewhere two equal ones are two.
            text = json.dumps(known, sort_keys=True)
            place = text if event["rung"] or curve else str(row.number)
            if place not in self.candidates:
                digest = hashlib.sha256(text.encode()).hexdigest()[:32]
                key = f"{digest}-{self._equal[digest]}"
                self._equal[digest] += 1
                self.candidates[place] = Candidate(len(self.candidates), key, known)
            self.candidates[place].rows.append(row)

    def _fits(self, event: Event) -> None:
        for number, fold, scores, fit_time, score_time, failure in event["fits"]:
            row = self._rows[number]
            row.scores[fold] = scores
            row.times[fold] = (fit_time, score_time)
            began = event["time"] - int(1000 * (fit_time + score_time))
            row.began = min(row.began or began, began)
            row.ended = max(row.ended, event["time"])
            row.failure = failure or row.failure

    def _results(self, event: Event) -> None:
        self.results = event
        for number, columns in enumerate(event["rows"]):
            if number in self._rows:
                row = self._rows[number]
                row.columns, row.skipped = columns, row.folds - int(columns.get(DONE, row.folds))

    def _files(self, event: Event) -> None:
        self.files = event

    def _end(self, event: Event) -> None:
        self.end(event["status"])

    def end(self, status: str) -> None:
        """End the search; one that was killed when its files were kept already has finished."""
        self.status = "FINISHED" if status == "KILLED" and self.files is not None else status
