"""Groups of fits as tasks of Spark jobs: the driver's side; `spark_task` has the other one."""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from functools import partial
from pathlib import Path
from queue import SimpleQueue
from typing import Any
from weakref import WeakKeyDictionary

from pyspark import Broadcast, SparkContext

from hpt_spark.errors import HptSparkError, SparkEndedError
from hpt_spark.search.dataset import NO_DATA
from hpt_spark.search.evaluation import Evaluation
from hpt_spark.search.execution import refit_job
from hpt_spark.search.execution.begun import BegunFits, FitWatcher
from hpt_spark.search.execution.checkpoints import Checkpoints
from hpt_spark.search.execution.driver_imports import DriverImports
from hpt_spark.search.execution.driver_releases import releases_of_fits
from hpt_spark.search.execution.node_share import PIECE_BYTES, SharedObject, read_in_pieces, whole_file
from hpt_spark.search.execution.occasionally import Occasionally
from hpt_spark.search.execution.refit import Refit
from hpt_spark.search.execution.runner import Runner
from hpt_spark.search.execution.spark_context import slots_of_context
from hpt_spark.search.execution.spark_job import SparkJob
from hpt_spark.search.execution.spark_task import Piece, run_task, tidy_up_node
from hpt_spark.search.execution.task_stream import Arrived, ArrivingResults, Tasks, TaskStream
from hpt_spark.search.execution.worker import SharedEvaluation
from hpt_spark.search.planning.slots import is_true
from hpt_spark.search.retries import Step
from hpt_spark.spark.interpreter import use_this_python

log = logging.getLogger(__name__)

SECONDS_TO_TIDY_UP = 20.0
SECONDS_BETWEEN_COUNTS = 2.0
SECONDS_BETWEEN_COUNTS_OF_SLOTS = 1.0  # each asks Java, which takes a millisecond or two
MOST_ENDED = 1000
# The tokens of all that the ended searches of an application have shared.
ENDED: WeakKeyDictionary[SparkContext, deque[str]] = WeakKeyDictionary()


def _nobody_asks() -> None:
    """Look for nothing."""


