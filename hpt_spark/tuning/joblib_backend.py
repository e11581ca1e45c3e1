"""scikit-learn's own search on the processes of one machine, with followers."""

from __future__ import annotations

import os
import time
import warnings
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from typing import Any

from joblib import cpu_count, effective_n_jobs
from sklearn import model_selection
from sklearn.experimental import enable_halving_search_cv  # noqa: F401, makes the halving classes importable
from sklearn.utils.parallel import Parallel, delayed

from hpt_spark.search.evaluation import Fit
from hpt_spark.search.execution.fit_child import end_with
from hpt_spark.search.execution.worker import GroupResult, peak_bytes, process_name
from hpt_spark.search.followers.follower import SearchFollower
from hpt_spark.search.followers.following import metric_of_search
from hpt_spark.search.followers.monitor import SearchMonitor
from hpt_spark.search.followers.timeline import ORIGIN, Timeline, origin
from hpt_spark.search.planning.threads import CappedCandidate, ThreadCaps, uncapped
from hpt_spark.search.results.end_reason import EndReason, as_sentence
from hpt_spark.search.results.failures import tidy_reasons
from hpt_spark.search.results.fit_warnings import masked_warnings
from hpt_spark.search.sklearn_compat import HandsFitsOver

# Belong to a fit that runs: threads and files hang on the monitor, and a pickled search or a copy follows no fit.
OF_A_FIT = ("_monitor", "_timeline", "_end_reason", "followers")


class FollowedMixin(HandsFitsOver):
    """The mixin that lets others follow a scikit-learn search, and gives each of its fits one thread.

    Attributes
    ----------
    timeline_ : dict
        When and where each fit ran, as a search on Spark has it.
    end_reason_ : str
        Why the search has ended, likewise.
    """

    # scikit-learn's, which has no types of its own.
    n_jobs: int | None
    pre_dispatch: Any
    refit: Any
    cv_results_: dict[str, Any]
    followers: Sequence[SearchFollower] = ()
    timeline_: dict[str, Any]
    end_reason_: str
    end_clauses_: Sequence[str]

    def fit(self, X: Any, y: Any = None, **params: Any) -> Any:
        """Run fit with all sets of parameters; scikit-learn's ``fit``."""
        self._monitor = SearchMonitor(self.followers, metric_of_search(self))
        self._timeline = Timeline()
        self._end_reason = EndReason()
        super().fit(X, y, **params)  # type: ignore[misc]
        self.timeline_ = self._timeline.as_json()
        candidates, rungs = len(self.cv_results_["params"]), getattr(self, "n_iterations_", 0)
        self.end_clauses_ = self._end_reason.clauses(candidates, rungs)
        self.end_reason_ = as_sentence(self.end_clauses_)
        self._monitor.finish(self)
        return self

    @contextmanager
    def _handed_to(self) -> Iterator[Callable[..., Any]]:
        yield self._run_fits
        if self.refit:
            self._monitor.refit()

    def _run_fits(self, delayed_fits: Iterable[Any]) -> list[dict[str, Any]]:
        laid_out = list(delayed_fits)
        fits = _with_one_thread(laid_out)
        self._warn_of_threads(fits)
        places = [(one["candidate_progress"][0], one["split_progress"][0]) for _, _, one in laid_out]
        candidates = {place[0]: one["parameters"] for place, (_, _, one) in zip(places, laid_out)}
        rungs = len(getattr(self, "n_resources_", ())) or None
        self._monitor.begin(
            [candidates[number] for number in sorted(candidates)],
            len({fold for _, fold in places}),
            rungs,
            getattr(self, "resource", None),
        )
        parallel = Parallel(n_jobs=self.n_jobs, pre_dispatch=self.pre_dispatch, return_as="generator")
        results: list[dict[str, Any]] = []
        # The results stand first, so that `zip` takes them to their end: joblib kills the processes of a generator that
        # is dropped before.
        for result, (candidate, fold) in zip(parallel(_timed(fits)), places):
            fit = Fit(len(results), candidate, fold)
            self._timeline.take((rungs or 1) - 1, fit, result)
            self._monitor.end([(fit, result)])
            results.append(result)
        self._end_reason.take(results)
        return results

    def __getstate__(self) -> dict[str, Any]:
        # Workers and copies have no followers.
        state: dict[str, Any] = dict(super().__getstate__())  # type: ignore[call-overload]
        return {name: value for name, value in state.items() if name not in OF_A_FIT}

    def _warn_of_threads(self, fits: list[Any]) -> None:
        """Warn once of settings with which all fits together would take more threads than there are cores."""
        if not fits or len(getattr(self, "n_resources_", ())) > 1:  # a later rung of halving
            return
        candidates = list({id(arguments["parameters"]): arguments["parameters"] for _, _, arguments in fits}.values())
        estimator = fits[0][1][0]
        processes, cores = effective_n_jobs(self.n_jobs), cpu_count()
        too_many = uncapped(estimator, candidates, max(1, cores // processes))
        if too_many:
            warnings.warn(
                f"{processes} processes fit at the same time on {cores} cores, and each may take more than its share: "
                f"{', '.join(map(str, too_many))}. Set fewer there, or lower search.n_jobs.",
                UserWarning,
                stacklevel=2,
            )


def _timed(fits: Iterable[Any]) -> Iterator[Any]:
    """Yield the same calls; their results say when and where they ran."""
    for function, data, arguments in fits:
        # scikit-learn's `delayed` wraps the function for its own Parallel, which binds the settings.
        yield delayed(partial(_run_timed, os.getpid(), getattr(function, "function", function)))(*data, **arguments)


def _run_timed(driver: int, function: Callable[..., dict[str, Any]], *data: Any, **arguments: Any) -> dict[str, Any]:
    if os.getppid() == driver:  # joblib's processes would outlive a driver that is killed by minutes
        end_with(driver)
    began, started = time.time(), time.perf_counter()
    with masked_warnings():
        result = function(*data, **arguments)
    seconds = time.perf_counter() - started
    tidy_reasons(result)
    result[ORIGIN] = origin(GroupResult([], seconds, process_name(), 0, 0, began=began, peak_bytes=peak_bytes()), ())
    return result


def _with_one_thread(delayed_fits: list[Any]) -> list[Any]:
    capped: dict[int, CappedCandidate] = {}
    fits = []
    for function, (estimator, *data), arguments in delayed_fits:
        parameters = arguments["parameters"]  # one object for all folds of a candidate
        if id(parameters) not in capped:
            capped[id(parameters)] = ThreadCaps(estimator, 1).candidate(parameters)
        fits.append((function, (estimator, *data), {**arguments, "parameters": capped[id(parameters)]}))
    return fits


class GridSearchCV(FollowedMixin, model_selection.GridSearchCV):
    """scikit-learn's ``GridSearchCV``; it can be followed."""


class RandomizedSearchCV(FollowedMixin, model_selection.RandomizedSearchCV):
    """scikit-learn's ``RandomizedSearchCV``; it can be followed."""


class HalvingGridSearchCV(FollowedMixin, model_selection.HalvingGridSearchCV):
    """scikit-learn's ``HalvingGridSearchCV``; it can be followed."""


class HalvingRandomSearchCV(FollowedMixin, model_selection.HalvingRandomSearchCV):
    """scikit-learn's ``HalvingRandomSearchCV``; it can be followed."""
