"""The search on the driver: from an evaluation to the result of each of its fits."""

from __future__ import annotations

import logging
import time
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

from hpt_spark.errors import ArgumentError
from hpt_spark.search.evaluation import Evaluation, Fit
from hpt_spark.search.execution.begun import FitWatcher
from hpt_spark.search.execution.fit_process import Death
from hpt_spark.search.execution.runner import Runner
from hpt_spark.search.execution.task_stream import Ended, TaskStream
from hpt_spark.search.execution.worker import GroupResult, SharedEvaluation
from hpt_spark.search.fit_groups import FitGroup, group_fits, has_failed
from hpt_spark.search.followers.timeline import ORIGIN, origin
from hpt_spark.search.planning.cost import seconds_left, start_order
from hpt_spark.search.planning.forecast import Forecast, forecast
from hpt_spark.search.planning.task_queue import TaskQueue, in_jobs
from hpt_spark.search.results.failures import killed_worker, tidy_reasons, timed_out
from hpt_spark.search.retries import Ending, Step, next_step

log = logging.getLogger(__name__)

NO_REUSE = (
    "spark.python.worker.reuse=false: each task starts Python anew, which takes seconds, and prepares its fold's data "
    "again. The search makes few tasks of its fits; it is faster with spark.python.worker.reuse=true."
)

Result = tuple[FitGroup, GroupResult]
Dead = tuple[FitGroup, Death]


