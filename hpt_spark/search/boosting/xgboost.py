"""XGBoost's boosting: shared trainings, kept training matrices, trainings that go on."""

from __future__ import annotations

import inspect
import pickle
from collections.abc import Callable, Iterator, Mapping, MutableMapping
from contextlib import contextmanager
from typing import Any

import joblib

from hpt_spark.search.boosting.family import is_class_of, is_integer, is_round_count

# XGBRF* have one round. Of dask and spark there are classes of other names.
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

SAMPLING = ("subsample", "colsample_bytree", "colsample_bylevel", "colsample_bynode")


class XGBoost:
    """`Family` of the trees of XGBoost's scikit-learn classes."""

    rounds = "n_estimators"
    trained_attributes = frozenset({"_Booster", "n_estimators"})
    row_params = frozenset({"sample_weight", "base_margin", "group", "qid", "feature_weights", "verbose"})

    def covers(self, estimator: Any) -> bool:
        """Return whether `estimator` is one of XGBoost's classes, as this module knows them."""
        if not is_class_of(estimator, "xgboost.sklearn", CLASSES):
            return False
        create: Callable[..., Any] | None = getattr(type(estimator), "_create_dmatrix", None)
        return create is not None and "ref" in inspect.signature(create).parameters

    def is_prefix_stable(self, estimator: Any, rows: int) -> bool:
        """Return whether nothing in the parameters makes trees depend on the number of rounds."""
        params = _native(estimator)
        return (
            (params.get(self.rounds) is None or is_round_count(params[self.rounds]))
            # dart rescales earlier trees, gblinear has none.
            and params.get("booster") in (None, "gbtree")
            and params.get("early_stopping_rounds") is None
            and not params.get("callbacks")
            and params.get("process_type") in (None, "default")
            and params.get("updater") is None
            and params.get("multi_strategy") in (None, "one_output_per_tree")
            and params.get("device") in (None, "cpu")
            and (params.get("tree_method") in (None, "auto", "hist", "exact") or _is_plain_approx(params))
            # A generator gives another seed each time it is asked, and `get_params` asks it.
            and (estimator.random_state is None or is_integer(estimator.random_state))
            and not any(callable(params.get(name)) for name in ("objective", "eval_metric"))
        )

    def rounds_of(self, estimator: Any) -> int:
        """Return the number of boosting rounds."""
        return int(estimator.get_num_boosting_rounds())

    def truncate(self, estimator: Any, rounds: int) -> Mapping[str, Any]:
        """Return the booster of the first `rounds` rounds."""
        return {"_Booster": estimator.get_booster()[:rounds], self.rounds: rounds}

    def matrix_key(self, estimator: Any) -> str:
        """Return a digest of the parameters that a training matrix depends on."""
        params = estimator.get_params()
        return str(joblib.hash([type(estimator).__name__, [params.get(name) for name in MATRIX_PARAMS]]))

    @contextmanager
    def matrix_kept(self, estimator: Any, matrices: MutableMapping[str, Any]) -> Iterator[None]:
        """Let ``fit`` take the matrix of the fold's rows from `matrices`, or build it and leave it there."""
        create, key = estimator._create_dmatrix, self.matrix_key(estimator)
        if _native(estimator).get("tree_method") == "approx":
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

        # There is no public way to hand `fit` a matrix. The method is the same in xgboost 2.0 to 3.4;
        # `covers` makes sure that it is there.
        estimator._create_dmatrix = kept_matrix
        try:
            yield
        finally:
            del estimator._create_dmatrix

    def may_continue(self, estimator: Any) -> bool:
        """Return whether a pickled booster holds all that the next round depends on.

        Before xgboost 3.3 the state of its random generator belongs to a thread and is in no
        pickle (dmlc/xgboost #12043, #12083), so that only trainings that draw nothing go on exactly.
        """
        params = _native(estimator)
        draws_nothing = all(params.get(name) in (None, 1) for name in SAMPLING)
        # Ranking draws pairs.
        return type(estimator).__name__ != "XGBRanker" and (draws_nothing or _generator_is_pickled())

    def checkpoint(self, estimator: Any) -> bytes:
        """Return the pickled booster."""
        return pickle.dumps(estimator.get_booster(), protocol=5)

    def continuing(self, checkpoint: bytes) -> Mapping[str, Any]:
        """Return the booster from which ``fit`` goes on."""
        return {"xgb_model": pickle.loads(checkpoint)}


def _native(estimator: Any) -> dict[str, Any]:
    params = estimator.get_params()
    return {**params, **(params.get("kwargs") or {})}


def _is_plain_approx(params: Mapping[str, Any]) -> bool:
    """Return whether the tree method is approx, and its cuts are certain: not with rows drawn anew each round."""
    return params.get("tree_method") == "approx" and params.get("subsample") in (None, 1)


def _generator_is_pickled() -> bool:
    import xgboost

    major, minor = (int(part) for part in xgboost.__version__.split(".")[:2])
    return (major, minor) >= (3, 3)
