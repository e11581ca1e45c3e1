"""The process in which a Python worker's fits run, so that a fit can kill nothing but itself.

A fit that runs out of memory or into a fault of native code ends its process. If that were Spark's
Python worker, Spark would count a failed task, and a local master would give up the whole job.
Here the worker only sees that its child is gone, knows by which signal, and starts another one.

The child lives as long as the worker: it keeps the mapped data and a fold's matrices between tasks.
Only for a search of a driver whose imports have changed it is started anew, because it would know
modules as they were.
"""

from __future__ import annotations

import math
import multiprocessing
import os
import signal
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import cloudpickle

from hpt_spark.errors import HptSparkError
from hpt_spark.search.execution.driver_imports import DriverImports
from hpt_spark.search.execution.fit_child import CHECKPOINT, ERROR, serve
from hpt_spark.search.execution.worker import SharedEvaluation, run_groups
from hpt_spark.search.fit_groups import FitGroup
from hpt_spark.search.retries import Ending

# Faults of native code: no other fit on the node has a part in them, as it may have in a lack of memory.
OWN_FAULTS = (signal.SIGSEGV, signal.SIGBUS, signal.SIGABRT, signal.SIGILL, signal.SIGFPE)
SECONDS_BETWEEN_LOOKS = 1.0
SECONDS_BETWEEN_LOOKS_AT_END = 0.01
SECONDS_TO_END = 10.0  # for a process whose pipe has ended
JEMALLOC = "jemalloc_bg_thd"
OUT_OF_MEMORY = "Out of memory is the usual cause: on YARN raise spark.executor.memoryOverhead."
NATIVE_FAULT = "That is a fault of native code: look into the estimator's libraries."
OWN_EXIT = "Its own code or a library did that: sys.exit, os._exit, an exit in C, KeyboardInterrupt, closed files."
LOST_TWICE = "its executor was lost twice"  # which ends no process, but the tries


@dataclass(frozen=True)
class Death:
    """How a process ended in which a group of fits was running."""

    reason: str
    ending: Ending = Ending.KILLED  # whether other fits on the node may have a part in it
    advice: str = OUT_OF_MEMORY  # what to do where it died again