class SparkRunner(Runner):
    """Runs groups of fits as tasks of Spark jobs, with a SparkContext."""

    checkpoints: Checkpoints

    def __init__(self, context: SparkContext) -> None:
        use_this_python(context)
        self._context = context
        super().__init__(dict(context.getConf().getAll()))
        self.checkpoints = Checkpoints(context, self._folder)
        self._pieces: dict[str, list[Broadcast[Piece]]] = {}
        self._used: set[str] = set()
        self._gone: list[str] = []  # files of earlier evaluations' checkpoints, which may be large
        self._look: Callable[[], None] = _nobody_asks
        self._imports = DriverImports.of_now(self._is_local)
        self._is_time_to_count = Occasionally(SECONDS_BETWEEN_COUNTS_OF_SLOTS)
        self._slots = 1

    @property
    def slots(self) -> int:
        """How many tasks run at the same time, with the executors that were there a second ago or less."""
        if self._is_time_to_count():
            self._slots = slots_of_context(self._context, self._conf)
        return self._slots

    @contextmanager
    def shared(self, evaluation: Evaluation, watcher: FitWatcher | None) -> Iterator[SharedEvaluation]:
        """Write an evaluation where workers map it, for the time of a ``with``; its data stay for the next one."""
        data = self._shared_data(evaluation.data)
        rest = self._share(replace(evaluation, data=NO_DATA))
        checkpoints = whole_file(evaluation.checkpoint_file) if evaluation.checkpoint_file else None
        begun = ""
        if watcher and self._is_local:
            fits = BegunFits(self._folder / f"{rest.token}.begun", watcher.began)
            begun, self._look = fits.path, fits.tell
        elif watcher:
            self._look = partial(self._count_running, watcher, Occasionally(SECONDS_BETWEEN_COUNTS))
        kept, limit, releases = evaluation.keep_checkpoints, evaluation.max_fit_time, releases_of_fits(evaluation)
        shared = SharedEvaluation(data, rest, checkpoints, kept, begun, limit, releases)
        try:
            yield shared
        finally:
            if begun:
                Path(begun).unlink(missing_ok=True)
            self._look = _nobody_asks
            if shared.keep_checkpoints:  # their RDDs refer to the broadcasts, also when they are only fetched
                for part in shared.parts[1:]:
                    self.checkpoints.hold(self._pieces.pop(part.token, ()))
            for part in shared.parts[1:]:
                self._take_back(part)
            if checkpoints is not None:
                self._gone.append(Path(checkpoints.path).name)

    def _take_back(self, shared: SharedObject) -> None:
        """Delete the driver's file, and give back what was sent; workers keep what they have built of it."""
        for piece in self._pieces.pop(shared.token, ()):
            piece.destroy()
        super()._take_back(shared)

    def arriving_bytes(self, shared: SharedEvaluation) -> int:
        """Return what an executor's workers hold for a moment while `shared` arrives.

        One of a node reads a piece after another, or with ``spark.io.encryption.enabled`` each of them.
        """
        if self._is_local:
            return 0
        readers = self.slots_per_executor if is_true(self._conf, "spark.io.encryption.enabled") else 1
        return readers * min(PIECE_BYTES, shared.data.size)

    def _stream(self, shared: SharedEvaluation, deadline: float, step: Step, description: str) -> TaskStream:
        arrived: SimpleQueue[Arrived] = SimpleQueue()
        results = self._context.accumulator([], ArrivingResults(arrived))
        pieces = [self._pieces_of(part) for part in shared.parts]

        def start(tasks: Tasks) -> SparkJob:
            keeps = shared.keep_checkpoints and self.checkpoints.are_kept
            kept_as = (self.checkpoints.token, len(self.checkpoints.jobs)) if keeps else None
            work = partial(
                run_task,
                shared=shared,
                pieces=pieces,
                results=results,
                step=step,
                imports=self._imports,
                kept_as=kept_as,
                gone=tuple(self._gone),
            )
            job = SparkJob(self._context, tasks, work, description, keeps)
            if keeps:
                self.checkpoints.jobs.append(job)
            job.start()
            return job

        refuse = partial(refuse_lost_files, shared)
        return TaskStream(start, arrived, deadline, self.checkpoints, self._look, refuse)

    def refit(self, refit: Refit) -> Any:
        """Return the estimator of `refit`, fitted by a task of a job."""
        shared = self._share_refit(refit)
        try:
            pieces = [self._pieces_of(part) for part in shared.parts]
            train = partial(refit_job.model_in_pieces, shared=shared, pieces=pieces, imports=self._imports)
            return refit_job.refit_on_executor(self._context, refit, train, self._folder, self.result_bytes)
        finally:
            self._take_back(shared.evaluation)

    def release(self) -> None:
        """Give back all that was sent to the executors, and its files on their nodes.

        With a local master that is the driver's own file, which is gone. After a search that was
        ended early, nobody waits for slots in which fits may hang.
        """
        with self._held:  # closes the driver's folder also after Ctrl-C
            self.checkpoints.forget()
            if self._data is not None:
                self._take_back(self._data[1])
                self._data = None
        if self._used and not self._is_local:
            # Those of earlier searches, too: a node that has lost its executor just then has kept their files.
            ended = ENDED.setdefault(self._context, deque(maxlen=MOST_ENDED))
            ended.extend(self._used)
            work = partial(tidy_up_node, tokens=frozenset(ended))
            tidying = threading.Thread(target=self._tidy_up, args=(work,), name="hpt-spark-tidy-up", daemon=True)
            tidying.start()
            if not self._has_cancelled:
                tidying.join()
        self._used = set()

    def _tidy_up(self, work: Callable[[Iterable[int]], Iterator[None]]) -> None:
        with suppress(Exception):  # of several kinds, where Spark was stopped: all that is on the nodes goes with it
            if self._has_cancelled:
                self._wait_for_tasks_that_were_killed()
            job = SparkJob(self._context, range(self.slots), work, "sweep: tidying up")
            job.start()
            job.ended.wait(SECONDS_TO_TIDY_UP)
            failure = None if job.cancel() else job.failure()
            if failure is not None and not isinstance(failure, SparkEndedError):
                log.warning(
                    "files of the search stay on the nodes until the next search or the end of Spark: %s", failure
                )

    def _wait_for_tasks_that_were_killed(self) -> None:
        """Wait for free slots on each node: where a cancelled job's task has not let go yet, no other would tidy up."""
        started = time.monotonic()
        while time.monotonic() < started + SECONDS_TO_TIDY_UP:
            if not self._running_tasks():
                return
            time.sleep(0.1)

    def _count_running(self, watcher: FitWatcher, is_time: Occasionally) -> None:
        if is_time():
            watcher.counted(self._running_tasks())

    def _running_tasks(self) -> int:
        """Return how many tasks of the application run now."""
        scala: Any = self._context._jsc
        return sum(info.numRunningTasks() for info in scala.sc().statusTracker().getExecutorInfos())

    def _pieces_of(self, shared: SharedObject) -> list[Broadcast[Piece]]:
        """Return the arrays as broadcasts, which Spark passes on from executor to executor.

        With a local master every worker maps the file that this process wrote.
        """
        self._used.add(shared.token)
        if not self._is_local and shared.token not in self._pieces:
            contents = enumerate(read_in_pieces(shared))
            self._pieces[shared.token] = [
                self._context.broadcast(Piece(shared, number, content)) for number, content in contents
            ]
        return self._pieces.get(shared.token, [])


def refuse_lost_files(shared: SharedEvaluation) -> None:
    """Raise HptSparkError where a file of the driver is gone before the driver has taken it back."""
    if gone := shared.missing_files:
        raise HptSparkError(
            f"the data of the search were deleted while it ran ({gone[0]}): something clears that folder, as tmpwatch "
            "and systemd-tmpfiles do. Let TMPDIR name another one; with a journal, the same search goes on from its "
            "fits."
        )
