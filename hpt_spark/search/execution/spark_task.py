"""What the tasks of a search's Spark jobs do in Spark's Python workers."""

from __future__ import annotations

import os
import time
from collections.abc import Iterable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from pyspark import Broadcast, SparkFiles, TaskContext
from pyspark.accumulators import Accumulator

from hpt_spark.errors import HptSparkError
from hpt_spark.search.execution import between_tasks
from hpt_spark.search.execution.driver_imports import DriverImports
from hpt_spark.search.execution.fit_process import Death, FitProcess
from hpt_spark.search.execution.node_share import SharedObject, path_on_this_node, put_in_place
from hpt_spark.search.execution.task_stream import Arrived
from hpt_spark.search.execution.worker import SharedEvaluation
from hpt_spark.search.fit_groups import FitGroup

ATTEMPTS_AMONG_OTHERS = 2
# A task that only tidies up waits so long for the other slots to get one of their own.
SECONDS_TO_SPREAD = 0.2


class RunTask:
    """What a task does, as a class, so that only these fields are shipped."""

    def __init__(
        self,
        shared: SharedEvaluation,
        pieces: Sequence[list[Broadcast[Piece]]],
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
        """Run the groups of each task of a partition, of which there is one."""
        context = TaskContext.get()
        lost_before = context is not None and context.attemptNumber() >= ATTEMPTS_AMONG_OTHERS
        for groups in tasks:
            if self._has_ended():
                return
            if lost_before and not self._alone:
                self._results.add([(group, Death("its executor was lost twice")) for group in groups])
            else:
                try:
                    results = list(_fit_process.run(self._shared, self._locate(), groups, self._imports))
                except HptSparkError:
                    if self._has_ended():
                        return
                    raise
                self._results.add(results)
        between_tasks.keep_it_short()

    def _has_ended(self) -> bool:
        """Return whether the driver has taken its files back: a task may begin just when its job is cancelled."""
        return not any(self._pieces) and not all(os.path.exists(part.path) for part in self._shared.parts)

    def _locate(self) -> list[str]:
        """Return the files of both parts on this node, after fetching what is not there."""
        folder = folder_of_this_node()
        return [
            path_on_this_node(part, partial(_fetch, pieces), folder)
            for part, pieces in zip(self._shared.parts, self._pieces)
        ]


def _fetch(pieces: Iterable[Broadcast[Piece]]) -> None:
    for piece in pieces:
        piece.value  # noqa: B018, to read it is to put it in place


class Piece:
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


_fit_process = FitProcess()


class TidyUp:
    """What a task does at the end of a search: it deletes the files of its node, which its processes then forget."""

    def __init__(self, files: Sequence[str]) -> None:
        self._files = files

    def __call__(self, _: Iterable[int]) -> None:
        """Delete them."""
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