class Scheduler:
    """Runs the fits of one evaluation on Spark, wave by wave.

    Parameters
    ----------
    runner : Runner
    deadline : float
        When to stop, on the clock of `time.monotonic`; infinity for never.
    watcher : FitWatcher or None
        Is told of the fits that begin and die.
    description : str
        What Spark's UI calls the jobs.
    in_blocks : bool
        Whether some candidates are to have all folds before others begin: not in a rung, which is short.

    Attributes
    ----------
    trainings, fold_slices, matrices : int
        How many trainings have run, how often a fold was cut for them, and how many training
        matrices were built.
    forecast : Forecast or None
        What was said before the first fit.
    seconds_left : float or None
        An estimate of how long the rest takes; None before the first result.
    """

    def __init__(
        self, runner: Runner, deadline: float, watcher: FitWatcher | None, description: str, in_blocks: bool = True
    ) -> None:
        self._runner = runner
        self._evaluation: Evaluation
        self._deadline = deadline
        self._watcher = watcher
        self._description = description
        self._in_blocks = in_blocks
        self.seconds_left: float | None = None
        self.trainings = self.fold_slices = self.matrices = 0
        self.forecast: Forecast | None = None
        self._has_logged_not_shared = False
        self._left: dict[tuple[Fit, ...], float] = {}  # the costs of the groups that have not ended
        self._retries: dict[Fit, list[str]] = {}

    def run(self, evaluation: Evaluation, fits: Sequence[Fit]) -> Iterator[list[tuple[Fit, Any]]]:
        """Yield fits with their results, as their groups end; those of groups that ended together at once.

        A result is scikit-learn's, or the exception of a fit where ``error_score="raise"``; None for a fit behind the
        stop of its training. `evaluation` has the checkpoints from which these trainings go on.
        """
        self._evaluation = evaluation
        groups = group_fits(evaluation, fits)
        self._refuse_too_large_predictions(groups)
        ordered = [groups[at] for at in start_order(groups, self._runner.planned_slots, self._in_blocks)]
        self._left = {group.fits: group.cost for group in ordered}
        cost_done = seconds_done = 0.0
        with self._runner.shared(evaluation, self._watcher) as shared:
            if self.forecast is None:  # else of an earlier wave of a race
                self._log_forecast(ordered, shared)
            for ended in self._results(shared, ordered):
                for group, result in ended:
                    self._left.pop(group.fits, None)
                    if seconds := _seconds_of(result):
                        cost_done += group.cost
                        seconds_done += seconds
                if cost_done:
                    costs_left = list(self._left.values())
                    self.seconds_left = seconds_left(cost_done, seconds_done, costs_left, self._runner.slots)
                yield [pair for group, result in ended for pair in self._with_origin(group, result)]

    def _refuse_too_large_predictions(self, groups: Sequence[FitGroup]) -> None:
        largest = max(map(self._evaluation.prediction_bytes, groups), default=0)
        if largest >= self._runner.most_result_bytes:
            raise ArgumentError(
                f"the out-of-fold predictions of one training have {largest:,} bytes, but no task may bring more than "
                f"{self._runner.most_result_bytes:,.0f} to the driver: raise spark.driver.maxResultSize, or leave "
                "keep_oof out."
            )

    def _log_forecast(self, groups: Sequence[FitGroup], shared: SharedEvaluation) -> None:
        runner = self._runner
        needed = forecast(
            self._evaluation,
            groups,
            shared.size,
            runner.slots,
            runner.slots_per_executor,
            planned_slots=runner.planned_slots,
            arriving_bytes=runner.arriving_bytes(shared),
            pickled_bytes=shared.pickled_size,
        )
        self.forecast = needed
        log.info("%s", needed.describe())
        for too_much in filter(None, map(needed.warning, runner.memory_limits)):
            warnings.warn(too_much, UserWarning, stacklevel=2)
        if not runner.reuses_workers:
            warnings.warn(NO_REUSE, UserWarning, stacklevel=2)

    def _results(self, shared: SharedEvaluation, groups: Sequence[FitGroup]) -> Iterator[list[Result]]:
        """Yield each group and its result, step by step of `retries`; what dies in the last is a failed fit."""
        waiting: dict[Step, list[FitGroup]] = {step: [] for step in Step}
        waiting[Step.TOGETHER] += groups
        while step := next((step for step in Step if waiting[step]), None):
            dead: list[Dead] = []
            now, waiting[step] = waiting[step], []
            # What is tried alone may take its worker and its executor along: each has a job of its own.
            for together in [[one] for one in now] if step.alone else [now]:
                # A job for each of them would take its moment also when the time is up.
                if time.monotonic() < self._deadline:
                    for results in self._tried(shared, step, together, dead):
                        waiting[Step.EACH] += self._rest_of_curves(results)
                        yield results
            for group, death in dead:
                for fit in group.fits:
                    self._retries.setdefault(fit, []).append(f"{step.title}: {death.reason}")
                following = next_step(step, death.ending, len(group.fits))
                if following is Step.FAILED:
                    yield self._given_up(group, death)
                    continue
                if following.alone and not step.alone:
                    log.warning("fit %s: %s; it is tried again alone", group.fits[-1], death.reason)
                parts = group.one_by_one() if following.one_by_one else [group]
                self._left.pop(group.fits, None)
                if after_stop := tuple(fit for fit in group.fits if following.one_by_one and fit not in group.retried):
                    yield [(replace(group, fits=after_stop), GroupResult([]))]
                self._left.update((part.fits, part.cost) for part in parts)
                waiting[following] += parts

    def _rest_of_curves(self, results: Sequence[Result]) -> list[FitGroup]:
        """Return the groups of the curves whose first point was tried by itself and has a result."""
        groups = []
        for group, result in results:
            if group.rest and not group.shared and not has_failed(result.results[0][1]):
                groups += group.rest_one_by_one()
        self._left.update((group.fits, group.cost) for group in groups)
        return groups

    def _tried(
        self, shared: SharedEvaluation, step: Step, groups: Sequence[FitGroup], dead: list[Dead]
    ) -> Iterator[list[Result]]:
        """Yield the results of `groups`, and add the dead groups to `dead`.

        How long a training takes is known when the first have ended, and the rest is cut into tasks by it.
        """
        queue = TaskQueue(groups, lambda: self._runner.planned_slots, self._runner.reuses_workers)
        again = "" if step is Step.TOGETHER else f", tried again {step.title}"
        with self._runner.tasks(shared, self._deadline, step, f"{self._description}{again}") as stream:
            self._submit(stream, queue)
            for ended in stream:
                results, deaths = _split_by_outcome(ended)
                dead += deaths
                if self._watcher and deaths:
                    self._watcher.died([fit for group, _ in deaths for fit in group.fits])
                queue.ended((group, getattr(outcome, "seconds", None)) for group, outcome in ended)
                self._submit(stream, queue)
                if results:
                    yield self._counted(results)

    def _submit(self, stream: TaskStream, queue: TaskQueue) -> None:
        for tasks in in_jobs(queue.next_tasks(), self._evaluation.prediction_bytes, self._runner.result_bytes):
            stream.submit(tasks)

    def _with_origin(self, group: FitGroup, result: GroupResult) -> list[tuple[Fit, Any]]:
        """Return the results of a group, with what there is to tell of its training; None for a fit behind its stop."""
        results = group.with_all_fits(result.results)
        for fit, one in results:
            if isinstance(one, dict):
                tidy_reasons(one)
                one[ORIGIN] = origin(result, self._retries.get(fit, ()))
        return results

    def _given_up(self, group: FitGroup, death: Death) -> list[Result]:
        """Return the results of a group of one fit that has killed its process twice, or had no more time."""
        (fit,) = group.fits
        if death.ending is Ending.TIMEOUT:
            outcome = timed_out(self._evaluation, fit)
        else:
            outcome = killed_worker(self._evaluation, fit, death)
        return [(group, GroupResult([(fit, outcome)], began=time.time()))]

    def _counted(self, results: list[Result]) -> list[Result]:
        for _, result in results:
            self.trainings += result.trainings
            if result.not_shared and not self._has_logged_not_shared:
                log.info("fits that could be one training are fitted one by one: %s", result.not_shared)
                self._has_logged_not_shared = True
            self.fold_slices += result.fold_slices
            self.matrices += result.matrices
        return results


def _seconds_of(result: GroupResult) -> float:
    """Return how long a group took; of one that was stopped its limit, and 0 where nobody knows."""
    if result.worker:
        return result.seconds
    return sum(one["fit_time"] for _, one in result.results if isinstance(one, dict))


def _split_by_outcome(ended: Sequence[Ended]) -> tuple[list[Result], list[Dead]]:
    results = [(group, outcome) for group, outcome in ended if isinstance(outcome, GroupResult)]
    return results, [(group, outcome) for group, outcome in ended if isinstance(outcome, Death)]
