"""One run of a search on the driver: each evaluation in turn, the journal, and an early end."""

from __future__ import annotations

import dataclasses
import logging
import math
import time
import warnings
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from types import TracebackType
from typing import TYPE_CHECKING, Any

import sklearn

from hpt_spark.errors import HptSparkError, SparkEndedError
from hpt_spark.search.arguments import is_number
from hpt_spark.search.callbacks import Callbacks
from hpt_spark.search.dataset import Dataset
from hpt_spark.search.end_reason import INTERRUPTED, EndReason
from hpt_spark.search.equal_candidates import EqualCandidates
from hpt_spark.search.evaluation import Evaluation, Fit, evaluation_of
from hpt_spark.search.execution import spark_context
from hpt_spark.search.execution.begun import FitWatcher
from hpt_spark.search.execution.refit import Refit
from hpt_spark.search.failures import has_more_time, without_score
from hpt_spark.search.fit_warnings import WarningFilters
from hpt_spark.search.journal.search_journal import SearchJournal
from hpt_spark.search.monitor import SearchMonitor
from hpt_spark.search.out_of_fold import OutOfFold
from hpt_spark.search.planning.threads import uncapped, warnings_of
from hpt_spark.search.race import Race
from hpt_spark.search.race_course import Wave
from hpt_spark.search.scheduler import Scheduler
from hpt_spark.search.timeline import Timeline
from hpt_spark.search.warm_start import WarmStarts
from hpt_spark.signals import answer_signals
from hpt_spark.storage import FolderLock
from hpt_spark.streams import show

if TYPE_CHECKING:
    from hpt_spark.search.execution.runner import Runner


log = logging.getLogger(__name__)


class EndedEarlyError(Exception):
    """A search was ended early; what its earlier rungs have found stands."""


