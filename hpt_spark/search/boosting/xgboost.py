"""XGBoost's boosting: shared trainings, kept training matrices, trainings that go on."""

from __future__ import annotations

import inspect
import logging
import pickle
from collections.abc import Callable, Iterator, Mapping, MutableMapping
from contextlib import contextmanager
from functools import cache
from typing import Any

from hpt_spark.search.arguments import is_count, is_integer
from hpt_spark.search.boosting.family import Family, is_class_of, key_of

log = logging.getLogger(__name__)

# Without XGBRF*, which have one round; the classes of dask and spark have other names.
CLASSES = frozenset({"XGBClassifier", "XGBRegressor", "XGBRanker"})

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

DEFAULT_ROUNDS = 100  # of xgboost.sklearn, where n_estimators is None

SAMPLING = ("subsample", "colsample_bytree", "colsample_bylevel", "colsample_bynode")


class XGBoost(Family):
    """`Family` of the trees of XGBoost's scikit-learn classes."""

    rounds = "n_estimators"
    trained_attributes = frozenset({"_Booster", "n_estimators"})
    row_params = frozenset({"sample_weight", "base_margin", "group", "qid", "feature_weights", "verbose"})
    may_stop = True

    def covers(self, estimator: Any) -> bool:
        """Return whether `estimator` is one of XGBoost's classes, as this module knows them."""
        return is_class_of(estimator, "xgboost.sklearn", CLASSES)

    def params_of(self, estimator: Any) -> dict[str, Any]:
        """Return the parameters, those of ``kwargs`` too, and the random state as it was given."""
        params = estimator.get_params()
        # `get_params` draws a seed from a generator, another one each time.
        return {**params, **(params.get("kwargs") or {}), "random_state": estimator.random_state}

    def is_prefix_stable(self, params: Mapping[str, Any], rows: int) -> bool:
        """Return whether nothing in the parameters makes trees depend on the number of rounds."""
        return (
            (params.get(self.rounds) is None or is_count(params[self.rounds]))
            # dart rescales earlier trees, gblinear has none.
            and params.get("booster") in (None, "gbtree")
            and params.get("early_stopping_rounds") is None
            and not params.get("callbacks")
            and params.get("process_type") in (None, "default")
            and params.get("updater") is None
            and params.get("multi_strategy") in (None, "one_output_per_tree")
            and params.get("device") in (None, "cpu")
            and (params.get("tree_method") in (None, "auto", "hist", "exact") or _is_plain_approx(params))
            and (params["random_state"] is None or is_integer(params["random_state"]))
            and not any(callable(params.get(name)) for name in ("objective", "eval_metric"))
        )

    def rounds_of(self, params: Mapping[str, Any]) -> int:
        """Return the number of boosting rounds."""
        return DEFAULT_ROUNDS if params.get(self.rounds) is None else int(params[self.rounds])

    def truncate(self, estimator: Any, rounds: int) -> Mapping[str, Any]:
        """Return the booster of the first `rounds` rounds."""
        return {"_Booster": estimator.get_booster()[:rounds], self.rounds: rounds}

    def keeps_categories(self, estimator: Any) -> bool:
        """Return whether there are none, as a booster cut to its first rounds has lost them (dmlc/xgboost #12462).

        It takes the codes of the rows that it predicts for those of the training rows. So they are where both are cut
        from one frame, but a pipeline's step may make categories of the training rows, and others of the test rows.
        """
        return "c" not in (estimator.get_booster().feature_types or ())

    def matrix_key(self, params: Mapping[str, Any]) -> str:
        """Return a digest of the parameters that a training matrix depends on."""
        return key_of({name: params.get(name) for name in MATRIX_PARAMS}) if keeps_matrices() else ""

    @contextmanager
    def matrix_kept(self, estimator: Any, matrices: MutableMapping[str, Any]) -> Iterator[None]:
        """Let ``fit`` take the matrix of the fold's rows from `matrices`, or build it and leave it there."""
        if not keeps_matrices():
            yield
            return
        params = self.params_of(estimator)
        create, key = estimator._create_dmatrix, self.matrix_key(params)
        if params.get("tree_method") == "approx":
            # It keeps an index of cuts in the matrix, and takes another training's for its own when the
            # gradients of both happen to lie at the same address (xgboost 3.2, BatchParam::ParamNotEqual).
            matrices = {}

        def kept_matrix(ref: Any = None, **arguments: Any) -> Any:
            if ref is not None:
                return create(ref=ref, **arguments)
            if key not in matrices:
                matrices.clear()  # a fold's matrix is the largest thing in a worker: one at a time
                matrices[key] = create(ref=ref, **arguments)
            return matrices[key]

        # There is no public way to hand `fit` a matrix; the method is the same in xgboost 2.0 to 3.4.
        estimator._create_dmatrix = kept_matrix
        try:
            yield
        finally:
            del estimator._create_dmatrix

    def may_continue(self, kind: type, params: Mapping[str, Any]) -> bool:
        """Return whether a pickled booster holds all that the next round depends on.

        Before xgboost 3.3 the state of its random generator belongs to a thread and is in no
        pickle (dmlc/xgboost #12043, #12083), so that only trainings that draw nothing go on exactly.
        """
        draws_nothing = all(params.get(name) in (None, 1) for name in SAMPLING)
        # Ranking draws pairs, and learns how much positions tell; an XGBRegressor may rank as well.
        ranks = kind.__name__ == "XGBRanker" or str(params.get("objective")).startswith("rank:")
        return not ranks and (draws_nothing or _generator_is_pickled())

    def checkpoint(self, estimator: Any) -> bytes:
        """Return the pickled booster."""
        return pickle.dumps(estimator.get_booster(), protocol=5)

    def continuing(self, checkpoint: bytes) -> Mapping[str, Any]:
        """Return the booster from which ``fit`` goes on."""
        return {"xgb_model": pickle.loads(checkpoint)}

    @contextmanager
    def stopped_by(self, estimator: Any, stops: Callable[[int, Mapping[str, Any]], bool]) -> Iterator[None]:
        """Let ``fit`` ask `stops` after each round, by a callback of XGBoost."""
        own, estimator.callbacks = estimator.callbacks, [_stop_callback()(stops)]
        try:
            yield
        finally:
            estimator.callbacks = own


@cache
def _stop_callback() -> Any:
    """Return the callback's class, made once: one for each fit would hold its rows until garbage is collected."""
    from xgboost.callback import TrainingCallback

    class Stop(TrainingCallback):
        def __init__(self, stops: Callable[[int, Mapping[str, Any]], bool]) -> None:
            self._stops = stops

        def after_iteration(self, model: Any, epoch: int, evals_log: Any) -> bool:
            return self._stops(epoch + 1, {"_Booster": model, XGBoost.rounds: epoch + 1})

    return Stop


@cache
def keeps_matrices() -> bool:
    """Return whether this release of XGBoost lets a ``fit`` be given its training matrix, by a private method."""
    from xgboost import XGBModel

    create = getattr(XGBModel, "_create_dmatrix", None)
    found = create is not None and "ref" in inspect.signature(create).parameters
    if not found:
        log.info("this release of XGBoost is not known here: each training builds its own training matrix")
    return found


def _is_plain_approx(params: Mapping[str, Any]) -> bool:
    """Return whether the tree method is approx, and its cuts are certain: not with rows drawn anew each round."""
    return params.get("tree_method") == "approx" and params.get("subsample") in (None, 1)


def _generator_is_pickled() -> bool:
    import xgboost

    major, minor = (int(part) for part in xgboost.__version__.split(".")[:2])
    return (major, minor) >= (3, 3)
