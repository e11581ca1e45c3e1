"""Paths as tasks of one Spark job; with `spark_job` all of the search that knows Spark."""

from __future__ import annotations

import os
import re
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path as FilePath
from queue import Empty, SimpleQueue
from typing import Any, Union

import cloudpickle
from py4j.protocol import Py4JError
from pyspark import Broadcast, SparkContext, SparkFiles, TaskContext
from pyspark.accumulators import Accumulator, AccumulatorParam

from hpt_spark.matrix.node_share import SharedObject, path_on_this_node, read_in_pieces
from hpt_spark.search import between_tasks
from hpt_spark.search.driver_imports import DriverImports
from hpt_spark.search.fit_process import Death, FitProcess
from hpt_spark.search.forecast import MemoryLimit
from hpt_spark.search.memory_limit import memory_limit
from hpt_spark.search.paths import Path
from hpt_spark.search.spark_job import SparkJob
from hpt_spark.search.worker import PathResult
from hpt_spark.session import use_this_python

# A path, and its pickled result or how its process ended.
Ended = tuple[Path, Union[bytes, Death]]

ATTEMPTS_AMONG_OTHERS = 2
# Results that arrive within this time are handed over together: thousands of tiny fits are to be few
# files of a journal, and no result is to wait long for its place there.
SECONDS_TOGETHER = 0.25
# On a cluster a task that only tidies up waits so long for the other slots to get one of their own.
SECONDS_TO_SPREAD = 0.2
SECONDS_TO_TIDY_UP = 20.0


