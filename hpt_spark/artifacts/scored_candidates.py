"""The candidates of a finished or a running search with their scores, evaluation by evaluation."""

from __future__ import annotations

import ast
import json
import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from hpt_spark.artifacts.candidates import fold_columns, literal_params, param_cells, read_candidates
from hpt_spark.artifacts.run_directory import JOURNAL, RunDirectory
from hpt_spark.errors import InputError
from hpt_spark.masking import mask_secrets
from hpt_spark.search.journal.journal import WANTED
from hpt_spark.search.results.result_table import DONE, ITERATION, RESOURCES
from hpt_spark.storage.folder import read_json

TOLD = re.compile(r"(mean|std|rank)_\w+")  # columns of cv_results that are no parameter and no fold


@dataclass(frozen=True)
class Scored:
    """A candidate in one evaluation."""

    params: Mapping[str, Any]
    folds: Sequence[float | None]  # its scores; None for a fit that has not ended
    facts: Mapping[str, Any] = field(default_factory=dict)  # what else is known of it

    @property
    def is_evaluated(self) -> bool:
        """Whether all its fits have ended."""
        return None not in self.folds

    @property
    def is_dropped(self) -> bool:
        """Whether a race has dropped it before its last fold."""
        return self._folds_done < len(self.folds)

    @property
    def _folds_done(self) -> int:
        return int(self.facts.get(DONE, len(self.folds)))

    @property
    def mean(self) -> float:
        """scikit-learn's mean score; NaN where a fit has failed."""
        told = self.facts.get("mean_test_score")
        if told is not None:
            return float(told)
        own = self.folds[: self._folds_done]
        return sum(score or 0.0 for score in own) / len(own)


def scored_candidates(run: RunDirectory) -> list[list[Scored]]:
    """Return the candidates of each evaluation of a run: a search has one, halving one for each rung.

    Raises
    ------
    InputError
        When there is neither a finished search nor the journal of one that runs.
    """
    if run.manifest() is not None:
        rungs: dict[str, list[Scored]] = {}
        for row in read_candidates(run):
            if row.get(DONE) != "0":  # its curve stopped before this point
                rungs.setdefault(row.get(ITERATION, ""), []).append(_of_row(row))
        return list(rungs.values())
    found = _of_journal(run)
    if not found:
        raise InputError(
            f"run.dir={run.uri} has neither a finished search nor the journal of one that runs (the joblib backend "
            "keeps none); run `hpt-spark tune` with the same run.dir."
        )
    return found


def _of_row(row: Mapping[str, str]) -> Scored:
    folds = [float(row[name] or "nan") for name in fold_columns(row)]
    told = {name: _value(row[name]) for name in row if TOLD.fullmatch(name) or name in (RESOURCES, DONE)}
    params = literal_params(row)
    if params is None:
        params = {name: _value(cell) for name, cell in param_cells(row).items() if cell}
    return Scored(params, folds, told)


def _value(cell: str) -> Any:
    for read in (ast.literal_eval, float):
        try:
            return read(cell)
        except (ValueError, SyntaxError):
            continue
    return cell


def _of_journal(run: RunDirectory) -> list[list[Scored]]:
    if not run.folder.exists(JOURNAL):
        return []
    with run.folder.reading(JOURNAL) as folder:
        paths = [folder / f"candidates-{number}.json" for number in range(len(list(folder.iterdir())))]
        # Before the records: a candidate that a race has dropped then has all its records.
        described = [read_json(path) for path in paths if path.exists()]
        records = {tuple(record["fit"]): record for record in _records(folder)} if described else {}
        return [_evaluation(one, records) for one in described]


def _evaluation(described: Mapping[str, Any], records: Mapping[tuple[str, ...], Mapping[str, Any]]) -> list[Scored]:
    folds = described["folds"]
    wanted = described.get(WANTED) or [len(folds)] * len(described["keys"])
    return [
        _of_records(params, [records.get((key, fold)) for fold in folds[:count]], len(folds))
        for key, params, count in zip(described["keys"], described["candidates"], wanted)
        if count
    ]


def _of_records(params: Mapping[str, Any], own: Sequence[Mapping[str, Any] | None], folds: int) -> Scored:
    """Return a candidate from the records of its own folds; None stands for a fit that has not ended."""
    ended = [record for record in own if record is not None]
    facts: dict[str, Any] = {}
    if ended:
        facts["mean_fit_time"] = math.fsum(float(record["fit_time"]) for record in ended) / len(ended)
    for record in ended:
        if record["fit_error"]:
            facts["fit_error"] = mask_secrets(str(record["fit_error"])).strip().splitlines()[-1]
    is_dropped = len(own) < folds
    missing = math.nan if is_dropped else None  # a dropped one's fit without a record has died
    if is_dropped:
        facts[DONE] = len(own)
    scores = [missing if record is None else _score(record["test_scores"]) for record in own]
    return Scored(params, scores + [missing] * (folds - len(own)), facts)


def _score(scores: Any) -> float:
    """Return the score of a fit; of several scorings the one that decides is the first."""
    return float(next(iter(scores.values())) if isinstance(scores, Mapping) else scores)


def _records(folder: Path) -> Iterator[dict[str, Any]]:
    """Yield the records of a journal; its last line may be being written."""
    for file in sorted(folder.glob("fits-*.jsonl"), key=lambda file: (len(file.name), file.name)):
        for line in file.read_text(encoding="utf-8", errors="replace").splitlines():
            try:
                yield json.loads(line)
            except ValueError:
                continue
