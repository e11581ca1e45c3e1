"""One run of a search on the driver: each evaluation in turn, the journal, and an early end."""

from __future__ import annotations

import dataclasses
import math
import time
import warnings
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from types import TracebackType
from typing import TYPE_CHECKING, Any

import sklearn

from hpt_spark.errors import SparkEndedError
from hpt_spark.search.dataset import Dataset
from hpt_spark.search.early_end import EarlyEnd, EndedEarlyError
from hpt_spark.search.evaluation import Evaluation, Fit, evaluation_of
from hpt_spark.search.execution import spark_context
from hpt_spark.search.execution.refit import Refit
from hpt_spark.search.followers.callbacks import Callbacks
from hpt_spark.search.followers.monitor import SearchMonitor
from hpt_spark.search.followers.timeline import Timeline
from hpt_spark.search.journal.search_journal import SearchJournal
from hpt_spark.search.planning.threads import uncapped, warnings_of
from hpt_spark.search.results.fit_warnings import WarningFilters
from hpt_spark.search.results.out_of_fold import OutOfFold
from hpt_spark.search.results.results_so_far import ResultsSoFar
from hpt_spark.search.scheduler import Scheduler
from hpt_spark.search.strategies.race import Race
from hpt_spark.search.strategies.race_course import Wave
from hpt_spark.search.warm_start import WarmStarts
from hpt_spark.streams import show

if TYPE_CHECKING:
    from hpt_spark.search.execution.runner import Runner


