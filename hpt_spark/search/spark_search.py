"""The mixin that lets a scikit-learn search run its fits on Spark.

Everything but the fits is scikit-learn's own code: the checks and their messages, the candidates,
``cv_results_``, the choice of the best. Two things are taken over: the object that ``fit`` hands its
list of fits to, and the ``fit`` of the best estimator.
"""

from __future__ import annotations

import copy
import inspect
import math
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
from sklearn.base import clone

from hpt_spark.errors import ArgumentError
from hpt_spark.search.arguments import KEEP_OOF, check_seconds, refuse_tables_of_spark
from hpt_spark.search.early_end import EndedEarlyError
from hpt_spark.search.evaluator import Evaluator
from hpt_spark.search.followers.follower import SearchFollower
from hpt_spark.search.followers.following import NO_METRIC_DECIDES, Tracking, followers_of, metric_of_search
from hpt_spark.search.followers.monitor import SearchMonitor
from hpt_spark.search.journal.search_journal import SearchJournal
from hpt_spark.search.random_states import drawing_nothing
from hpt_spark.search.results.best_estimator import BestEstimator, refitting
from hpt_spark.search.results.end_reason import as_sentence
from hpt_spark.search.sklearn_compat import STATE_OF_A_FIT, HandsFitsOver
from hpt_spark.search.strategies.failed_batches import FailedBatches
from hpt_spark.search.strategies.race import note_skipped, race_of
from hpt_spark.signals import let_ctrl_c_raise

if TYPE_CHECKING:
    from pyspark import SparkContext
    from pyspark.sql import SparkSession

    from hpt_spark.storage import FolderLock

Search = TypeVar("Search", bound="SparkSearchMixin")

OF_A_FIT = ("journal_lock", "followers", *STATE_OF_A_FIT)

# Not an attribute of the search, which anybody may pickle or copy while it is fitted: it holds Spark and a lock.
_running: ContextVar[Evaluator] = ContextVar("_running")
REFITS_ON = ("executor", "driver")


def running() -> Evaluator:
    """Return the evaluator of the search that runs in this context."""
    return _running.get()


