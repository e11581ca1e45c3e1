"""The process of the fits, which answers its worker's requests until that is gone; see `fit_process`."""

from __future__ import annotations

import ctypes
import os
import signal
import stat
import sys
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from multiprocessing.connection import Connection

import cloudpickle
import numpy as np

from hpt_spark.search.execution.driver_imports import DriverImports
from hpt_spark.search.execution.worker import GroupResult, forget
from hpt_spark.search.results.reasons import exception_text

SECONDS_BETWEEN_LOOKS_AT_FILE = 0.2
PR_SET_PDEATHSIG = 1
ERROR = b"error "  # no pickle begins so
BEGUN = b"begun "  # is the group whose result comes next
CHECKPOINT = b"checkpoint "  # of the group whose result comes next


def serve(
    requests: Connection, answers: Connection, other_end: Connection, parent: int, imports: DriverImports
) -> None:
    """Answer the parent's requests until it is gone; what the child does."""
    other_end.close()
    imports.take_effect()
    np.random.seed()  # all workers are forks of one daemon, and NumPy, unlike Python, goes on after a fork as before it
    end_with(parent)
    _leave_sockets_to_the_parent()
    files: Sequence[str] = ()
    while True:
        _wait_for_request(requests, files)
        try:
            work, files = cloudpickle.loads(requests.recv_bytes())
        except EOFError:
            return
        try:
            for result in work():
                if result is None:
                    answers.send_bytes(BEGUN)
                    continue
                if isinstance(result, GroupResult) and result.checkpoint is not None:
                    answers.send_bytes(CHECKPOINT + result.checkpoint)
                    result = replace(result, checkpoint=None)
                answers.send_bytes(cloudpickle.dumps(result))
        except Exception as error:  # not of a fit: the data cannot be loaded, say
            answers.send_bytes(ERROR + exception_text(error).encode(errors="backslashreplace"))


def _wait_for_request(requests: Connection, files: Sequence[str]) -> None:
    """Wait for a request, or the parent's end; what was built of data whose file is gone serves nothing any more.

    The end of a search deletes the file, and need not find this process in a task for that.
    """
    if files:
        while not requests.poll(SECONDS_BETWEEN_LOOKS_AT_FILE):
            if not os.path.exists(files[0]):
                forget()
                break
    requests.poll(None)


def end_with(parent: int) -> None:
    """Let the system end this process with its parent, which may be killed without a word."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        os._exit(1)


def _leave_sockets_to_the_parent() -> None:
    """Close the connections to Spark that a fork has copied: open here, they would outlive a dead worker."""
    for name in os.listdir("/dev/fd"):
        with suppress(OSError):
            if stat.S_ISSOCK(os.fstat(int(name)).st_mode):
                os.close(int(name))
