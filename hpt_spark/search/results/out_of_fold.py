"""Out-of-fold predictions: those of the very fits that were scored, for the rows that they were not trained on."""

from __future__ import annotations

import math
import warnings
from collections.abc import Iterable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from hpt_spark.errors import ArgumentError
from hpt_spark.search.evaluation import Evaluation, Fit
from hpt_spark.search.journal.records import NONE_PREDICTED
from hpt_spark.search.results.predictor import PREDICTIONS, Predictor, predictor_of
from hpt_spark.search.sklearn_compat import num_samples
from hpt_spark.storage.disk_errors import translate_disk_errors
from hpt_spark.storage.scratch import scratch_folder


class FoldPredictions:
    """The predictions of one evaluation's fits, in a file of the driver's own: its memory holds one fit's at a time.

    Parameters
    ----------
    path : Path
        Of the file, which is sparse: each fit's predictions have their place in it.
    evaluation : Evaluation
        With a predictor.
    first : int
        How many candidates earlier evaluations have had.
    shape : tuple of int, optional
        Of a row's predictions, where an earlier evaluation has some.
    """

    def __init__(
        self, path: Path, evaluation: Evaluation, first: int = 0, shape: tuple[int, ...] | None = None
    ) -> None:
        assert evaluation.predictor is not None
        self._path = path
        self._folds = evaluation.folds
        self._rows = num_samples(evaluation.data.X)
        self._dtype = np.dtype(evaluation.predictor.dtype)
        self._starts = np.cumsum([0, *(len(test) for _, test in self._folds)], dtype=np.int64)
        self._known: set[tuple[int, int]] = set()
        self.shape = shape  # as the first predictions of the search have it; None before these
        self.candidates = len(evaluation.candidates)
        self._first = first
        path.touch()

    def put(self, fit: Fit, predictions: np.ndarray) -> None:
        """Keep the predictions of a fit."""
        shape = predictions.shape[1:]
        self.shape = shape if self.shape is None else self.shape
        if shape != self.shape or len(predictions) != self._starts[fit.fold + 1] - self._starts[fit.fold]:
            raise ArgumentError(
                f"keep_oof needs predictions of one shape, but those of candidate {self._first + fit.candidate} on "
                f"fold {fit.fold} have the shape {predictions.shape}; leave keep_oof out."
            )
        with translate_disk_errors(self._path), self._path.open("r+b") as file:
            file.seek(self._offset(fit.candidate, fit.fold))
            file.write(np.ascontiguousarray(predictions, self._dtype).data)
        self._known.add((fit.candidate, fit.fold))

    def forget(self, fits: Iterable[Fit]) -> None:
        """Have no predictions of some fits."""
        self._known.difference_update((fit.candidate, fit.fold) for fit in fits)

    def of_candidate(self, candidate: int) -> np.ndarray:
        """Return the predictions of a candidate for all rows: NaN for a row without, the mean where it has several."""
        shape = self.shape or ()
        total = np.full((self._rows, *shape), -0.0)  # to which everything can be added without a change, also -0.0
        times = np.zeros(self._rows, np.int64)
        with self._path.open("rb") as file:
            for fold, (_, test) in enumerate(self._folds):
                if (candidate, fold) in self._known:
                    file.seek(self._offset(candidate, fold))
                    found = np.frombuffer(file.read(len(test) * self._width * self._dtype.itemsize), self._dtype)
                    total[test] += found.reshape((len(test), *shape))
                    times[test] += 1
        with np.errstate(invalid="ignore", over="ignore"):  # 0 / 0 is NaN
            return (total / times.reshape((-1, *[1] * len(shape)))).astype(self._dtype)

    @property
    def _width(self) -> int:
        return math.prod(self.shape or ())

    def _offset(self, candidate: int, fold: int) -> int:
        return int(candidate * self._starts[-1] + self._starts[fold]) * self._width * self._dtype.itemsize


class OutOfFold:
    """The out-of-fold predictions of one search; `keep` says whose are wanted in the end.

    Those of all candidates are kept until then, because which one is the best is known last, and another training of
    an estimator without a seed would be another one.
    """

    def __init__(self, keep: str) -> None:
        self._keep = keep
        self._held = ExitStack()
        self._folder: Path | None = None
        self._evaluations: list[FoldPredictions] = []
        self._predictor: Predictor | None = None  # of all evaluations

    def close(self) -> None:
        """Delete the files that have held the predictions."""
        self._held.close()

    def begin(self, evaluation: Evaluation) -> Evaluation:
        """Return `evaluation` with the wish for predictions, if there is one.

        Raises
        ------
        ArgumentError
            When its candidates do not predict, or not the way that those of earlier evaluations do.
        """
        if self._keep == "none":
            return evaluation
        self._predictor = predictor_of(evaluation, self._predictor)
        evaluation = replace(evaluation, predictor=self._predictor)
        if self._folder is None:
            self._folder = self._held.enter_context(scratch_folder())
        path = self._folder / f"evaluation-{len(self._evaluations)}"
        first = sum(one.candidates for one in self._evaluations)
        self._evaluations.append(FoldPredictions(path, evaluation, first, self._shape))
        return evaluation

    @property
    def _shape(self) -> tuple[int, ...] | None:
        """The shape of a row's predictions, which is one for all evaluations; None before there are any."""
        return next((one.shape for one in self._evaluations if one.shape is not None), None)

    def put(self, fit: Fit, predictions: np.ndarray) -> None:
        """Keep predictions of the present evaluation, if any are wanted."""
        if self._evaluations:
            self._evaluations[-1].put(fit, predictions)

    def forget(self, fits: Iterable[Fit]) -> None:
        """Have no predictions of fits of the present evaluation that a race has left out: a journal may have some."""
        if self._evaluations:
            self._evaluations[-1].forget(fits)

    def take(self, results: Iterable[tuple[Fit, Any]]) -> dict[Fit, np.ndarray]:
        """Keep the predictions of some results of the present evaluation, take them out there, and return them."""
        taken = {}
        for fit, result in results:
            if PREDICTIONS in result:
                self.put(fit, result[PREDICTIONS])  # not taken out before: Ctrl-C may come at any time
                taken[fit] = result.pop(PREDICTIONS)
        return taken

    def warn_of_missing(self, results: Mapping[Fit, dict[str, Any]]) -> None:
        """Say of which fits there are none though they were scored, and take the reasons out of the results."""
        reasons = [result.pop(NONE_PREDICTED) for result in results.values() if NONE_PREDICTED in result]
        if reasons and self._keep != "none":
            warnings.warn(
                f"The out-of-fold predictions of {len(reasons)} of {len(results)} fits are missing ({reasons[0]}); "
                "they are NaN.",
                UserWarning,
                stacklevel=2,
            )

    def predictions(self, rows: Sequence[int]) -> np.ndarray:
        """Return the predictions of some rows of ``cv_results_``: the candidates of one evaluation after another.

        Returns
        -------
        ndarray, shape (n_candidates, n_rows[, n_columns])
            Its memory is a file's.
        """
        for one in self._evaluations:
            one.shape = self._shape  # an evaluation has none that came before the first predictions
        places = [(one, at) for one in self._evaluations for at in range(one.candidates)]
        assert self._folder is not None
        path = self._folder / "predictions"
        with translate_disk_errors(path), path.open("wb") as file:
            for row in rows:
                evaluation, candidate = places[row]
                predictions = evaluation.of_candidate(candidate)
                file.write(predictions.data)
        whole = np.memmap(path, predictions.dtype, "c", shape=(len(rows), *predictions.shape))
        path.unlink()  # a mapped file stays until nobody maps it any more
        return whole