class SparkSearchMixin(HandsFitsOver):
    """The mixin that makes a scikit-learn search run its fits on Spark.

    Attributes
    ----------
    incomplete_ : bool
        Whether fits are missing because time ran out or Ctrl-C was pressed.
    end_reason_ : str
        Why the search has ended, and what it has left out, in one sentence.
    end_clauses_ : list of str
        The clauses of that sentence: first why it has ended.
    fit_counts_ : dict of str to int
        What was shared: the number of ``fits``, of ``trainings`` that served them, of ``resumed``
        fits taken from the journal, of fits ``continued`` from where an earlier rung of halving or of a curve
        had stopped, and how often a fold's rows were cut (``fold_slices``) and a training matrix
        was built (``matrices``) for the shared trainings. Of a race also the number of fits that were
        ``skipped``.
    oof_predictions_ : ndarray
        With ``keep_oof``, the predictions of the very fits that were scored, as ``cross_val_predict`` gives them: by
        ``predict_proba``, else ``decision_function``, else ``predict``, one row for each row of ``X``; of ``"all"``
        candidates one after another, as in ``cv_results_``. A row is NaN where no fit has predicted it, and the mean
        where several folds have.
    timeline_ : dict
        ``trainings``: when and where each ran, for which fits, and how earlier tries of it ended; ``forecast``:
        the memory of a process, as it was said before.
    """

    sc: SparkContext | SparkSession | None
    journal: str | None
    warm_start: Sequence[str] | None = None
    max_time: float | None
    max_fit_time: float | None = None
    refit_on: str = "executor"
    keep_oof: str = "none"
    progress: bool = False
    tracking: Tracking | None = None
    race: Any = None
    # scikit-learn's, which has no types of its own.
    estimator: Any
    scoring: Any
    refit: Any
    cv_results_: dict[str, Any]
    best_params_: dict[str, Any]
    best_score_: float
    best_index_: int
    best_estimator_ = BestEstimator()
    fit_counts_: dict[str, int]
    incomplete_: bool
    end_reason_: str
    end_clauses_: Sequence[str]
    oof_predictions_: np.ndarray
    timeline_: dict[str, Any]
    journal_lock: FolderLock | None = None  # where who calls `fit` has the journal locked already
    followers: Sequence[SearchFollower] = ()  # the caller's, beside the followers that the arguments ask for
    _is_clone_with_journal = False
    _is_clone_with_warm_start = False

    def _take_arguments(self, given: dict[str, Any]) -> None:
        """Set each argument of a constructor, whose locals are `given`; scikit-learn's own sets those that it knows."""
        # Not by scikit-learn's name, which may have become ours, nor by the next class, which may be a user's.
        own = next(kind for kind in type(self).__mro__ if kind.__module__.startswith("sklearn.model_selection."))
        names = inspect.signature(own).parameters
        construct = super().__init__
        construct(**{name: given[name] for name in names if name in given})
        for name, value in given.items():
            if name not in names and name != "self":
                setattr(self, name, value)  # which may be a property of a user's class

    def fit(self: Search, X: Any, y: Any = None, **params: Any) -> Search:
        """Run fit with all sets of parameters; scikit-learn's ``fit``, with the fits on Spark."""
        for name, known in {"refit_on": REFITS_ON, "keep_oof": KEEP_OOF}.items():
            if getattr(self, name) not in known:
                raise ArgumentError(
                    f"{name}={getattr(self, name)!r} is not known; it must be {' or '.join(map(repr, known))}."
                )
        check_seconds("max_fit_time", self.max_fit_time)
        check_seconds("max_time", self.max_time, may_be_zero=True)
        refuse_tables_of_spark(X=X, y=y)
        vars(self).pop("oof_predictions_", None)  # of an earlier fit
        several = isinstance(self.scoring, (list, tuple, set, dict))
        if self.keep_oof == "best" and several and not self.refit:
            raise ArgumentError(
                "keep_oof='best' with several metrics needs refit= to name the one that chooses the best."
            )
        with drawing_nothing(self.estimator):
            _refuse_searches_within(self.estimator)
        race = race_of(self)
        # Of halving, and of a search that chooses the number of rounds.
        resource = getattr(self, "resource", None) or getattr(self, "_continued_parameter", None)
        is_one_of_many = self._is_clone_with_journal and self.journal_lock is None
        # What the caller has set is gone after the fit: scikit-learn's checks take any public attribute for a result.
        lock, given = vars(self).pop("journal_lock", None), vars(self).pop("followers", ())
        with let_ctrl_c_raise(), ExitStack() as following:
            with drawing_nothing(self.estimator):
                followers = [*given, *followers_of(self, following, X, y, is_one_of_many)]
            monitor = SearchMonitor(followers, metric_of_search(self), self.max_time)
            journal = SearchJournal(
                self.journal, lock, is_one_of_many, self.warm_start, may_differ=self._is_clone_with_warm_start
            )
            with Evaluator(
                self.sc,
                journal,
                monitor,
                self.max_time,
                resource=resource,
                keep_oof=self.keep_oof,
                max_fit_time=self.max_fit_time,
                race=race,
                curve=getattr(self, "_curve_parameter", None),
            ) as run:
                before, before_refit = _running.set(run), refitting.set(None)
                try:
                    super().fit(X, y, **params)  # type: ignore[misc]
                finally:
                    _running.reset(before)
                    refitting.reset(before_refit)
                self._keep_predictions(run)
            self.incomplete_ = run.early_end.has_begun
            candidates, rungs = len(self.cv_results_["params"]), getattr(self, "n_iterations_", 0)
            self.end_clauses_ = run.early_end.reason.clauses(candidates, rungs)
            self.end_reason_ = as_sentence(self.end_clauses_)
            self.fit_counts_ = dict(run.fit_counts)
            self.timeline_ = run.timeline.as_json()
            monitor.finish(self)
        return self

    def _keep_predictions(self, run: Evaluator) -> None:
        if self.keep_oof == "all":
            self.oof_predictions_ = run.out_of_fold.predictions(range(len(self.cv_results_["params"])))
        elif self.keep_oof == "best" and not hasattr(self, "best_index_"):
            raise ArgumentError(NO_METRIC_DECIDES)  # a scoring function has turned out to give several
        elif self.keep_oof == "best":
            self.oof_predictions_ = run.out_of_fold.predictions([self.best_index_])[0]

    @property
    def reuse(self) -> dict[str, int]:
        """The former name of ``fit_counts_``, with ``cuts`` for ``fold_slices``."""
        warnings.warn("`reuse` is `fit_counts_` now; the old name goes in 0.3.", FutureWarning, stacklevel=2)
        return {{"fold_slices": "cuts"}.get(name, name): count for name, count in self.fit_counts_.items()}

    @property
    def partial(self) -> bool:
        """The former name of ``incomplete_``."""
        warnings.warn("`partial` is `incomplete_` now; the old name goes in 0.3.", FutureWarning, stacklevel=2)
        return self.incomplete_

    @contextmanager
    def _handed_to(self) -> Iterator[Callable[..., Any]]:
        run = running()
        goes_on = getattr(self, "_goes_on_after_failed_batch", lambda has_scored: False)
        batches = FailedBatches(run.results, goes_on, callable(self.scoring))
        try:
            yield batches.run
        except EndedEarlyError:
            _count_finished_rungs(self)
        except (KeyboardInterrupt, SystemExit):  # between two evaluations
            if not run.has_table or hasattr(self, "n_resources_"):
                raise
            run.early_end.begin()  # a signal has come while candidates were proposed, say
        batches.refuse_none_scored()
        if self.refit and self.refit_on == "executor":
            run.early_end.close()
            refitting.set((self, run.refit))
        else:
            run.release()  # before the refit, which may need the memory

    def _completed(self, results: dict[str, Any], fits: Any) -> dict[str, Any]:
        if self.race is not None:
            note_skipped(results, fits)
        running().has_table = True
        return results

    def __sklearn_clone__(self) -> Any:
        # A copy is cloned, because another thread may read this search's own attributes meanwhile.
        cloned = super(SparkSearchMixin, copy.copy(self)).__sklearn_clone__()  # type: ignore[misc]
        cloned.sc = self.sc  # a SparkContext cannot be copied
        cloned._is_clone_with_journal = self.journal is not None
        cloned._is_clone_with_warm_start = bool(self.warm_start)
        return cloned

    def __getstate__(self) -> dict[str, Any]:
        # The state may be the very attributes, to which another thread's fit adds: the copy cannot be interrupted.
        state: dict[str, Any] = dict(super().__getstate__())  # type: ignore[call-overload]
        # Nor can a SparkContext be pickled: a search takes the active one where it is loaded.
        return {name: value for name, value in state.items() if name not in OF_A_FIT} | {"sc": None}


