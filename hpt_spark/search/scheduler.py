"""The search on the driver: from an evaluation to the result of each of its fits."""

from __future__ import annotations

import logging
import math
import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from hpt_spark.progress import Progress
from hpt_spark.search.evaluation import Evaluation, Fit
from hpt_spark.search.execution.fit_process import Death
from hpt_spark.search.execution.node_share import SharedObject, share
from hpt_spark.search.execution.scratch import scratch_folder
from hpt_spark.search.execution.spark_job import WorkerDiedError
from hpt_spark.search.execution.spark_runner import SparkRunner
from hpt_spark.search.execution.worker import PathResult
from hpt_spark.search.failures import killed_worker
from hpt_spark.search.fit_groups import Path, paths_of
from hpt_spark.search.planning.cost import seconds_left, start_order
from hpt_spark.search.planning.forecast import forecast

log = logging.getLogger(__name__)

# A task costs Spark some 10 ms; where there are more paths than this per slot, tasks get several.
TASKS_PER_SLOT = 64
# Where each task starts a Python worker anew, it pays for the imports and for its fold's rows and matrices, too.
TASKS_PER_SLOT_WITHOUT_REUSE = 4
NO_REUSE = (
    "spark.python.worker.reuse=false: each task starts Python anew, which takes seconds, and prepares its fold's data "
    "again. The search makes few tasks of its fits; it is faster with spark.python.worker.reuse=true."
)

Result = tuple[Path, PathResult]


