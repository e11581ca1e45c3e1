"""scikit-learn's halving searches with their fits on Spark; their constructors are written out, as in `search_cv`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from sklearn import model_selection
from sklearn.experimental import enable_halving_search_cv  # noqa: F401, makes the halving classes importable

from hpt_spark.search.spark_search import SparkSearchMixin

if TYPE_CHECKING:
    from pyspark import SparkContext
    from pyspark.sql import SparkSession


class HalvingGridSearchCV(SparkSearchMixin, model_selection.HalvingGridSearchCV):
    """scikit-learn's ``HalvingGridSearchCV``, with its fits on Spark.

    Parameters
    ----------
    sc, journal, warm_start, max_time, max_fit_time, refit_on, keep_oof, progress, tracking
        As in `GridSearchCV`.
    estimator, and all others
        As in scikit-learn's ``HalvingGridSearchCV``.

    Attributes
    ----------
    fit_counts_, incomplete_, end_reason_, oof_predictions_
        See `SparkSearchMixin`.
    cv_results_, and all others
        As in scikit-learn's ``HalvingGridSearchCV``.
    """

    def __init__(
        self,
        estimator: Any,
        param_grid: Any,
        *,
        factor: float = 3,
        resource: str = "n_samples",
        max_resources: Any = "auto",
        min_resources: Any = "exhaust",
        aggressive_elimination: bool = False,
        cv: Any = 5,
        scoring: Any = None,
        refit: Any = True,
        error_score: Any = np.nan,
        return_train_score: bool = True,
        random_state: Any = None,
        n_jobs: int | None = None,
        verbose: int = 0,
        sc: SparkContext | SparkSession | None = None,
        journal: str | None = None,
        warm_start: Sequence[str] | None = None,
        max_time: float | None = None,
        max_fit_time: float | None = None,
        refit_on: str = "executor",
        keep_oof: str = "none",
        progress: bool = False,
        tracking: Any = None,
    ) -> None:
        self._take_arguments(locals())


class HalvingRandomSearchCV(SparkSearchMixin, model_selection.HalvingRandomSearchCV):
    """scikit-learn's ``HalvingRandomSearchCV``, with its fits on Spark.

    Parameters
    ----------
    sc, journal, warm_start, max_time, max_fit_time, refit_on, keep_oof, progress, tracking
        As in `GridSearchCV`.
    estimator, and all others
        As in scikit-learn's ``HalvingRandomSearchCV``.

    Attributes
    ----------
    fit_counts_, incomplete_, end_reason_, oof_predictions_
        See `SparkSearchMixin`.
    cv_results_, and all others
        As in scikit-learn's ``HalvingRandomSearchCV``.
    """

    def __init__(
        self,
        estimator: Any,
        param_distributions: Any,
        *,
        n_candidates: Any = "exhaust",
        factor: float = 3,
        resource: str = "n_samples",
        max_resources: Any = "auto",
        min_resources: Any = "smallest",
        aggressive_elimination: bool = False,
        cv: Any = 5,
        scoring: Any = None,
        refit: Any = True,
        error_score: Any = np.nan,
        return_train_score: bool = True,
        random_state: Any = None,
        n_jobs: int | None = None,
        verbose: int = 0,
        sc: SparkContext | SparkSession | None = None,
        journal: str | None = None,
        warm_start: Sequence[str] | None = None,
        max_time: float | None = None,
        max_fit_time: float | None = None,
        refit_on: str = "executor",
        keep_oof: str = "none",
        progress: bool = False,
        tracking: Any = None,
    ) -> None:
        self._take_arguments(locals())
