"""A folder of downloads belongs to one process at a time."""

from __future__ import annotations

import fcntl
import logging
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

LOCK = ".lock"

_SECONDS_BETWEEN_LOOKS = 0.2

_log = logging.getLogger(__name__)


@contextmanager
def claimed(folder: Path) -> Iterator[None]:
    """Hold `folder`; while another process holds it, wait: what that one brings need not be fetched again.

    The system drops the claim with the process, however it ends.
    """
    handle = os.open(folder / LOCK, os.O_RDWR | os.O_CREAT, 0o666)
    try:
        waiting = False
        while not _locked(handle):
            if not waiting:
                _log.info("another process is downloading into %s: waiting for it", folder)
            waiting = True
            time.sleep(_SECONDS_BETWEEN_LOOKS)
        yield
    finally:
        os.close(handle)


def _locked(handle: int) -> bool:
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:
        return True  # some network file systems have no locks; there a user must not start two runs
    return True
