"""Boosting paths of XGBoost: one training, scored at several numbers of rounds.

The trees of round i do not depend on how many rounds follow, and ``n_estimators`` never reaches the
booster, so that the first k rounds of a longer training are the training of k rounds, to the last
bit. `may_share` lists what breaks this; such candidates are fitted one by one.
"""

from __future__ import annotations

import inspect
import numbers
from collections.abc import Callable, Iterator, Mapping, MutableMapping
from contextlib import contextmanager
from typing import Any

import joblib

ROUNDS = "n_estimators"

# Only these classes themselves: a subclass may do anything in its fit. XGBRF* have one round.
CLASSES = ("XGBClassifier", "XGBRegressor", "XGBRanker")

# Arguments of fit that are rows' properties or only talk; all others may depend on the number of rounds.
HARMLESS_FIT_PARAMS = {"sample_weight", "base_margin", "group", "qid", "feature_weights", "verbose"}

# The matrix that a training reads depends on these parameters and on nothing else of a candidate
# (xgboost.sklearn.XGBModel._create_dmatrix and _wrap_evaluation_matrices; xgboost 2.0 to 3.4).
MATRIX_PARAMS = (
    "booster",
    "device",
    "enable_categorical",
    "feature_types",
    "feature_weights",
    "max_bin",
    "missing",
    "n_jobs",
    "nthread",
    "tree_method",
)


def may_share(estimator: Any, fit_params: Mapping[str, Any]) -> bool:
    """Return whether the candidates that differ from `estimator` in ``n_estimators`` alone may share one training.

    Parameters
    ----------
    estimator : estimator
        With the candidate's parameters set.
    fit_params : mapping
        What ``fit`` will be called with.
    """
    if not _is_xgboost(estimator) or not set(fit_params) <= HARMLESS_FIT_PARAMS:
        return False
    params = estimator.get_params()
    native = {**params, **(params.get("kwargs") or {})}
    return (
        _is_round_count(params.get(ROUNDS))
        # dart rescales earlier trees, gblinear has none.
        and native.get("booster") in (None, "gbtree")
        and params.get("early_stopping_rounds") is None
        and not params.get("callbacks")
        and native.get("process_type") in (None, "default")
        and native.get("updater") is None
        and native.get("multi_strategy") in (None, "one_output_per_tree")
        and native.get("device") in (None, "cpu")
        and native.get("tree_method") in (None, "auto", "hist", "approx", "exact")
        # A generator gives another seed each time it is asked, and `get_params` asks it.
        and (estimator.random_state is None or isinstance(estimator.random_state, numbers.Integral))
        and not any(callable(native.get(name)) for name in ("objective", "eval_metric"))
    )


def fit_sharing_matrix(
    estimator: Any, X: Any, y: Any, fit_params: Mapping[str, Any], matrices: MutableMapping[str, Any]
) -> None:
    """Fit `estimator`, taking its training matrix from `matrices` if it is there.

    Parameters
    ----------
    estimator : estimator
        One that `may_share`.
    X, y : array-like
        The training rows of one fold.
    fit_params : mapping
    matrices : mutable mapping
        The matrices built so far on these very rows; one that is built is added.
    """
    create = estimator._create_dmatrix
    params = estimator.get_params()
    key = joblib.hash([type(estimator).__name__, [params.get(name) for name in MATRIX_PARAMS]])

    def shared_matrix(ref: Any = None, **arguments: Any) -> Any:
        if ref is not None:
            return create(ref=ref, **arguments)
        if key not in matrices:
            matrices.clear()  # a fold's matrix is the largest thing in a worker: one at a time
            matrices[key] = create(ref=ref, **arguments)
        return matrices[key]

    # There is no public way to hand `fit` a matrix. The method is the same in xgboost 2.0 to 3.4;
    # `may_share` makes sure that it is there.
    estimator._create_dmatrix = shared_matrix
    try:
        estimator.fit(X, y, **fit_params)
    finally:
        del estimator._create_dmatrix


@contextmanager
def cut_after(estimator: Any, rounds: int) -> Iterator[Any]:
    """Make a fitted `estimator` the one that was fitted with `rounds` rounds, for the time of a ``with``."""
    booster, whole = estimator.get_booster(), getattr(estimator, ROUNDS)
    if rounds == whole:
        yield estimator
        return
    estimator._Booster = booster[:rounds]
    estimator.set_params(**{ROUNDS: rounds})
    try:
        yield estimator
    finally:
        estimator._Booster = booster
        estimator.set_params(**{ROUNDS: whole})


def _is_xgboost(estimator: Any) -> bool:
    kind = type(estimator)
    if kind.__module__ != "xgboost.sklearn" or kind.__name__ not in CLASSES:
        return False
    create: Callable[..., Any] | None = getattr(kind, "_create_dmatrix", None)
    return create is not None and "ref" in inspect.signature(create).parameters


def _is_round_count(value: Any) -> bool:
    return value is None or (isinstance(value, numbers.Integral) and not isinstance(value, bool) and int(value) >= 1)


def rounds_of(estimator: Any) -> int:
    """Return the number of rounds that `estimator` trains."""
    return int(estimator.get_num_boosting_rounds())