class Evaluator:
    """A search from its first evaluation to its last.

    Parameters
    ----------
    spark : SparkContext, SparkSession or None
        What the search was given.
    journal : str or None
    max_time : float or None
    resource : str or None
        The parameter of which each evaluation gives its candidates more (halving).
    lock : FolderLock or None
        What keeps other drivers from the journal, where the caller holds it already.
    is_one_of_many : bool
        Whether the journal is shared with the same search on other data, or with other parameters,
        and each has a folder of its own in it.
    keep_oof : {"none", "best", "all"}
        Whose out-of-fold predictions are wanted.
    monitor : SearchMonitor, optional
        Is told what goes on.
    warm_start : sequence of str, optional
        Journals of other searches, or runs, whose results are taken where they are of the same fits.
    may_differ : bool
        Whether those of them that are of other data, or of other parameters, are passed over.
    max_fit_time : float or None
        Seconds after which a fit is stopped.
    race : Race or None
        Which candidates get no more folds.
    curve : str or None
        The parameter that counts the rounds, where candidates are the points of curves.

    Attributes
    ----------
    out_of_fold : OutOfFold
        The predictions, until the end of the ``with``.
    incomplete : bool
        Whether it was ended early.
    has_table : bool
        Whether scikit-learn has made ``cv_results_`` of an evaluation.
    fit_counts : Counter
        ``fits``, ``trainings``, ``resumed``, ``continued``, ``fold_slices``, ``matrices``.
    timeline : Timeline
    end_reason : EndReason
    """

    def __init__(
        self,
        spark: Any,
        journal: str | None,
        max_time: float | None,
        resource: str | None = None,
        lock: FolderLock | None = None,
        is_one_of_many: bool = False,
        keep_oof: str = "none",
        monitor: SearchMonitor | None = None,
        warm_start: Sequence[str] | None = None,
        max_fit_time: float | None = None,
        race: Race | None = None,
        curve: str | None = None,
        may_differ: bool = False,
    ) -> None:
        self._given = spark
        self._monitor = monitor or SearchMonitor()
        self._resource = resource
        self._curve = curve
        self._journal = SearchJournal(journal, lock, is_one_of_many, warm_start, may_differ)
        self._max_time = max_time
        self._deadline = math.inf if max_time is None else time.monotonic() + max_time
        self._max_fit_time = max_fit_time
        self._race = race
        self._resumed: dict[Fit, dict[str, Any]] = {}  # what the journal has of the evaluation, till it is told of
        self._warm_starts = WarmStarts(resource, self._deadline)
        self._ending = ExitStack()
        self.out_of_fold = OutOfFold(keep_oof)
        self._runner: Runner | None = None
        self._finished_evaluations = 0
        self._has_logged_threads = False
        self.has_table = False
        self._score_params: Mapping[str, Any] = {}
        self.incomplete = False
        self.timeline = Timeline()
        self.end_reason = EndReason()
        self.fit_counts: Counter[str] = Counter(fits=0, trainings=0, resumed=0, continued=0, fold_slices=0, matrices=0)

    def __enter__(self) -> Evaluator:
        self._spark = spark_context.spark_of(self._given)  # before any file is touched
        self._journal.open()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        with ExitStack() as closing:  # each also where Ctrl-C comes in the one before
            closing.callback(self._journal.close)
            closing.callback(self.out_of_fold.close)
            closing.callback(self.release)

    def results(self, delayed_fits: Iterable[Any]) -> list[dict[str, Any]]:
        """Run scikit-learn's delayed fits and return their results in the same order.

        Raises
        ------
        EndedEarlyError
            When the search was ended, and this rung of it has no candidate to choose.
        """
        if self.incomplete:
            raise EndedEarlyError  # the rung before was cut short
        evaluation, callbacks = evaluation_of(delayed_fits)
        if evaluation is None:
            return []
        self._score_params = evaluation.data.score_params
        found: dict[Fit, dict[str, Any]] = {}
        if self._race:
            self._race.begin()
        try:
            for ended in self._ended(evaluation, found, callbacks):
                for fit, result in ended:
                    if isinstance(result, BaseException):
                        raise result
                    if result is not None:
                        show(result.pop("printed", ""))
                        self.timeline.take(self._finished_evaluations, fit, result)
                    callbacks.ended(evaluation, fit)
        except (KeyboardInterrupt, SystemExit):  # Ctrl-C, and SIGTERM or SIGHUP where a job turns them into this
            self._begin_to_end_early(INTERRUPTED)
        skipped = self._race.skipped_fits(evaluation) if self._race else set()
        for fit in skipped:
            found.pop(fit, None)  # of a journal: of a search without a race, say
        self.out_of_fold.forget(skipped)
        for fit, _ in self._take_resumed(found):  # what a race that was ended early has not asked for
            callbacks.ended(evaluation, fit)
        missing = [fit for fit in evaluation.fits if fit not in found and fit not in skipped]
        self.end_reason.take(found.values(), len(missing), len(skipped))
        if missing:
            self._end_early(evaluation, missing, found, {fit.candidate for fit in skipped})
        self.out_of_fold.take(found.items())  # Ctrl-C came before it was taken, and before what follows was printed
        self.out_of_fold.warn_of_missing(found)
        for fit, result in found.items():
            result.pop("printed", None)
            self.timeline.take(self._finished_evaluations, fit, result)
        if self._race:
            self._race.fill(evaluation, found)
            self.fit_counts["skipped"] += len(skipped)
        self._finished_evaluations += 1
        return [found[fit] for fit in evaluation.fits]

    def _ended(
        self, evaluation: Evaluation, found: dict[Fit, dict[str, Any]], callbacks: Callbacks
    ) -> Iterator[Sequence[tuple[Fit, Any]]]:
        """Yield fits with their results as they end, which then are in `found` and in the journal.

        Those stopped the stop of their training have none.
        """
        evaluation.data.refuse_used_up()
        with self._with_resume_hint(), spark_context.translate_stop(self._spark):
            yield from self._ended_while_spark_runs(evaluation, found, callbacks)

    @contextmanager
    def _with_resume_hint(self) -> Iterator[None]:
        """Let the error that says that Spark has ended say how to go on."""
        try:
            yield
        except SparkEndedError as error:
            hint = self._journal.resume_hint("With a folder as journal=, a search goes on from what it has found.")
            raise SparkEndedError(f"{error} {hint}") from None

    def _ended_while_spark_runs(
        self, evaluation: Evaluation, found: dict[Fit, dict[str, Any]], callbacks: Callbacks
    ) -> Iterator[Sequence[tuple[Fit, Any]]]:
        fits = evaluation.fits
        self.fit_counts["fits"] += len(fits)
        runner = self._spark_runner()
        evaluation = dataclasses.replace(evaluation, threads=runner.threads, max_fit_time=self._max_fit_time)
        evaluation = self.out_of_fold.begin(evaluation)
        journalled = self._journal.begin(evaluation, self.out_of_fold.put)
        rung = None if self._resource is None else self._finished_evaluations + 1
        keys, folds = self._journal.keys, len(evaluation.folds)
        begun = self._monitor.begin(evaluation.candidates, folds, rung, self._resource, self._curve, keys)
        equals = EqualCandidates(evaluation, None if keys is None else keys.candidates)
        if journalled is not None:
            equals.mark(journalled)
            limit = self._max_fit_time
            journalled = {fit: one for fit, one in journalled.items() if not has_more_time(one, limit)}
            self._resumed = dict(journalled)
            found.update(journalled)
            if self._race is None:
                yield self._take_resumed(fits)
            fits = [fit for fit in fits if fit not in journalled]
        if not fits and self._race is None:
            return
        self._warn_of_threads(evaluation, runner.threads)
        watcher = self._watcher(evaluation, callbacks, equals)
        description = f"sweep: {begun.describe()}"
        scheduler = Scheduler(runner, self._deadline, watcher, description, in_blocks=rung is None)
        try:
            for wave in self._race.waves(evaluation, found) if self._race else [Wave(fits)]:
                fits = [fit for fit in wave.fits if fit not in found]
                passed_over: set[Fit] = set()
                if self._race:
                    self._monitor.expect(sum(self._race.wanted_folds(evaluation)))
                    yield self._take_resumed(wave.fits)
                    if fits:  # waves that the journal has whole are passed over at once
                        self._journal.note_wanted(evaluation, self._race.wanted_folds(evaluation))
                self._monitor.plan(len(fits))
                if fits:
                    evaluation = self._warm_starts.continued_by(evaluation, runner.checkpoints, fits)
                    evaluation = dataclasses.replace(evaluation, early_stopping=wave.early_stopping)
                    self.fit_counts["continued"] += sum(fit in evaluation.checkpoints for fit in fits)
                for results in scheduler.run(evaluation, equals.first_of(fits)) if fits else ():
                    scored = [(fit, result) for fit, result in results if isinstance(result, dict)]
                    of_equals = equals.results(scored)
                    found.update([*scored, *of_equals])  # at once, as Ctrl-C may come at any time
                    predictions = self.out_of_fold.take([*scored, *of_equals])
                    self._journal.add(scored, predictions)
                    stopped = {fit for fit, result in results if result is None}
                    passed_over |= stopped
                    self._monitor.pass_over(stopped)
                    self._monitor.end([*scored, *of_equals], scheduler.seconds_left)
                    yield [*results, *of_equals]
                if not found.keys() | passed_over >= set(wave.fits):
                    return  # the time was up
            if self._race:
                self._monitor.expect(sum(self._race.wanted_folds(evaluation)))
                self._journal.note_wanted(evaluation, self._race.wanted_folds(evaluation))
        finally:
            self.timeline.expect(scheduler.forecast)
            self.fit_counts.update(
                trainings=scheduler.trainings, fold_slices=scheduler.fold_slices, matrices=scheduler.matrices
            )

    def _take_resumed(self, fits: Iterable[Fit]) -> list[tuple[Fit, dict[str, Any]]]:
        """Return those of `fits` that the journal has; each is reported once, and a race asks only for some."""
        resumed = [(fit, self._resumed[fit]) for fit in fits if fit in self._resumed]
        if resumed:
            self._monitor.end(resumed, is_resumed=True)
        self.fit_counts["resumed"] += len(resumed)
        for fit, _ in resumed:
            del self._resumed[fit]
        return resumed

    def batch_size(self, folds: int) -> int:
        """Return for how many candidates each slot has two fits; a resumed search has the number of its first run.

        In a race these are the fits of its first wave.
        """
        slots, folds_at_first = self._spark_runner().planned_slots, self._race.burn_in if self._race else folds
        return self._journal.settled("batch_size", max(2, math.ceil(2 * slots / folds_at_first)), folds)

    def expect_later(self, candidates: int) -> None:
        """Take note of how many candidates are to follow those of the next evaluation, for those who follow."""
        self._monitor.expect_later(candidates)

    def _watcher(self, evaluation: Evaluation, callbacks: Callbacks, equals: EqualCandidates) -> FitWatcher | None:
        """Return what is told of the fits that begin; None where nobody asks."""
        told: list[Callable[[Fit], None]] = [self._monitor.fit_began] if self._monitor.is_followed else []
        if callbacks:

            def began(fit: Fit) -> None:
                for one in (fit, *equals.of(fit)):
                    callbacks.began(evaluation, one)

            told.append(began)
        return FitWatcher(told, self._monitor.tasks_run) if told else None

    def _spark_runner(self) -> Runner:
        """Return the runner of all evaluations of this search."""
        if self._runner is None:
            self._runner = spark_context.runner_of(self._spark)
        return self._runner

    def refit(self, estimator: Any, X: Any, y: Any, fit_params: Mapping[str, Any]) -> Any:
        """Return `estimator` fitted to all rows, on an executor."""
        data = Dataset(X, y, fit_params, self._score_params)  # the same as that of the fits is there already
        runner = self._spark_runner()
        self._monitor.refit(self.incomplete)
        refit = Refit(estimator, data, sklearn.get_config(), WarningFilters.of_this_moment(), runner.threads)
        with self._with_resume_hint(), spark_context.translate_stop(self._spark):
            return runner.refit(refit)

    def fits_are_done(self) -> None:
        """Let Ctrl-C and SIGTERM end what comes now, the refit."""
        self._ending.close()

    def release(self) -> None:
        """Give the executors' memory and disks back: all trainings are done."""
        try:
            if self._runner is None:
                return
            runner, self._runner = self._runner, None
            # Spark that has ended has given everything back.
            with suppress(SparkEndedError), spark_context.translate_stop(self._spark):
                runner.release()
        finally:
            self._ending.close()

    def _warn_of_threads(self, evaluation: Evaluation, threads: int) -> None:
        """Say once of which numbers of threads a fit does not use those of its Spark task."""
        if self._has_logged_threads:
            return
        self._has_logged_threads = True
        for text in warnings_of(uncapped(evaluation.estimator, evaluation.candidates, threads), threads):
            warnings.warn(text, UserWarning, stacklevel=2)

    def end_between_evaluations(self) -> None:
        """Let a signal that has come while candidates were proposed, say, end the search with what it has."""
        self._begin_to_end_early(INTERRUPTED)

    def _begin_to_end_early(self, cause: str) -> None:
        """Keep what there is, also if another signal comes before the refit."""
        if not self.incomplete:
            self._ending.enter_context(answer_signals(_say_that_it_ends))
        self.incomplete = True
        self.end_reason.end(cause)

    def _end_early(
        self, evaluation: Evaluation, missing: list[Fit], found: dict[Fit, dict[str, Any]], dropped: set[int]
    ) -> None:
        """Let the missing fits count as failed, if there is a candidate to choose."""
        cause = "the search ended before all fits had run"
        if self._max_time is not None:
            cause = f"the time was up (max_time={self._max_time:g} seconds)"
        self._begin_to_end_early(cause)
        whole = set(range(len(evaluation.candidates))) - {fit.candidate for fit in missing} - dropped
        error_score = evaluation.common["error_score"]
        if is_number(error_score) and math.isnan(error_score):
            whole -= {fit.candidate for fit, result in found.items() if result["fit_error"]}
        if not whole and self._finished_evaluations:
            raise EndedEarlyError
        if not whole:
            raise HptSparkError(
                f"the search was ended after {len(found)} of {len(evaluation.fits)} fits, before any candidate had a "
                f"score on all its folds: there is no best one. "
                f"{self._journal.resume_hint('Give it more time (max_time), or a journal to resume from.')}"
            )
        warnings.warn(
            f"The search was ended early: {len(missing)} of {len(evaluation.fits)} fits are missing and count as "
            f"failed; {len(whole)} of {len(evaluation.candidates)} candidates are complete.",
            UserWarning,
            stacklevel=2,
        )
        for fit in missing:
            found[fit] = without_score(evaluation, fit, "NotRun: the search was ended before this fit.", math.nan)


def _say_that_it_ends() -> None:
    log.warning("the search is ending already, with the results that it has")