def _refuse_searches_within(estimator: Any) -> None:
    """Raise ArgumentError when the fits of `estimator` are searches on Spark themselves."""
    if isinstance(estimator, type) or not hasattr(estimator, "get_params"):
        return  # which scikit-learn refuses
    within = {"": estimator, **estimator.get_params(deep=True)}
    searches = {name: value for name, value in within.items() if isinstance(value, SparkSearchMixin)}
    if searches:
        cloned = clone(estimator).get_params(deep=True)
        for name, search in searches.items():
            if cloned.get(name) is search:
                continue  # frozen: it is not fitted again
            place = f"the estimator's {name}" if name else "the estimator"
            raise ArgumentError(
                f"{place} is a search on Spark itself, and within a search that cannot be: the SparkContext stays in "
                "the driver's process. Use scikit-learn's own search there, or scikit-learn's own around this one."
            )


def _count_finished_rungs(search: Any) -> None:
    """Set what a halving search tells of its rungs, after it was ended in one that does not count."""
    if not hasattr(search, "n_resources_"):
        return
    finished = len(search.n_resources_) - 1
    search.n_resources_, last = search.n_resources_[:finished], search.n_candidates_[finished]
    search.n_candidates_ = search.n_candidates_[:finished]
    search.n_iterations_ = finished
    search.n_remaining_candidates_ = last
    search.n_required_iterations_ = 1 + math.floor(math.log(search.n_candidates_[0], search.factor))
    search.n_possible_iterations_ = 1 + math.floor(
        math.log(search.max_resources_ // search.min_resources_, search.factor)
    )
