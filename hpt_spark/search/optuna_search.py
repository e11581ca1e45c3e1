"""A search whose candidates Optuna proposes, batch by batch."""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from sklearn import model_selection
from sklearn.utils import check_random_state

from hpt_spark.search.arguments import check_count
from hpt_spark.search.following import means_that_decide, metric_that_decides
from hpt_spark.search.proposals import Proposals
from hpt_spark.search.result_table import DONE, ITERATION
from hpt_spark.search.rounds import Rounds, evaluate_curves
from hpt_spark.search.rounds_search import ChoosesRounds, refuse_changing_folds
from hpt_spark.search.sklearn_compat import batch_context, search_context
from hpt_spark.search.spark_search import SparkSearchMixin, running

if TYPE_CHECKING:
    from pyspark import SparkContext
    from pyspark.sql import SparkSession


class _ProposedBatches(ChoosesRounds, model_selection.RandomizedSearchCV):
    """The loop over batches, below what hands their fits to Spark."""

    def _run_search(self, evaluate_candidates: Callable[..., Any], *, callback_ctx: Any = None) -> None:
        run, size, metric = running(), self._checked_batch_size(), metric_that_decides(self)
        rounds = None if self.rounds is None else Rounds.of(self.rounds, self.estimator)
        if size is None:
            size = run.batch_size(self.n_splits_)
        seed = check_random_state(self.random_state).randint(np.iinfo(np.int32).max)
        proposals = Proposals(self.param_distributions, seed, self.n_startup_trials)
        best, best_at, evaluated = -math.inf, 0, 0
        with search_context(self, callback_ctx) as context:
            batch, found = 0, {}

            def evaluate(candidates: list[dict[str, Any]]) -> np.ndarray:
                nonlocal found
                with batch_context(self, context, len(candidates) * self.n_splits_) as more:
                    found = evaluate_candidates(candidates, more_results={ITERATION: [batch] * len(candidates)}, **more)
                return np.asarray(means_that_decide(found, metric)[-len(candidates) :])

            while evaluated < self.n_iter and not run.incomplete:
                candidates = proposals.ask(min(size, self.n_iter - evaluated))
                if not candidates:
                    warnings.warn(
                        f"Optuna proposes nothing new after {evaluated} candidates of n_iter={self.n_iter}: the space "
                        "is used up, and the search ends.",
                        UserWarning,
                        stacklevel=2,
                    )
                    break
                folds, later = np.full(len(candidates), self.n_splits_), self.n_iter - evaluated - len(candidates)
                if rounds is None:
                    run.expect_later(later)
                    scores = evaluate(candidates)
                    folds = found.get(DONE, folds)[-len(candidates) :]
                else:  # a curve counts by its best point: its others are near copies of that
                    curves = evaluate_curves(
                        self.estimator, rounds, candidates, evaluate, run, later * len(rounds.checkpoints)
                    )
                    scores = np.array([curve.best for curve in curves])
                proposals.tell(list(scores), [int(done) if done < self.n_splits_ else None for done in folds])
                evaluated, batch = evaluated + len(candidates), batch + 1
                whole = scores[np.isfinite(scores) & (folds == self.n_splits_)]
                if (highest := max(whole, default=-math.inf)) > best:
                    best, best_at = highest, evaluated
                if self.no_improvement is not None and evaluated - best_at >= self.no_improvement:
                    break

    def _checked_batch_size(self) -> int | None:
        """Return the number of candidates in a batch, None for as many as suit the cluster."""
        refuse_changing_folds(self.cv, "batch")
        check_count("n_startup_trials", self.n_startup_trials, "candidates", least=0)
        if self.no_improvement is not None:
            check_count("no_improvement", self.no_improvement, "candidates", otherwise=", or None")
        if isinstance(self.batch_size, str) and self.batch_size == "auto":
            return None
        check_count("batch_size", self.batch_size, "candidates", otherwise=", or 'auto'")
        return int(self.batch_size)

    def _goes_on_after_failed_batch(self, has_scored: bool) -> bool:
        return True


class OptunaSearchCV(SparkSearchMixin, _ProposedBatches):
    """A search whose candidates Optuna's TPE sampler proposes, with its fits on Spark.

    A batch of candidates is proposed from the scores of those before it, and each candidate gets all folds:
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
        How many candidates are proposed at a time. ``"auto"`` gives each slot of the cluster two fits; a
        journal keeps the number, so that the search goes on alike on another cluster.
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
    fit_counts_, incomplete_
        See `SparkSearchMixin`.
    cv_results_, and all others
        As in scikit-learn's ``RandomizedSearchCV``; ``cv_results_["iter"]`` is the candidate's batch.
    """

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
        super().__init__(
            estimator,
            param_distributions,
            n_iter=n_iter,
            scoring=scoring,
            n_jobs=n_jobs,
            refit=refit,
            cv=cv,
            verbose=verbose,
            pre_dispatch=pre_dispatch,
            random_state=random_state,
            error_score=error_score,
            return_train_score=return_train_score,
        )
        self.batch_size = batch_size
        self.n_startup_trials = n_startup_trials
        self.no_improvement = no_improvement
        self.rounds = rounds
        self.sc = sc
        self.journal = journal
        self.warm_start = warm_start
        self.max_time = max_time
        self.max_fit_time = max_fit_time
        self.refit_on = refit_on
        self.keep_oof = keep_oof
        self.progress = progress
        self.tracking = tracking
        self.race = race
