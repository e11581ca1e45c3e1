"""Groups of fits as tasks of Spark jobs that may overlap, and their results as they arrive."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from functools import partial
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING, Optional, Union

import cloudpickle
from pyspark.accumulators import AccumulatorParam

from hpt_spark.search.abandoned import leave_if_abandoned
from hpt_spark.search.execution.checkpoints import CheckpointPlace, Checkpoints
from hpt_spark.search.execution.fit_process import Death
from hpt_spark.search.execution.occasionally import Occasionally
from hpt_spark.search.execution.spark_job import NoRoomError, SparkJob, WorkerDiedError
from hpt_spark.search.execution.worker import GroupResult
from hpt_spark.search.fit_groups import FitGroup
from hpt_spark.signals import finish_despite_signals, hold_back_signals

if TYPE_CHECKING:
    from hpt_spark.search.execution.connect_job import ConnectJob

Tasks = Sequence[Sequence[FitGroup]]

# A group; its result, pickled while it travels, or how its process ended; where its checkpoint lies.
Arrived = tuple[FitGroup, Union[bytes, Death], Optional[CheckpointPlace]]
Ended = tuple[FitGroup, Union[GroupResult, Death]]

# Results that arrive within this time are handed over together: thousands of tiny fits are to be few
# files of a journal, and no result is to wait long for its place there.
SECONDS_TOGETHER = 0.25
SECONDS_BETWEEN_LOOKS_FOR_EXECUTORS = 1.0


class TaskStream:
    """Runs tasks in Spark jobs until its ``with`` ends, and yields groups with their results.

    A job that is submitted while another one still runs takes the slots that are free. In place of
    a result stands how the group's process ended, also where its task has taken a worker down. A
    local master then gives up the whole job: another one runs the missing groups.

    Parameters
    ----------
    start : callable
        Starts the Spark job of some tasks, whose results go to `arrived`.
    arrived : SimpleQueue
    deadline : float
        When to stop, on the clock of `time.monotonic`.
    checkpoints : Checkpoints or None
        Is told where those of the trainings lie, if they are kept.
    look_for_begun : callable
        Is called again and again, and before what has ended is handed over.
    refuse_lost_files : callable
        Is called where tasks have ended without a result, as they do when the driver takes its files back, and raises
        when it was somebody else.
    tasks_per_job : int
        How many a job has at the most.
    """

    def __init__(
        self,
        start: Callable[[Tasks], SparkJob | ConnectJob],
        arrived: SimpleQueue[Arrived],
        deadline: float,
        checkpoints: Checkpoints | None,
        look_for_begun: Callable[[], None] = lambda: None,
        refuse_lost_files: Callable[[], None] = lambda: None,
        tasks_per_job: int = sys.maxsize,
    ) -> None:
        self._start = start
        self._arrived = arrived
        self._deadline = deadline
        self._checkpoints = checkpoints
        self._look_for_begun = look_for_begun
        self._refuse_lost_files = refuse_lost_files
        self._tasks_per_job = tasks_per_job
        self._jobs: list[tuple[SparkJob | ConnectJob, Tasks]] = []
        self._finished: set[FitGroup] = set()

    def submit(self, tasks: Tasks) -> None:
        """Run more tasks; they start in the order given, as slots become free."""
        for begin in range(0, len(tasks), self._tasks_per_job):
            of_job = tasks[begin : begin + self._tasks_per_job]
            with hold_back_signals():  # a job that has started and is not known here would go on after Ctrl-C
                self._jobs.append((self._start(of_job), of_job))

    def __iter__(self) -> Iterator[list[Ended]]:
        """Yield what has arrived together, until all is done or the deadline has passed.

        Where nothing arrives, nothing is yielded once a second, so that more can be submitted for executors that come.
        """
        is_time = Occasionally(SECONDS_BETWEEN_LOOKS_FOR_EXECUTORS)
        while (self._jobs or not self._arrived.empty()) and time.monotonic() < self._deadline:
            leave_if_abandoned()
            ended = self._all_that_arrived()
            for job, tasks in [pair for pair in self._jobs if pair[0].ended.is_set()]:
                if self._arrived.empty():  # else some of its results are still to be taken
                    self._jobs.remove((job, tasks))
                    ended += self._lost_with(job, tasks)
            self._look_for_begun()
            if ended:
                handed_over = time.monotonic()
                yield ended
                if self._jobs:
                    self._jobs[-1][0].ended.wait(max(0.0, handed_over + SECONDS_TOGETHER - time.monotonic()))
            elif is_time():
                yield []
        if ended := self._all_that_arrived():  # while the last were handed over, when the time was up
            self._look_for_begun()
            yield ended

    def cancel(self) -> bool:
        """Stop the jobs that still run, and wait for their end; return whether any did."""
        running = [job for job, _ in self._jobs if not job.ended.is_set()]
        finish_despite_signals(partial(_cancel, running))  # a job that goes on would keep its slots
        return bool(running)

    def _all_that_arrived(self) -> list[Ended]:
        """Wait a moment for something to arrive, and return all that has."""
        ended: list[Ended] = []
        with suppress(Empty):
            group, outcome, place = self._arrived.get(timeout=0.05)
            while True:
                self._finished.add(group)
                ended.append((group, outcome if isinstance(outcome, Death) else cloudpickle.loads(outcome)))
                if place is not None and self._checkpoints is not None:
                    self._checkpoints.note(group.fits[-1], place)
                group, outcome, place = self._arrived.get_nowait()
        return ended

    def _lost_with(self, job: SparkJob | ConnectJob, tasks: Tasks) -> list[Ended]:
        """Return the groups that an ended job has lost with a worker, and run the rest; raise any other failure."""
        failure = job.failure()
        left = [[group for group in task if group not in self._finished] for task in tasks]
        if failure is None:
            if any(left):
                self._refuse_lost_files()
            return [(group, Death("its task has ended without a result")) for task in left for group in task]
        if isinstance(failure, NoRoomError) and self._checkpoints is not None:
            self._checkpoints.give_up(str(failure))
            self.submit([task for task in left if task])
            return []
        if not isinstance(failure, WorkerDiedError):
            raise failure
        lost = left.pop(failure.task)
        self.submit([task for task in left if task])
        return [(group, Death(str(failure))) for group in lost]


def _cancel(jobs: Sequence[SparkJob | ConnectJob]) -> None:
    for job in jobs:
        with suppress(Exception):  # of several kinds, where Spark was stopped and its jobs with it
            job.cancel()


class ArrivingResults(AccumulatorParam["list[Arrived]"]):
    """An accumulator of results; on the driver they go into a queue as each task ends, of which a worker has none."""

    def __init__(self, arrived: SimpleQueue[Arrived] | None) -> None:
        self._arrived = arrived

    def __reduce__(self) -> tuple[object, ...]:
        return (ArrivingResults, (None,))

    def zero(self, value: list[Arrived]) -> list[Arrived]:
        """Return no results."""
        return []

    def addInPlace(self, value1: list[Arrived], value2: list[Arrived]) -> list[Arrived]:  # noqa: N802, Spark's
        """Add results in a worker, or hand them over on the driver."""
        if self._arrived is None:
            value1.extend(value2)
        else:
            for result in value2:
                self._arrived.put(result)
        return value1
