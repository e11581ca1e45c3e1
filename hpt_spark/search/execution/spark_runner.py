"""Groups of fits as tasks of one Spark job; with `spark_job` all of the search that knows Spark."""

from __future__ import annotations

import os
import re
import threading
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from queue import SimpleQueue
from typing import Any

from pyspark import Broadcast, SparkContext, SparkFiles, TaskContext
from pyspark.accumulators import Accumulator

from hpt_spark.errors import HptSparkError
from hpt_spark.search.dataset import NO_DATA, Dataset
from hpt_spark.search.evaluation import Evaluation
from hpt_spark.search.execution import between_tasks
from hpt_spark.search.execution.driver_imports import DriverImports
from hpt_spark.search.execution.fit_process import Death, FitProcess
from hpt_spark.search.execution.node_share import (
    PIECE_BYTES,
    SharedObject,
    path_on_this_node,
    put_in_place,
    read_in_pieces,
    share,
)
from hpt_spark.search.execution.refit import Refit
from hpt_spark.search.execution.scratch import scratch_folder
from hpt_spark.search.execution.spark_job import SparkJob
from hpt_spark.search.execution.task_stream import Arrived, ArrivingResults, Tasks, TaskStream
from hpt_spark.search.execution.worker import SharedEvaluation
from hpt_spark.search.fit_groups import FitGroup
from hpt_spark.search.planning.forecast import MemoryLimit
from hpt_spark.search.planning.memory_limit import memory_limit
from hpt_spark.search.planning.slots import cores_of_task, is_true, planned_slots, slots_of_executor, workers_are_reused
from hpt_spark.spark.interpreter import use_this_python

ATTEMPTS_AMONG_OTHERS = 2
# A task that only tidies up waits so long for the other slots to get one of their own.
SECONDS_TO_SPREAD = 0.2
SECONDS_TO_TIDY_UP = 20.0

Pieces = Sequence["list[Broadcast[_Piece]]"]  # of each part of what is shared