class SparkRunner:
    """Runs paths as tasks of Spark jobs.

    Parameters
    ----------
    context : SparkContext
    """

    def __init__(self, context: SparkContext) -> None:
        use_this_python(context)
        self._context = context
        self._pieces: list[Broadcast[bytes]] = []
        self._sent: str | None = None
        self._used: set[str] = set()
        self._has_cancelled = False
        self._imports = DriverImports.of_now(self._is_local)

    @property
    def threads(self) -> int:
        """The threads of a fit: Spark gives each task ``spark.task.cpus`` cores."""
        return int(self._context.getConf().get("spark.task.cpus", "1"))

    @property
    def slots(self) -> int:
        """How many tasks run at the same time."""
        return max(1, self._context.defaultParallelism // self.threads)

    @property
    def slots_per_executor(self) -> int:
        """How many of these tasks share an executor's memory; with a local master all do."""
        cores = self._context.getConf().get("spark.executor.cores")
        if cores is None:  # the default is one on YARN and Kubernetes, all of a worker on a standalone cluster
            on_one = str(self._context.master).startswith(("yarn", "k8s"))
            return 1 if on_one else self.slots
        return self.slots if self._is_local else max(1, int(cores) // self.threads)

    def memory_limit(self) -> MemoryLimit | None:
        """Return what an executor's Python processes may take, where that is limited."""
        return memory_limit(str(self._context.master), dict(self._context.getConf().getAll()))

    def run(
        self, shared: SharedObject, tasks: Sequence[Sequence[Path]], deadline: float, alone: bool = False
    ) -> Iterator[list[tuple[Path, PathResult | Death]]]:
        """Yield paths with their results, all that have arrived together; the tasks start in the order given.

        In place of a result stands how the path's process ended, also where a task has lost its
        worker or executor twice: Spark would try it until it gives up the whole job. With `alone`, it may.

        The job is stopped when `deadline` has passed, on the clock of `time.monotonic`.

        Raises
        ------
        WorkerDiedError
            After the results that had arrived, when a task lost its worker once too often.
        """
        arrived: SimpleQueue[Ended] = SimpleQueue()
        results = self._context.accumulator([], _Results(arrived))
        job = SparkJob(self._context, tasks, _RunTask(shared, self._pieces_of(shared), results, alone, self._imports))
        job.start()
        try:
            while (job.is_alive() or not arrived.empty()) and time.monotonic() < deadline:
                if ended := _all_of(arrived):
                    handed_over = time.monotonic()
                    yield ended
                    job.join(max(0.0, handed_over + SECONDS_TOGETHER - time.monotonic()))
            if failure := job.failure(self._is_local):
                raise failure
        finally:
            self._has_cancelled |= job.cancel()

    def release(self) -> None:
        """Give back what was sent to the executors, and what their workers keep of it."""
        if self._used:
            files = [f"{token}*" for token in self._used]
            slots = range(self.slots)
            if self._has_cancelled and not self._is_local:
                self._wait_for_tasks_that_were_killed()
            job = SparkJob(self._context, slots, _TidyUp(files, 0.0 if self._is_local else SECONDS_TO_SPREAD))
            job.start()
            job.join(SECONDS_TO_TIDY_UP)
            job.cancel()
            self._used.clear()
        self.unsend()

    def unsend(self) -> None:
        """Give back what was sent to the executors; their workers keep what they have built of it."""
        for piece in self._pieces:
            piece.destroy()
        self._pieces = []
        self._sent = None

    def _wait_for_tasks_that_were_killed(self) -> None:
        """Wait for free slots on each node: where a cancelled job's task has not let go yet, no other would tidy up."""
        scala: Any = self._context._jsc
        started = time.monotonic()
        with suppress(Py4JError):  # a JVM that does not answer has nothing to tidy up
            while time.monotonic() < started + SECONDS_TO_TIDY_UP:
                if not any(info.numRunningTasks() for info in scala.sc().statusTracker().getExecutorInfos()):
                    return
                time.sleep(0.1)

    @property
    def _is_local(self) -> bool:
        """Whether the workers run on this machine, in the driver's JVM."""
        return re.match(r"local(\[|$)", str(self._context.master)) is not None

    def _pieces_of(self, shared: SharedObject) -> list[Broadcast[bytes]]:
        """Return the arrays as broadcasts, which Spark passes on from executor to executor.

        With a local master every worker maps the file that this process wrote.
        """
        self._used.add(shared.token)
        if not self._is_local and self._sent != shared.token:
            self.unsend()
            self._pieces = [self._context.broadcast(piece) for piece in read_in_pieces(shared)]
            self._sent = shared.token
        return self._pieces


def _all_of(arrived: SimpleQueue[Ended]) -> list[tuple[Path, PathResult | Death]]:
    """Wait a moment for something to arrive, and return all that has."""
    ended: list[tuple[Path, PathResult | Death]] = []
    with suppress(Empty):
        path, outcome = arrived.get(timeout=0.05)
        while True:
            ended.append((path, outcome if isinstance(outcome, Death) else cloudpickle.loads(outcome)))
            path, outcome = arrived.get_nowait()
    return ended


class _Results(AccumulatorParam["list[Ended]"]):
    """An accumulator of results; on the driver they go into a queue as each task ends."""

    def __init__(self, arrived: SimpleQueue[Ended] | None) -> None:
        self._arrived = arrived

    def __reduce__(self) -> tuple[Any, ...]:
        return (_Results, (None,))

    def zero(self, value: list[Ended]) -> list[Ended]:
        return []

    def addInPlace(self, value1: list[Ended], value2: list[Ended]) -> list[Ended]:  # noqa: N802, Spark's
        if self._arrived is None:
            value1.extend(value2)
        else:
            for result in value2:
                self._arrived.put(result)
        return value1


class _RunTask:
    """What a task does, as a class, so that only these fields are shipped."""

    def __init__(
        self,
        shared: SharedObject,
        pieces: list[Broadcast[bytes]],
        results: Accumulator[list[Ended]],
        alone: bool,
        imports: DriverImports,
    ) -> None:
        self._shared = shared
        self._pieces = pieces
        self._results = results
        self._alone = alone
        self._imports = imports

    def __call__(self, tasks: Iterable[Sequence[Path]]) -> None:
        context = TaskContext.get()
        lost_before = context is not None and context.attemptNumber() >= ATTEMPTS_AMONG_OTHERS
        for paths in tasks:
            if lost_before and not self._alone:
                self._results.add([(path, Death("its executor was lost twice")) for path in paths])
            else:
                self._results.add(
                    list(_fit_process.run(self._shared, self._locate(self._shared), paths, self._imports))
                )
        between_tasks.keep_it_short()

    def _locate(self, shared: SharedObject) -> str:
        return path_on_this_node(shared, self._read_pieces, _folder_of_this_node())

    def _read_pieces(self) -> Iterator[bytes]:
        for piece in self._pieces:
            yield piece.value
            # PySpark keeps what it has read; this process maps the file instead.
            if hasattr(piece, "_value"):
                del piece._value


_fit_process = FitProcess()


class _TidyUp:
    """What a task does at the end of a search: its worker and its node forget the data."""

    def __init__(self, files: Sequence[str], seconds: float) -> None:
        self._files = files
        self._seconds = seconds

    def __call__(self, _: Iterable[int]) -> None:
        _fit_process.forget()
        for pattern in self._files:
            for file in _folder_of_this_node().glob(pattern):
                file.unlink(missing_ok=True)
        time.sleep(self._seconds)


def _folder_of_this_node() -> FilePath:
    """Return a folder that is gone when the application ends.

    The executors of a node have it in common on YARN and on a standalone cluster.
    """
    on_yarn = os.environ.get("LOCAL_DIRS", "").split(",")[0]
    standalone = os.environ.get("SPARK_EXECUTOR_DIRS", "").split(os.pathsep)[0]
    return FilePath(on_yarn or standalone or SparkFiles.getRootDirectory())