class Engine:
    """Runs the fits of one evaluation on Spark.

    Parameters
    ----------
    runner : SparkRunner
    evaluation : Evaluation
    deadline : float
        When to stop, on the clock of `time.monotonic`; infinity for never.
    keep : callable
        Is given each path that a later evaluation can go on with, and its checkpoint.

    Attributes
    ----------
    trainings, cuts, matrices : int
        How many trainings have run, how often a fold was cut for them, and how many training
        matrices were built.
    """

    def __init__(
        self,
        runner: SparkRunner,
        evaluation: Evaluation,
        deadline: float = math.inf,
        keep: Callable[[Path, bytes], None] = lambda path, checkpoint: None,
    ) -> None:
        self._runner = runner
        self._evaluation = evaluation
        self._deadline = deadline
        self._keep = keep
        self.trainings = self.cuts = self.matrices = 0

    def run(self, fits: Sequence[Fit]) -> Iterator[list[tuple[Fit, Any]]]:
        """Yield fits with their results, as their paths end; those of paths that ended together at once.

        A result is scikit-learn's, or the exception of a fit where ``error_score="raise"``.
        """
        paths = paths_of(self._evaluation, fits)
        ordered = [paths[at] for at in start_order(paths, self._runner.planned_slots)]
        left = {path.fits: path.cost for path in ordered}
        cost_done = seconds_done = 0.0
        with scratch_folder() as folder:
            try:
                shared = share(self._evaluation, folder)
                self._say_what_it_takes(ordered, shared)
                with Progress("tune", len(fits), "fits") as progress:
                    for ended in self._results(shared, ordered):
                        for path, result in ended:
                            if result.checkpoint is not None:
                                self._keep(path, result.checkpoint)
                            left.pop(path.fits, None)
                            cost_done += path.cost
                            seconds_done += result.seconds
                        yield [pair for _, result in ended for pair in result.results]
                        estimate = seconds_left(cost_done, seconds_done, list(left.values()), self._runner.slots)
                        progress.advance(sum(len(path.fits) for path, _ in ended), left=estimate)
            finally:
                self._runner.unsend()

    def _say_what_it_takes(self, paths: Sequence[Path], shared: SharedObject) -> None:
        runner = self._runner
        needed = forecast(
            self._evaluation,
            paths,
            shared.size,
            runner.slots,
            runner.slots_per_executor,
            planned_slots=runner.planned_slots,
            arriving_bytes=runner.arriving_bytes(shared),
        )
        log.info("%s", needed.describe())
        too_much = needed.warning(runner.memory_limit())
        if too_much:
            warnings.warn(too_much, UserWarning, stacklevel=2)
        if not runner.reuses_workers:
            warnings.warn(NO_REUSE, UserWarning, stacklevel=2)

    def _results(self, shared: SharedObject, paths: Sequence[Path]) -> Iterator[list[Result]]:
        """Yield each path and its result; one that killed its process is tried again when all others are done.

        Where other fits may have had a part in it, as with a lack of memory, it is tried alone.
        """
        dead: list[tuple[Path, Death]] = []
        yield from self._among_others(shared, paths, dead)
        own_faults = [one for path, death in dead if death.own_fault for one in path.one_by_one()]
        dead = [(path, death) for path, death in dead if not death.own_fault]
        dead_again: list[tuple[Path, Death]] = []
        yield from self._among_others(shared, own_faults, dead_again)
        for path, death in dead_again:
            if death.own_fault:
                yield self._given_up(path, death)
        dead += [(path, death) for path, death in dead_again if not death.own_fault]
        for path, death in dead:
            log.warning("fit %s: %s; it is tried again alone", path.fits[-1], death.reason)
            yield from self._alone(shared, path)

    def _among_others(
        self, shared: SharedObject, paths: Sequence[Path], dead: list[tuple[Path, Death]]
    ) -> Iterator[list[Result]]:
        """Yield the results of `paths`; those that died are added to `dead`.

        A local master gives up the whole job when one of its Python workers is gone: another job
        then runs what is missing.
        """
        per_slot = TASKS_PER_SLOT if self._runner.reuses_workers else TASKS_PER_SLOT_WITHOUT_REUSE
        tasks = in_tasks(paths, self._runner.planned_slots * per_slot)
        while tasks and time.monotonic() < self._deadline:
            finished: set[tuple[Fit, ...]] = set()
            try:
                for ended in self._runner.run(shared, tasks, self._deadline):
                    finished |= {path.fits for path, _ in ended}
                    dead += [(path, outcome) for path, outcome in ended if isinstance(outcome, Death)]
                    if results := [(path, outcome) for path, outcome in ended if isinstance(outcome, PathResult)]:
                        yield self._counted(results)
                return
            except WorkerDiedError as death:
                lost = [path for path in tasks[death.task] if path.fits not in finished]
                dead += [(path, Death(death.reason)) for path in lost]
                del tasks[death.task]
            tasks = [[path for path in task if path.fits not in finished] for task in tasks]
            tasks = [task for task in tasks if task]

    def _alone(self, shared: SharedObject, path: Path) -> Iterator[list[Result]]:
        """Run one path while nothing else runs; if it still kills its process, its fits one by one."""
        ended: list[tuple[Path, PathResult | Death]] = []
        try:
            for some in self._runner.run(shared, [[path]], self._deadline, alone=True):
                ended += some
        except WorkerDiedError as error:
            ended = ended or [(path, Death(error.reason))]
        for _, outcome in ended:
            if isinstance(outcome, PathResult):
                yield self._counted([(path, outcome)])
            elif len(path.fits) > 1:
                for one in path.one_by_one():
                    yield from self._alone(shared, one)
            else:
                yield self._given_up(path, outcome)

    def _given_up(self, path: Path, death: Death) -> list[Result]:
        """Return the results of a path of one fit that has killed its process twice."""
        outcome = killed_worker(self._evaluation, path.fits[0], death.reason)
        return [(path, PathResult([(path.fits[0], outcome)], 0.0, "", 0, 0))]

    def _counted(self, results: list[Result]) -> list[Result]:
        for _, result in results:
            self.trainings += 1
            self.cuts += result.cuts
            self.matrices += result.matrices
        return results


def in_tasks(paths: Sequence[Path], most: int) -> list[list[Path]]:
    """Return `paths` in at most `most` tasks of neighbours, in the same order.

    Where a task gets several, tasks cost about the same: the longest trainings come first, and together they would
    be the last to end.
    """
    if len(paths) <= most:
        return [[path] for path in paths]
    share = sum(path.cost for path in paths) / max(1, most)
    tasks: list[list[Path]] = [[]]
    cost = 0.0
    for path in paths:
        if tasks[-1] and cost + path.cost / 2 > share * len(tasks) and len(tasks) < most:
            tasks.append([])
        tasks[-1].append(path)
        cost += path.cost
    return tasks
