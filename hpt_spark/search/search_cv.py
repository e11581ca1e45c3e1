"""scikit-learn's grid and randomized search with their fits on Spark.

Constructors are written out, so that editors and type checkers see them; a test holds them against
the installed scikit-learn.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from sklearn import model_selection

from hpt_spark.search.rounds_search import ChoosesRounds
from hpt_spark.search.spark_search import SparkSearchMixin
from hpt_spark.search.strategies.batches import DrawsCandidates

if TYPE_CHECKING:
    from pyspark import SparkContext
    from pyspark.sql import SparkSession


class GridSearchCV(SparkSearchMixin, ChoosesRounds, model_selection.GridSearchCV):
    """scikit-learn's ``GridSearchCV``, with its fits on Spark.

    Parameters
    ----------
    rounds : mapping, default=None
        ``{"max": 2000, "step": 50, "early_stopping_rounds": 100}``: the number of rounds of a boosting
        ensemble or a forest leaves the grid and is chosen by the mean curve over the folds. Each candidate is
        trained once per fold up to `max` rounds and scored every `step` (a twentieth of `max` where it is left out);
        each of these is a row of ``cv_results_``, as scikit-learn would have it. With `early_stopping_rounds` a
        training stops when its mean score has not improved for so many rounds; rows past that are left out.
        A training that cannot go on exactly after a stop is trained to its end instead. Where a race begins with one
        fold, XGBoost outside a pipeline, scored by scikit-learn's scorers, stops there nevertheless.
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
    race : dict, default=None
        ``{"burn_in": 3, "alpha": 0.05}``: after `burn_in` folds a candidate that is worse than the best one, by the
        corrected resampled t-test at the level `alpha`, gets no more folds. Its scores there are NaN, its mean is that
        over ``cv_results_["n_splits_done"]`` folds, and it ranks behind all candidates that have all folds. Or
        ``{"factor": 3}``: only the best third of the candidates gets more than one fold, the best third of these more
        than three, and so on; `burn_in` is the number of folds that it begins with, 1 by default.
    estimator, and all others
        As in scikit-learn's ``GridSearchCV``.

    Attributes
    ----------
    fit_counts_, incomplete_, end_reason_, oof_predictions_
        See `SparkSearchMixin`.
    cv_results_, and all others
        As in scikit-learn's ``GridSearchCV``.
    """

    def __init__(
        self,
        estimator: Any,
        param_grid: Any,
        *,
        scoring: Any = None,
        n_jobs: int | None = None,
        refit: Any = True,
        cv: Any = None,
        verbose: int = 0,
        pre_dispatch: Any = "2*n_jobs",
        error_score: Any = np.nan,
        return_train_score: bool = False,
        rounds: Mapping[str, Any] | None = None,
        sc: SparkContext | SparkSession | None = None,
        journal: str | None = None,
        warm_start: Sequence[str] | None = None,
        max_time: float | None = None,
        max_fit_time: float | None = None,
        refit_on: str = "executor",
        keep_oof: str = "none",
        progress: bool = False,
        tracking: Any = None,
        race: Any = None,
    ) -> None:
        self._take_arguments(locals())


class RandomizedSearchCV(SparkSearchMixin, DrawsCandidates, model_selection.RandomizedSearchCV):
    """scikit-learn's ``RandomizedSearchCV``, with its fits on Spark.

    Parameters
    ----------
    no_improvement : int, default=None
        The candidates are evaluated in batches, in the order drawn, and the search ends after so many in a row that
        are no better than the best before. The folds of `cv` must be the same for each batch.
    batch_size : int or "auto", default="auto"
        How many candidates a batch has, with `no_improvement`. ``"auto"`` gives each slot of the cluster two fits, in a
        race on the first `burn_in` folds; a journal keeps the number.
    rounds, sc, journal, warm_start, max_time, max_fit_time, refit_on, keep_oof, progress, tracking, race
        As in `GridSearchCV`.
    estimator, and all others
        As in scikit-learn's ``RandomizedSearchCV``.

    Attributes
    ----------
    fit_counts_, incomplete_, end_reason_, oof_predictions_
        See `SparkSearchMixin`.
    cv_results_, and all others
        As in scikit-learn's ``RandomizedSearchCV``.
    """

    def __init__(
        self,
        estimator: Any,
        param_distributions: Any,
        *,
        n_iter: int = 10,
        scoring: Any = None,
        n_jobs: int | None = None,
        refit: Any = True,
        cv: Any = None,
        verbose: int = 0,
        pre_dispatch: Any = "2*n_jobs",
        random_state: Any = None,
        error_score: Any = np.nan,
        return_train_score: bool = False,
        rounds: Mapping[str, Any] | None = None,
        no_improvement: int | None = None,
        batch_size: int | str = "auto",
        sc: SparkContext | SparkSession | None = None,
        journal: str | None = None,
        warm_start: Sequence[str] | None = None,
        max_time: float | None = None,
        max_fit_time: float | None = None,
        refit_on: str = "executor",
        keep_oof: str = "none",
        progress: bool = False,
        tracking: Any = None,
        race: Any = None,
    ) -> None:
        self._take_arguments(locals())
