"""The search on the driver: from an evaluation to the result of each of its fits."""

from __future__ import annotations

import logging
import math
import shutil
import tempfile
import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path as FilePath
from typing import Any

from hpt_spark.matrix.node_share import SharedObject, share
from hpt_spark.progress import Progress
from hpt_spark.search.costs import seconds_left, start_order
from hpt_spark.search.evaluation import Evaluation, Fit
from hpt_spark.search.failures import killed_worker
from hpt_spark.search.forecast import forecast
from hpt_spark.search.paths import Path, paths_of
from hpt_spark.search.spark_runner import SparkRunner, WorkerDiedError
from hpt_spark.search.worker import PathResult

log = logging.getLogger(__name__)

# A task costs Spark some 10 ms; where there are more paths than this per slot, tasks get several.
TASKS_PER_SLOT = 64


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
        """Yield the fits of each path with their results, as the paths end.

        A result is scikit-learn's, or the exception of a fit where ``error_score="raise"``.
        """
        paths = paths_of(self._evaluation, fits)
        slots = self._runner.slots
        ordered = [paths[at] for at in start_order(paths, slots)]
        folder = FilePath(tempfile.mkdtemp(prefix="hpt_spark-"))
        left = {path.fits: path.cost for path in ordered}
        cost_done = seconds_done = 0.0
        try:
            shared = share(self._evaluation, folder)
            self._say_what_it_takes(ordered, shared)
            with Progress("tune", len(fits), "fits") as progress:
                for path, result in self._results(shared, ordered):
                    if result.checkpoint is not None:
                        self._keep(path, result.checkpoint)
                    yield result.results
                    cost_done += left.pop(path.fits, 0.0)
                    seconds_done += result.seconds
                    progress.advance(
                        len(path.fits), left=seconds_left(cost_done, seconds_done, list(left.values()), slots)
                    )
        finally:
            self._runner.release()
            shutil.rmtree(folder, ignore_errors=True)

    def _say_what_it_takes(self, paths: Sequence[Path], shared: SharedObject) -> None:
        runner = self._runner
        needed = forecast(self._evaluation, paths, shared.size, runner.slots, runner.slots_per_executor)
        log.info("%s", needed.describe())
        too_much = needed.warning(runner.memory_limit())
        if too_much:
            warnings.warn(too_much, UserWarning, stacklevel=2)

    def _results(self, shared: SharedObject, paths: Sequence[Path]) -> Iterator[tuple[Path, PathResult]]:
        """Yield each path and its result; one that takes its worker down is tried again alone, after all others."""
        tasks = _in_tasks(paths, self._runner.slots * TASKS_PER_SLOT)
        suspects: list[Path] = []
        while tasks:
            finished: set[tuple[Fit, ...]] = set()
            try:
                for path, result in self._runner.run(shared, tasks, self._deadline):
                    finished.add(path.fits)
                    if result is None:
                        suspects.append(path)
                    else:
                        yield path, self._counted(result)
                tasks = []
            except WorkerDiedError as death:
                suspects += [path for path in tasks[death.task] if path.fits not in finished]
                tasks = [
                    [path for path in task if path.fits not in finished]
                    for number, task in enumerate(tasks)
                    if number != death.task
                ]
                tasks = [task for task in tasks if task]
            if time.monotonic() >= self._deadline:
                return
        for path in suspects:
            yield from self._alone(shared, path)

    def _alone(self, shared: SharedObject, path: Path) -> Iterator[tuple[Path, PathResult]]:
        """Run one path while nothing else runs; if it still kills its worker, its fits one by one."""
        log.warning("a Python worker died in fit %s; it is tried again alone", path.fits[-1])
        try:
            for _, result in self._runner.run(shared, [[path]], self._deadline, alone=True):
                if result is not None:
                    yield path, self._counted(result)
        except WorkerDiedError as death:
            if len(path.fits) > 1:
                for one in path.one_by_one():
                    yield from self._alone(shared, one)
            else:
                outcome = killed_worker(self._evaluation, path.fits[0], death.reason)
                yield path, PathResult([(path.fits[0], outcome)], 0.0, "", 0, 0)

    def _counted(self, result: PathResult) -> PathResult:
        self.trainings += 1
        self.cuts += result.cuts
        self.matrices += result.matrices
        return result


def _in_tasks(paths: Sequence[Path], most: int) -> list[list[Path]]:
    """Return `paths` in at most `most` tasks of neighbours, in the same order."""
    size = max(1, math.ceil(len(paths) / max(1, most)))
    return [list(paths[at : at + size]) for at in range(0, len(paths), size)]