class FitProcess:
    """A child of this process that runs groups of fits; it is started by the first one, and again after a death."""

    def __init__(self) -> None:
        self._process: Any = None
        self._to_child: Connection
        self._from_child: Connection
        self._suited_to: tuple[DriverImports, list[str]] | None = None

    def run(
        self, shared: SharedEvaluation, files: Sequence[str], groups: Sequence[FitGroup], imports: DriverImports
    ) -> Iterator[tuple[FitGroup, bytes | Death, bytes | None]]:
        """Yield each group with its pickled result, or with how it killed the process, and with its checkpoint.

        Parameters
        ----------
        shared : SharedEvaluation
        files : sequence of str
            The files of its parts on this node.
        groups : sequence of FitGroup
        imports : DriverImports
            What the driver's modules are when the search begins.
        """
        self._suit(imports)
        left = list(groups)
        try:
            while left:
                self._ask(partial(run_groups, shared, files, list(left)), files)
                while left:
                    answer, checkpoint = self._answer_of_group(shared.max_fit_time)
                    yield left.pop(0), answer, checkpoint
                    if isinstance(answer, Death):
                        break
        finally:
            if left:
                self._end()  # its answers are waited for no longer

    def call(self, work: Callable[[], Iterator[Any]], files: Sequence[str], imports: DriverImports) -> bytes | Death:
        """Let the child do `work`, which reads `files`, and return the pickled value that it yields.

        Where it killed the process, return how.
        """
        self._suit(imports)
        is_answered = False
        try:
            self._ask(work, files)
            answer = self._answer()
            is_answered = True
            return answer
        finally:
            if not is_answered:
                self._end()

    def _suit(self, imports: DriverImports) -> None:
        """Let the child import what the driver does; Spark changes this worker's own path, too (``addPyFile``)."""
        if (imports, sys.path) != self._suited_to:
            self._end()
            self._suited_to = (imports, list(sys.path))

    def _ask(self, work: Callable[[], Iterator[Any]], files: Sequence[str]) -> None:
        if self._process is None or not self._process.is_alive():
            self._start()
        with suppress(BrokenPipeError):  # the answer is its death
            self._to_child.send_bytes(cloudpickle.dumps((work, files)))

    def _answer_of_group(self, limit: float | None) -> tuple[bytes | Death, bytes | None]:
        """Wait for the result of the next group, for so many seconds at most, and return it and its checkpoint."""
        checkpoint, answer = None, self._answer()
        if limit is not None and isinstance(answer, bytes):  # which said that the group has begun
            answer = self._answer(limit)
        if isinstance(answer, bytes) and answer.startswith(CHECKPOINT):
            checkpoint, answer = answer[len(CHECKPOINT) :], self._answer()
        return answer, None if isinstance(answer, Death) else checkpoint

    def _answer(self, limit: float | None = None) -> bytes | Death:
        """Wait for the child's next answer or its end; end it after so many seconds."""
        looked = time.monotonic()
        until = math.inf if limit is None else looked + limit
        with suppress(EOFError, OSError):  # OSError: in the middle of an answer
            # Its end shows as the end of the pipe, unless a process that the fit started holds that open.
            while not self._from_child.poll(max(0.0, min(SECONDS_BETWEEN_LOOKS, until - looked))):
                if not self._process.is_alive() and not self._from_child.poll():
                    raise EOFError
                looked, before = time.monotonic(), looked
                # This process has not run itself (docker pause), and the fit's time stood still as well.
                until += max(0.0, looked - before - SECONDS_BETWEEN_LOOKS)
                if looked >= until:
                    self._end()
                    return Death(f"it took longer than max_fit_time={limit:g} seconds", Ending.TIMEOUT)
            answer = self._from_child.recv_bytes()
            if answer.startswith(ERROR):
                raise HptSparkError(answer[len(ERROR) :].decode())
            return answer
        if not self._ends_by_itself():
            self._end()
            return Death("its process had closed the pipe by which it answers, and was ended", Ending.FAULT, OWN_EXIT)
        return _death(self._gone())

    def _ends_by_itself(self) -> bool:
        """Wait a moment for the child, whose pipe has ended; return whether it has ended, too."""
        until = time.monotonic() + SECONDS_TO_END
        while self._process.is_alive():  # to join it waits without a limit where a fit has closed all files
            if time.monotonic() >= until:
                return False
            time.sleep(SECONDS_BETWEEN_LOOKS_AT_END)
        return True

    def _end(self) -> None:
        """End the child, if there is one."""
        if self._process is not None:
            self._process.kill()
            self._gone()

    def _gone(self) -> int:
        """Wait until the child has ended, and return its exit code."""
        process, self._process = self._process, None
        process.join()
        self._to_child.close()
        self._from_child.close()
        return int(process.exitcode)

    def _start(self) -> None:
        # A fork saves a second or two of imports, but native threads (OpenMP), for which a library would wait for ever,
        # do not survive one, and a module that the driver has loaded anew since must not be shared.
        assert self._suited_to is not None  # `_suit` has been called
        imports, _ = self._suited_to
        may_fork = _is_single_threaded() and not imports.are_stale_here()
        start: Any = multiprocessing.get_context("fork" if may_fork else "spawn")
        requests, self._to_child = start.Pipe(duplex=False)
        self._from_child, answers = start.Pipe(duplex=False)
        ends = (requests, answers, self._to_child)
        self._process = start.Process(target=serve, args=(*ends, os.getpid(), imports))
        self._process.start()
        requests.close()
        answers.close()


def _is_single_threaded() -> bool:
    """Return whether a fork has all that this process has; jemalloc, of pyarrow, starts its thread anew there."""
    try:
        names = [Path(f"/proc/self/task/{thread}/comm").read_text() for thread in os.listdir("/proc/self/task")]
    except OSError:
        return False  # not known: as if there were some
    return len([name for name in names if name.strip() != JEMALLOC]) == 1


def _death(exit_code: int) -> Death:
    if exit_code >= 0:
        return Death(f"its process ended with exit code {exit_code}", Ending.FAULT, OWN_EXIT)
    try:
        name = signal.Signals(-exit_code).name
    except ValueError:
        return Death(f"its process was ended by signal {-exit_code}")
    return Death(
        f"its process was ended by {name}",
        Ending.FAULT if -exit_code in OWN_FAULTS else Ending.KILLED,
        OUT_OF_MEMORY if -exit_code == signal.SIGKILL else NATIVE_FAULT,
    )
