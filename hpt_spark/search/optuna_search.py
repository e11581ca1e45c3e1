"""A search whose candidates Optuna proposes, batch by batch."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from sklearn import model_selection
from sklearn.utils import check_random_state

from hpt_spark.search.arguments import check_count
from hpt_spark.search.spark_search import SparkSearchMixin, running
from hpt_spark.search.strategies.batches import SearchesInBatches
from hpt_spark.search.strategies.proposals import Proposals

if TYPE_CHECKING:
    from pyspark import SparkContext
    from pyspark.sql import SparkSession


class OptunaSearchCV(SparkSearchMixin, SearchesInBatches, model_selection.RandomizedSearchCV):
    """A search whose candidates Optuna's TPE sampler proposes, with its fits on Spark.

    A batch of candidates is proposed from the scores of those before it, and each gets all folds, but in a race:
    every row of ``cv_results_`` is scikit-learn's for these parameters, to the last bit. With the same
    `random_state` and `batch_size` the same candidates are proposed, and a search that goes on from its
    journal proposes what the unbroken one has.

    Parameters
    ----------
    estimator : estimator object
    param_distributions : dict or list of dict
        As in scikit-learn's ``RandomizedSearchCV``: lists of values, and distributions of ``scipy.stats``;
        Optuna's own distributions as well. Of several such mappings a candidate is of one.
    n_iter : int, default=50
        How many candidates are evaluated.
    random_state : int, RandomState instance or None, default=0
    batch_size : int or "auto", default="auto"
        How many candidates are proposed at a time. ``"auto"`` gives each slot of the cluster two fits, in a
        race on the first `burn_in` folds; a journal keeps the number, so that the search goes on alike on another
        cluster.
    n_startup_trials : int, default=10
        How many scores are awaited before proposals are more than random.
    no_improvement : int, default=None
        The search ends after so many candidates in a row that are no better than the best before.
    rounds : mapping, default=None
        As in `GridSearchCV`. Optuna is told the best score of each curve.
    sc, journal, warm_start, max_time, max_fit_time, refit_on, keep_oof, progress, tracking, race
        As in `GridSearchCV`.
    scoring, n_jobs, refit, cv, verbose, pre_dispatch, error_score, return_train_score
        As in scikit-learn's ``RandomizedSearchCV``. With several metrics, `refit` names the one that
        counts. The folds of `cv` must be the same for each batch.

    Attributes
    ----------
    fit_counts_, incomplete_, end_reason_
        See `SparkSearchMixin`.
    cv_results_, and all others
        As in scikit-learn's ``RandomizedSearchCV``; ``cv_results_["iter"]`` is the candidate's batch.
    """

    n_startup_trials: int

    def __init__(
        self,
        estimator: Any,
        param_distributions: Any,
        *,
        n_iter: int = 50,
        random_state: Any = 0,
        batch_size: int | str = "auto",
        n_startup_trials: int = 10,
        no_improvement: int | None = None,
        rounds: Mapping[str, Any] | None = None,
        scoring: Any = None,
        n_jobs: int | None = None,
        refit: Any = True,
        cv: Any = None,
        verbose: int = 0,
        pre_dispatch: Any = "2*n_jobs",
        error_score: Any = np.nan,
        return_train_score: bool = False,
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

    def _run_search(self, evaluate_candidates: Callable[..., Any], *, callback_ctx: Any = None) -> None:
        check_count("n_startup_trials", self.n_startup_trials, "candidates", least=0)
        size = self._check_batches()
        seed = check_random_state(self.random_state).randint(np.iinfo(np.int32).max)
        proposals = Proposals(self.param_distributions, seed, self.n_startup_trials)
        self._evaluate_batches(proposals, size, self.n_iter, evaluate_candidates, callback_ctx, is_numbered=True)

    def _used_up(self, evaluated: int) -> None:
        cause = (
            f"Optuna proposes nothing new after {evaluated} candidates of n_iter={self.n_iter}: the space is used up"
        )
        running().early_end.reason.end(cause)
        warnings.warn(f"{cause}, and the search ends.", UserWarning, stacklevel=2)