class SparkRunner:
    """Runs groups of fits as tasks of Spark jobs.

    Parameters
    ----------
    context : SparkContext
    """

    def __init__(self, context: SparkContext) -> None:
        use_this_python(context)
        self._context = context
        self._conf = dict(context.getConf().getAll())
        self._held = ExitStack()
        self._folder = self._held.enter_context(scratch_folder())
        self._data: tuple[Dataset, SharedObject] | None = None
        self._pieces: dict[str, list[Broadcast[_Piece]]] = {}
        self._used: set[str] = set()
        self._has_cancelled = False
        self._imports = DriverImports.of_now(self._is_local)

    @property
    def threads(self) -> int:
        """The threads of a fit: Spark gives each task ``spark.task.cpus`` cores."""
        return cores_of_task(self._conf)

    @property
    def slots(self) -> int:
        """How many tasks run at the same time, with the executors that are there now."""
        return max(1, self._context.defaultParallelism // self.threads)

    @property
    def planned_slots(self) -> int:
        """How many tasks may run at the same time when all executors have come."""
        return planned_slots(str(self._context.master), self._conf, self.slots)

    @property
    def slots_per_executor(self) -> int:
        """How many of these tasks share an executor's memory; with a local master all do."""
        return self.slots if self._is_local else slots_of_executor(str(self._context.master), self._conf) or self.slots

    @property
    def reuses_workers(self) -> bool:
        """Whether a Python worker, and what it has prepared, serves one task after another."""
        return workers_are_reused(self._conf)

    def memory_limit(self) -> MemoryLimit | None:
        """Return what an executor's Python processes may take, where that is limited."""
        return memory_limit(str(self._context.master), self._conf)

    @contextmanager
    def shared(self, evaluation: Evaluation | Refit) -> Iterator[SharedEvaluation]:
        """Write an evaluation where workers map it, for the time of a ``with``; its data stay for the next one."""
        data = evaluation.data
        if self._data is None or not self._data[0].is_made_of_the_same(data):
            if self._data is not None:
                self._take_back(self._data[1])
            self._data = data, share(data, self._folder)
        rest = share(replace(evaluation, data=NO_DATA), self._folder)
        try:
            yield SharedEvaluation(self._data[1], rest)
        finally:
            self._take_back(rest)

    @contextmanager
    def shipped(self, refit: Refit) -> Iterator[Shipped]:
        """Give what a task needs to do `refit` on any node, for the time of a ``with``."""
        with self.shared(refit) as shared:
            pieces = [self._pieces_of(part) for part in shared.parts]
            yield Shipped(self._context, self._conf, self._folder, self._is_local, shared, pieces, self._imports)

    def _take_back(self, shared: SharedObject) -> None:
        """Delete the driver's file, and give back what was sent; workers keep what they have built of it."""
        for piece in self._pieces.pop(shared.token, ()):
            piece.destroy()
        Path(shared.path).unlink(missing_ok=True)

    def arriving_bytes(self, shared: SharedEvaluation) -> int:
        """Return what an executor's workers hold for a moment while `shared` arrives.

        One of a node reads a piece after another, or with ``spark.io.encryption.enabled`` each of them.
        """
        if self._is_local:
            return 0
        readers = self.slots_per_executor if is_true(self._conf, "spark.io.encryption.enabled") else 1
        return readers * min(PIECE_BYTES, shared.data.size)

    @contextmanager
    def tasks(self, shared: SharedEvaluation, deadline: float, alone: bool = False) -> Iterator[TaskStream]:
        """Give a stream of tasks, whose jobs are stopped at the end of the ``with``.

        A task that has lost its executor twice is not tried again among others: Spark would try it
        until it gives up the whole job. With `alone`, it may.
        """
        arrived: SimpleQueue[Arrived] = SimpleQueue()
        results = self._context.accumulator([], ArrivingResults(arrived))
        pieces = [self._pieces_of(part) for part in shared.parts]

        def start(tasks: Tasks) -> SparkJob:
            job = SparkJob(self._context, tasks, _RunTask(shared, pieces, results, alone, self._imports))
            job.start()
            return job

        stream = TaskStream(start, arrived, self._is_local, deadline)
        try:
            yield stream
        finally:
            self._has_cancelled |= stream.cancel()

    def release(self) -> None:
        """Give back what was sent to the executors, and what their nodes keep of it.

        With a local master that is the driver's own file, which is gone. After a search that was
        ended early, nobody waits for slots in which fits may hang.
        """
        if self._data is not None:
            self._take_back(self._data[1])
            self._data = None
        self._held.close()
        if self._used and not self._is_local:
            files = [f"{token}*" for token in self._used]
            tidying = threading.Thread(target=self._tidy_up, args=(files,), name="hpt-spark-tidy-up", daemon=True)
            tidying.start()
            if not self._has_cancelled:
                tidying.join()
        self._used = set()

    def _tidy_up(self, files: Sequence[str]) -> None:
        with suppress(Exception):  # of several kinds, where Spark was stopped: all that is on the nodes goes with it
            if self._has_cancelled:
                self._wait_for_tasks_that_were_killed()
            job = SparkJob(self._context, range(self.slots), _TidyUp(files))
            job.start()
            job.join(SECONDS_TO_TIDY_UP)
            job.cancel()

    def _wait_for_tasks_that_were_killed(self) -> None:
        """Wait for free slots on each node: where a cancelled job's task has not let go yet, no other would tidy up."""
        scala: Any = self._context._jsc
        started = time.monotonic()
        while time.monotonic() < started + SECONDS_TO_TIDY_UP:
            if not any(info.numRunningTasks() for info in scala.sc().statusTracker().getExecutorInfos()):
                return
            time.sleep(0.1)

    @property
    def _is_local(self) -> bool:
        """Whether the workers run on this machine, in the driver's JVM."""
        return re.match(r"local(\[|$)", str(self._context.master)) is not None

    def _pieces_of(self, shared: SharedObject) -> list[Broadcast[_Piece]]:
        """Return the arrays as broadcasts, which Spark passes on from executor to executor.

        With a local master every worker maps the file that this process wrote.
        """
        self._used.add(shared.token)
        if not self._is_local and shared.token not in self._pieces:
            contents = enumerate(read_in_pieces(shared))
            self._pieces[shared.token] = [
                self._context.broadcast(_Piece(shared, number, content)) for number, content in contents
            ]
        return self._pieces.get(shared.token, [])


@dataclass(frozen=True)
class Shipped:
    """Something that tasks are to do, and what is needed to have it done.

    Parameters
    ----------
    context : SparkContext
    conf : mapping of str to str
        Spark's settings.
    folder : Path
        The driver's own, for the time of the search.
    is_local : bool
        Whether the workers run on the driver's machine.
    shared : SharedEvaluation
    pieces : sequence of list of Broadcast
    imports : DriverImports
    """

    context: SparkContext
    conf: Mapping[str, str]
    folder: Path
    is_local: bool
    shared: SharedEvaluation
    pieces: Pieces
    imports: DriverImports


class _RunTask:
    """What a task does, as a class, so that only these fields are shipped."""

    def __init__(
        self,
        shared: SharedEvaluation,
        pieces: Pieces,
        results: Accumulator[list[Arrived]],
        alone: bool,
        imports: DriverImports,
    ) -> None:
        self._shared = shared
        self._pieces = pieces
        self._results = results
        self._alone = alone
        self._imports = imports

    def __call__(self, tasks: Iterable[Sequence[FitGroup]]) -> None:
        context = TaskContext.get()
        lost_before = context is not None and context.attemptNumber() >= ATTEMPTS_AMONG_OTHERS
        for groups in tasks:
            if self._has_ended():
                return
            if lost_before and not self._alone:
                self._results.add([(group, Death("its executor was lost twice")) for group in groups])
            else:
                try:
                    files = locate(self._shared, self._pieces)
                    results = list(fit_process.run(self._shared, files, groups, self._imports))
                except HptSparkError:
                    if self._has_ended():
                        return
                    raise
                self._results.add(results)
        between_tasks.keep_it_short()

    def _has_ended(self) -> bool:
        """Return whether the driver has taken its files back: a task may begin just when its job is cancelled."""
        return not any(self._pieces) and not all(os.path.exists(part.path) for part in self._shared.parts)


def locate(shared: SharedEvaluation, pieces: Pieces) -> list[str]:
    """Return the files of both parts on this node, after fetching what is not there."""
    folder = folder_of_this_node()
    return [path_on_this_node(part, partial(_fetch, sent), folder) for part, sent in zip(shared.parts, pieces)]


def _fetch(pieces: Iterable[Broadcast[_Piece]]) -> None:
    for piece in pieces:
        piece.value  # noqa: B018, to read it is to put it in place


class _Piece:
    """A piece of a shared file, which goes into its node's file when it is unpickled there.

    With ``spark.io.encryption.enabled`` PySpark gives the value of every broadcast to every worker, asked for or
    not, and keeps it: so nothing of it may stay in memory.
    """

    def __init__(self, shared: SharedObject, number: int, content: bytes) -> None:
        self._shared = shared
        self._number = number
        self._content = content

    def __reduce__(self) -> tuple[Any, ...]:
        return (_put_in_place, (self._shared, self._number, self._content))


def _put_in_place(shared: SharedObject, number: int, content: bytes) -> None:
    put_in_place(shared, number, content, folder_of_this_node())


fit_process = FitProcess()


class _TidyUp:
    """What a task does at the end of a search: it deletes the files of its node, which its processes then forget."""

    def __init__(self, files: Sequence[str]) -> None:
        self._files = files

    def __call__(self, _: Iterable[int]) -> None:
        for pattern in self._files:
            for file in folder_of_this_node().glob(pattern):
                file.unlink(missing_ok=True)
        time.sleep(SECONDS_TO_SPREAD)


def folder_of_this_node() -> Path:
    """Return a folder that is gone when the application ends.

    The executors of a node have it in common on YARN and on a standalone cluster.
    """
    on_yarn = os.environ.get("LOCAL_DIRS", "").split(",")[0]
    standalone = os.environ.get("SPARK_EXECUTOR_DIRS", "").split(os.pathsep)[0]
    return Path(on_yarn or standalone or SparkFiles.getRootDirectory())
