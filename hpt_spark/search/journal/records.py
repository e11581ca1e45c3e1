"""The records of a journal: a line for each fit, under the digests of its candidate and its fold."""

from __future__ import annotations

import json
import numbers
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from hpt_spark.search.evaluation import Fit

NONE_PREDICTED = "unpredicted"  # in a record: why a fit that was scored has no predictions

NUMBERS = {"test_scores", "train_scores", "fit_time", "score_time"}  # in a record, the scores perhaps by metric

Key = tuple[str, str]


@dataclass(frozen=True)
class FitKeys:
    """The keys by which a journal knows the fits of an evaluation."""

    candidates: Sequence[str]  # a digest of each
    folds: Sequence[str]  # a digest of each

    def of(self, fit: Fit) -> Key:
        """Return the key of a fit."""
        return self.candidates[fit.candidate], self.folds[fit.fold]


class Record(NamedTuple):
    """A result as it lies in a journal: the line, and its file."""

    line: str
    file: str


def name_of_array(key: Key) -> str:
    """Return the name of a fit's predictions in their file, which lines that were moved or deleted leave the fit's."""
    return "-".join(key)


def read_predictions(path: Path, keys: FitKeys, fits: Sequence[Fit]) -> Iterator[tuple[Fit, np.ndarray]]:
    """Yield the predictions of the fits that have some in a file; a fit whose predictions are damaged runs again."""
    try:
        arrays = np.load(path)
    except Exception:  # of many kinds, as a damaged file may look like anything
        return
    with arrays:
        for fit in fits:
            try:
                predictions = arrays[name_of_array(keys.of(fit))]
            except Exception:
                continue
            yield fit, predictions


def needs_none(result: dict[str, Any]) -> bool:
    """Return whether a fit has no predictions: it has failed, or they have."""
    return bool(result.get("fit_error")) or NONE_PREDICTED in result


def parsed(line: str) -> tuple[Key, dict[str, Any]]:
    """Return a fit's key and its result; ValueError, KeyError, TypeError or AttributeError for a damaged line."""
    record = json.loads(line)
    candidate, fold = record.pop("fit")
    if "test_scores" not in record or "fit_time" not in record:
        raise ValueError("not a result")
    if not isinstance(record.get("fit_error"), (str, type(None))):
        raise ValueError("not a reason")
    for name in NUMBERS & record.keys():
        values = record[name].values() if isinstance(record[name], dict) else [record[name]]
        if not all(isinstance(value, (int, float)) for value in values):
            raise ValueError(f"{name} is no number")
    return (str(candidate), str(fold)), record


def readable(value: Any) -> Any:
    """Return a candidate's value as people read it."""
    return value.item() if isinstance(value, np.generic) else repr(value)


def plain(value: Any) -> Any:
    """Return `value` as JSON holds it; Python writes and reads a float to the last bit.

    Scores of another kind (Decimal, Fraction, long double) become the floats that scikit-learn makes
    of them in ``cv_results_``.
    """
    if isinstance(value, dict):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, complex):
        return value.real
    is_number = isinstance(value, numbers.Number) and not isinstance(value, (int, float))
    return float(value) if is_number else value