class Evaluator:
    """A search from its first evaluation to its last.

    Parameters
    ----------
    spark : SparkContext, SparkSession or None
        What the search was given.
    journal : SearchJournal
    monitor : SearchMonitor
        Is told what goes on.
    max_time : float or None
    resource : str or None
        The parameter of which each evaluation gives its candidates more (halving).
    keep_oof : {"none", "best", "all"}
        Whose out-of-fold predictions are wanted.
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
    early_end : EarlyEnd
    has_table : bool
        Whether scikit-learn has made ``cv_results_`` of an evaluation.
    fit_counts : Counter
        ``fits``, ``trainings``, ``resumed``, ``continued``, ``fold_slices``, ``matrices``.
    timeline : Timeline
    """

    def __init__(
        self,
        spark: Any,
        journal: SearchJournal,
        monitor: SearchMonitor,
        max_time: float | None,
        resource: str | None,
        keep_oof: str,
        max_fit_time: float | None,
        race: Race | None,
        curve: str | None,
    ) -> None:
        self._given = spark
        self._journal = journal
        self._monitor = monitor
        self._resource = resource
        self._curve = curve
        self._deadline = math.inf if max_time is None else time.monotonic() + max_time
        self._max_fit_time = max_fit_time
        self._race = race
        self._warm_starts = WarmStarts(resource, self._deadline)
        self.out_of_fold = OutOfFold(keep_oof)
        self._runner: Runner | None = None
        self._finished_evaluations = 0
        self._has_logged_threads = False
        self.has_table = False
        self._score_params: Mapping[str, Any] = {}
        self.early_end = EarlyEnd(max_time)
        self.timeline = Timeline()
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
        if self.early_end.has_begun:
            raise EndedEarlyError  # the rung before was cut short
        evaluation, callbacks = evaluation_of(delayed_fits)
        if evaluation is None:
            return []
        evaluation.data.refuse_used_up()
        self._score_params = evaluation.data.score_params
        so_far = ResultsSoFar(self._journal, self.out_of_fold, self._monitor)
        found = so_far.found
        if self._race:
            self._race.begin()
        try:
            for ended in self._ended(evaluation, so_far, callbacks):
                for fit, result in ended:
                    if isinstance(result, BaseException):
                        raise result
                    if result is not None:
                        show(result.pop("printed", ""))
                        self.timeline.take(self._finished_evaluations, fit, result)
                    callbacks.ended(evaluation, fit)
        except (KeyboardInterrupt, SystemExit):  # Ctrl-C, and SIGTERM or SIGHUP where a job turns them into this
            self.early_end.begin()
        skipped = self._race.skipped_fits(evaluation) if self._race else set()
        for fit in skipped:
            found.pop(fit, None)  # of a journal: of a search without a race, say
        self.out_of_fold.forget(skipped)
        for fit, _ in so_far.report_resumed(found):  # what a race that was ended early has not asked for
            callbacks.ended(evaluation, fit)
        self.fit_counts["resumed"] += so_far.resumed
        missing = [fit for fit in so_far.lacking(evaluation.fits) if fit not in skipped]
        self.early_end.reason.take(found.values(), len(missing), len(skipped))
        if missing:
            self.early_end.fail_missing(
                evaluation,
                missing,
                found,
                dropped={fit.candidate for fit in skipped},
                is_first=not self._finished_evaluations,
                resume_hint=self._journal.resume_hint("Give it more time (max_time), or a journal to resume from."),
            )
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
        self, evaluation: Evaluation, so_far: ResultsSoFar, callbacks: Callbacks
    ) -> Iterator[Sequence[tuple[Fit, Any]]]:
        """Yield fits with their results as they end, which then are in `so_far` and in the journal.

        Those behind the stop of their training have none.
        """
        # Here, as what a fit has raised is told as it is, also where Spark was stopped meanwhile.
        with self._with_resume_hint(), spark_context.translate_stop(self._spark):
            yield from self._ended_while_spark_runs(evaluation, so_far, callbacks)

    def _ended_while_spark_runs(
        self, evaluation: Evaluation, so_far: ResultsSoFar, callbacks: Callbacks
    ) -> Iterator[Sequence[tuple[Fit, Any]]]:
        self.fit_counts["fits"] += len(evaluation.fits)
        runner = self._spark_runner()
        evaluation = dataclasses.replace(
            evaluation, threads=runner.threads, max_fit_time=self._max_fit_time, of_curves=self._curve is not None
        )
        evaluation = self.out_of_fold.begin(evaluation)
        journalled = self._journal.begin(evaluation, self.out_of_fold.put) or {}
        rung = None if self._resource is None else self._finished_evaluations + 1
        folds, keys = len(evaluation.folds), self._journal.keys
        begun = self._monitor.begin(evaluation.candidates, folds, rung, self._resource, self._curve, keys)
        so_far.begin(evaluation, journalled)
        watcher = so_far.watcher(evaluation, callbacks)
        description = f"sweep: {begun.describe()}"
        scheduler = Scheduler(runner, self._deadline, watcher, description, in_blocks=rung is None)
        try:
            for wave in self._race.waves(evaluation, so_far.found) if self._race else [Wave(evaluation.fits)]:
                fits = so_far.begin_wave(wave.fits)
                wanted = self._race.wanted_folds(evaluation) if self._race else None
                if wanted is not None:
                    self._monitor.expect(sum(wanted))
                yield so_far.report_resumed(wave.fits)
                self._monitor.plan(len(fits))
                if not fits:
                    continue  # a wave that the journal has whole is passed over at once
                if wanted is not None:
                    self._journal.note_wanted(evaluation, wanted)
                self._warn_of_threads(evaluation, runner.threads)
                if runner.checkpoints is not None:
                    evaluation = self._warm_starts.continued_by(evaluation, runner.checkpoints, fits)
                evaluation = dataclasses.replace(evaluation, early_stopping=wave.early_stopping)
                self.fit_counts["continued"] += sum(fit in evaluation.checkpoints for fit in fits)
                for results in scheduler.run(evaluation, so_far.first_of_equals(fits)):
                    yield so_far.take(results, scheduler.seconds_left)
                if not so_far.have_all(wave.fits):
                    return  # the time was up
            if self._race:
                wanted = self._race.wanted_folds(evaluation)
                self._monitor.expect(sum(wanted))
                self._journal.note_wanted(evaluation, wanted)
        finally:
            self.timeline.expect(scheduler.forecast)
            self.fit_counts.update(
                trainings=scheduler.trainings, fold_slices=scheduler.fold_slices, matrices=scheduler.matrices
            )

    @contextmanager
    def _with_resume_hint(self) -> Iterator[None]:
        """Let the error that says that Spark has ended say how to go on."""
        try:
            yield
        except SparkEndedError as error:
            hint = self._journal.resume_hint("With a folder as journal=, a search goes on from what it has found.")
            raise SparkEndedError(f"{error} {hint}") from None

    def batch_size(self, folds: int) -> int:
        """Return for how many candidates each slot has two fits; a resumed search has the number of its first run.

        In a race these are the fits of its first wave.
        """
        slots = self._spark_runner().planned_slots
        folds_at_first = self._race.burn_in if self._race else max(1, folds)  # scikit-learn says that there are none
        return self._journal.batch_size(max(2, math.ceil(2 * slots / folds_at_first)), folds)

    def expect_later(self, candidates: int) -> None:
        """Take note of how many candidates are to follow those of the next evaluation, for those who follow."""
        self._monitor.expect_later(candidates)

    def _spark_runner(self) -> Runner:
        """Return the runner of all evaluations of this search."""
        if self._runner is None:
            self._runner = spark_context.runner_of(self._spark)
        return self._runner

    def refit(self, estimator: Any, X: Any, y: Any, fit_params: Mapping[str, Any]) -> Any:
        """Return `estimator` fitted to all rows, on an executor."""
        data = Dataset(X, y, fit_params, self._score_params)  # the same as that of the fits is there already
        runner = self._spark_runner()
        self._monitor.refit(self.early_end.has_begun)
        refit = Refit(estimator, data, sklearn.get_config(), WarningFilters.of_this_moment(), runner.threads)
        with self._with_resume_hint(), spark_context.translate_stop(self._spark):
            return runner.refit(refit)

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
            self.early_end.close()

    def _warn_of_threads(self, evaluation: Evaluation, threads: int) -> None:
        """Say once of which numbers of threads a fit does not use those of its Spark task."""
        if self._has_logged_threads:
            return
        self._has_logged_threads = True
        for text in warnings_of(uncapped(evaluation.estimator, evaluation.candidates, threads), threads):
            warnings.warn(text, UserWarning, stacklevel=2)
