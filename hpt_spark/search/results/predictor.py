"""How fitted estimators predict the rows that they were not trained on."""

from __future__ import annotations

from collections.abc import Hashable, Iterable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import numpy as np
from sklearn.base import is_classifier, is_regressor

from hpt_spark.errors import ArgumentError
from hpt_spark.search.arguments import is_number
from hpt_spark.search.evaluation import Evaluation
from hpt_spark.search.journal.records import NONE_PREDICTED
from hpt_spark.search.results.reasons import first_line_of

PREDICTIONS = "predictions"  # what a worker adds to the result of a fit, and the driver takes out of it


@dataclass(frozen=True)
class Predictor:
    """How a fitted estimator predicts, as ``cross_val_predict`` lets it."""

    method: str  # `predict_proba`, `decision_function` or `predict`
    classes: np.ndarray | None  # all classes of the targets, sorted, where the method has a column for each
    width: int  # how many numbers there are for a row at most

    @property
    def dtype(self) -> type[np.floating[Any]]:
        """The type of the predictions: double for targets, single for probabilities and the like."""
        return np.float64 if self.method == "predict" else np.float32

    def results_of(self, estimator: Any, X: Any) -> dict[str, Any]:
        """Return what a worker adds to the result of a fit: the predictions, or why there are none."""
        try:
            return {PREDICTIONS: self.predict(estimator, X)}
        except Exception as error:
            return {NONE_PREDICTED: first_line_of(error)}

    def predict(self, estimator: Any, X: Any) -> np.ndarray:
        """Return the predictions, with a column for each class also where a fold lacks some."""
        found = getattr(estimator, self.method)(X)
        if isinstance(found, list):
            raise ValueError(f"{self.method} gives a list of arrays, one for each of several targets")
        predictions = np.asarray(found)
        classes = getattr(estimator, "classes_", None)
        if self.classes is not None and classes is not None and len(classes) != len(self.classes):
            predictions = self._of_all_classes(predictions, np.asarray(classes))
        with np.errstate(over="ignore"):
            return predictions.astype(self.dtype)

    def _of_all_classes(self, predictions: np.ndarray, classes: np.ndarray) -> np.ndarray:
        assert self.classes is not None
        if predictions.ndim != 2 or predictions.shape[1] != len(classes):
            raise ValueError(
                f"{self.method} has no column for each of the {len(classes)} classes of a fold that lacks some of "
                f"all {len(self.classes)}"
            )
        # cross_val_predict's values of a class that the training rows of a fold do not have.
        absent = 0.0 if self.method == "predict_proba" else np.finfo(predictions.dtype).min
        whole = np.full((len(predictions), len(self.classes)), absent, predictions.dtype)
        whole[:, np.searchsorted(self.classes, classes)] = predictions
        return whole


def predictor_of(evaluation: Evaluation, earlier: Predictor | None) -> Predictor:
    """Return how all candidates of an evaluation predict: as those of `earlier` evaluations do, if there are any.

    Raises
    ------
    ArgumentError
        When they cannot, or not all of them the same way.
    """
    y = evaluation.data.y
    targets = None if y is None else np.asarray(y)
    columns = 1 if targets is None or targets.ndim < 2 else targets.shape[1]
    methods = {_method_of(estimator) for estimator in _kinds(evaluation)} | ({earlier.method} if earlier else set())
    methods = methods or {_method_of(evaluation.estimator)}
    if len(methods) > 1:
        raise ArgumentError(
            f"keep_oof needs one kind of prediction for all candidates, but some predict by "
            f"{' and some by '.join(sorted(methods))}; search these apart, or leave keep_oof out."
        )
    (method,) = methods
    if method == "predict" or targets is None:
        return Predictor(method, None, columns)
    if columns > 1:
        raise ArgumentError(
            f"keep_oof keeps the predictions of one target for each row, but y has {columns} columns of classes; "
            "leave keep_oof out."
        )
    classes = np.unique(targets.ravel()) if is_classifier(evaluation.estimator) else None
    return Predictor(method, classes, 1 if classes is None else len(classes))


def _kinds(evaluation: Evaluation) -> Iterable[Any]:
    """Yield an estimator of each kind among the candidates: numbers do not change by which method one predicts."""
    different: dict[Hashable, int] = {}
    for at, candidate in enumerate(evaluation.candidates):
        # The candidates of a grid have the same objects, of which some, such as a lambda, have no digest.
        settings = sorted((name, value) for name, value in candidate.items() if not is_number(value))
        different.setdefault(
            tuple((name, value if isinstance(value, str) else id(value)) for name, value in settings), at
        )
    for at in different.values():
        with suppress(Exception):  # whatever is wrong with its parameters, its fit is to say so
            yield evaluation.estimator_of(at)


def _method_of(estimator: Any) -> str:
    if is_regressor(estimator):
        return "predict"
    for method in ("predict_proba", "decision_function"):
        if hasattr(estimator, method):
            return method
    if is_classifier(estimator) or not hasattr(estimator, "predict"):
        raise ArgumentError(
            f"keep_oof keeps probabilities, but {type(estimator).__name__} has neither predict_proba nor "
            "decision_function; search an estimator that has, or leave keep_oof out."
        )
    return "predict"
