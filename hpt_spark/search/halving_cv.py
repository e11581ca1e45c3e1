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
    sc : SparkContext or SparkSession, default=None
        Where the fits run; by default on the active one.
    journal : str, default=None
        A folder, local or any Hadoop path, in which results are kept as they arrive. A search started
        again with the same folder runs only the fits that are missing, also with more candidates or as
        another class; one of other data, another estimator or another scorer is refused. A clone of the
        search keeps each of its fits in a folder of its own in there, so that each outer fold of
        ``cross_val_score`` has one.
    warm_start : list of str, default=None
        Journals of other searches, or runs of ``tune``, whose results are taken where they are of the same
        fits. They are only read; those of other data, another estimator or another scorer are refused.
    max_time : float, default=None
        Seconds after which no further fit is waited for. The search then ends with the results so
        far, as it does on Ctrl-C: fits that are missing count as failed, and ``incomplete_`` is True.
    max_fit_time : float, default=None
        Seconds after which a fit is stopped, in the process that runs it: it is a failed fit then, and
        gets `error_score`. The refit has no limit.
    refit_on : {"executor", "driver"}, default="executor"
        Where the best candidate is trained on all rows: as a Spark task, with the threads of a fit, or in
        the driver's process, with as many as the estimator takes there.
    keep_oof : {"none", "best", "all"}, default="none"
        Whose out-of-fold predictions ``oof_predictions_`` is to have: the best candidate's, or all candidates'.
    progress : bool, default=False
        Whether to show fits done, the best candidate so far, failures and the time left: as a bar on a
        terminal and in a notebook, elsewhere as lines of the log.
    tracking : Tracking, default=None
        What keeps the search in a history of runs, such as ``hpt_spark.tracking.MlflowTracking()``.
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
        super().__init__(
            estimator,
            param_grid,
            factor=factor,
            resource=resource,
            max_resources=max_resources,
            min_resources=min_resources,
            aggressive_elimination=aggressive_elimination,
            cv=cv,
            scoring=scoring,
            refit=refit,
            error_score=error_score,
            return_train_score=return_train_score,
            random_state=random_state,
            n_jobs=n_jobs,
            verbose=verbose,
        )
        self.sc = sc
        self.journal = journal
        self.warm_start = warm_start
        self.max_time = max_time
        self.max_fit_time = max_fit_time
        self.refit_on = refit_on
        self.keep_oof = keep_oof
        self.progress = progress
        self.tracking = tracking


class HalvingRandomSearchCV(SparkSearchMixin, model_selection.HalvingRandomSearchCV):
    """scikit-learn's ``HalvingRandomSearchCV``, with its fits on Spark.

    Parameters
    ----------
    sc : SparkContext or SparkSession, default=None
        Where the fits run; by default on the active one.
    journal : str, default=None
        A folder, local or any Hadoop path, in which results are kept as they arrive. A search started
        again with the same folder runs only the fits that are missing, also with more candidates or as
        another class; one of other data, another estimator or another scorer is refused. A clone of the
        search keeps each of its fits in a folder of its own in there, so that each outer fold of
        ``cross_val_score`` has one.
    warm_start : list of str, default=None
        Journals of other searches, or runs of ``tune``, whose results are taken where they are of the same
        fits. They are only read; those of other data, another estimator or another scorer are refused.
    max_time : float, default=None
        Seconds after which no further fit is waited for. The search then ends with the results so
        far, as it does on Ctrl-C: fits that are missing count as failed, and ``incomplete_`` is True.
    max_fit_time : float, default=None
        Seconds after which a fit is stopped, in the process that runs it: it is a failed fit then, and
        gets `error_score`. The refit has no limit.
    refit_on : {"executor", "driver"}, default="executor"
        Where the best candidate is trained on all rows: as a Spark task, with the threads of a fit, or in
        the driver's process, with as many as the estimator takes there.
    keep_oof : {"none", "best", "all"}, default="none"
        Whose out-of-fold predictions ``oof_predictions_`` is to have: the best candidate's, or all candidates'.
    progress : bool, default=False
        Whether to show fits done, the best candidate so far, failures and the time left: as a bar on a
        terminal and in a notebook, elsewhere as lines of the log.
    tracking : Tracking, default=None
        What keeps the search in a history of runs, such as ``hpt_spark.tracking.MlflowTracking()``.
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
        super().__init__(
            estimator,
            param_distributions,
            n_candidates=n_candidates,
            factor=factor,
            resource=resource,
            max_resources=max_resources,
            min_resources=min_resources,
            aggressive_elimination=aggressive_elimination,
            cv=cv,
            scoring=scoring,
            refit=refit,
            error_score=error_score,
            return_train_score=return_train_score,
            random_state=random_state,
            n_jobs=n_jobs,
            verbose=verbose,
        )
        self.sc = sc
        self.journal = journal
        self.warm_start = warm_start
        self.max_time = max_time
        self.max_fit_time = max_fit_time
        self.refit_on = refit_on
        self.keep_oof = keep_oof
        self.progress = progress
        self.tracking = tracking
