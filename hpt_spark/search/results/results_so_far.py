"""The results of one evaluation, each of which is kept, written to the journal and told to those who follow."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from hpt_spark.search.equal_candidates import EqualCandidates
from hpt_spark.search.evaluation import Evaluation, Fit
from hpt_spark.search.execution.begun import FitWatcher
from hpt_spark.search.followers.callbacks import Callbacks
from hpt_spark.search.followers.monitor import SearchMonitor
from hpt_spark.search.journal.search_journal import SearchJournal
from hpt_spark.search.results.failures import has_more_time
from hpt_spark.search.results.out_of_fold import OutOfFold


class ResultsSoFar:
    """The results of an earlier run in the journal, and those that come while the fits run.

    Attributes
    ----------
    found : dict of Fit to result
    resumed : int
        How many results of the journal were reported.
    """

    _equals: EqualCandidates

    def __init__(self, journal: SearchJournal, out_of_fold: OutOfFold, monitor: SearchMonitor) -> None:
        self._journal = journal
        self._out_of_fold = out_of_fold
        self._monitor = monitor
        self._journalled: dict[Fit, dict[str, Any]] = {}  # what was not reported yet
        self._passed_over: set[Fit] = set()  # in the wave that runs
        self.found: dict[Fit, dict[str, Any]] = {}
        self.resumed = 0

    def begin(self, evaluation: Evaluation, journalled: Mapping[Fit, dict[str, Any]]) -> None:
        """Take what the journal has of the evaluation, but for fits that have more time now than they had."""
        keys = self._journal.keys
        self._equals = EqualCandidates(evaluation, None if keys is None else keys.candidates)
        self._equals.mark(journalled)
        limit = evaluation.max_fit_time
        self._journalled = {fit: one for fit, one in journalled.items() if not has_more_time(one, limit)}
        self.found.update(self._journalled)

    def watcher(self, evaluation: Evaluation, callbacks: Callbacks) -> FitWatcher | None:
        """Return the watcher of the fits that begin; None where nobody follows them."""
        if not callbacks and not self._monitor.is_followed:
            return None

        def began(fit: Fit) -> None:
            if self._monitor.is_followed:
                self._monitor.fit_began(fit)
            for one in (fit, *self._equals.of(fit)):
                callbacks.began(evaluation, one)

        return FitWatcher(began, self._monitor.tasks_run, self._monitor.fits_died)

    def report_resumed(self, fits: Iterable[Fit]) -> list[tuple[Fit, dict[str, Any]]]:
        """Report the journal's results of `fits` to those who follow, once each, and return them."""
        resumed = [(fit, self._journalled[fit]) for fit in fits if fit in self._journalled]
        if resumed:
            self._monitor.end(resumed, is_resumed=True)
        self.resumed += len(resumed)
        for fit, _ in resumed:
            del self._journalled[fit]
        return resumed

    def begin_wave(self, fits: Iterable[Fit]) -> list[Fit]:
        """Return those of `fits` that are to run now; what was passed over before may be among them."""
        self._passed_over = set()
        return self.lacking(fits)

    def first_of_equals(self, fits: Sequence[Fit]) -> list[Fit]:
        """Return those of `fits` that are to be trained: equal candidates get the results of the first of them."""
        return self._equals.first_of(fits)

    def lacking(self, fits: Iterable[Fit]) -> list[Fit]:
        """Return those of `fits` that have no result."""
        return [fit for fit in fits if fit not in self.found]

    def take(self, results: Sequence[tuple[Fit, Any]], seconds_left: float | None) -> list[tuple[Fit, Any]]:
        """Take results as they come, and return them with those of equal candidates.

        The result of a fit behind the stop of its training is None, and that of one that raises is its exception.
        """
        scored = [(fit, result) for fit, result in results if isinstance(result, dict)]
        of_equals = self._equals.results(scored)
        self.found.update([*scored, *of_equals])  # at once, as Ctrl-C may come at any time
        predictions = self._out_of_fold.take([*scored, *of_equals])
        self._journal.add(scored, predictions)
        passed_over = {fit for fit, result in results if result is None}
        self._passed_over |= passed_over
        self._monitor.pass_over(passed_over)
        self._monitor.end([*scored, *of_equals], seconds_left)
        return [*results, *of_equals]

    def have_all(self, fits: Iterable[Fit]) -> bool:
        """Return whether each fit of the wave has ended: it has a result, or lies behind the stop of its training."""
        return self.found.keys() | self._passed_over >= set(fits)
