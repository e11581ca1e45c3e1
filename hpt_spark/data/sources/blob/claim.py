"""A folder of downloads belongs to one process at a time."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from filelock import lock_descriptor

LOCK = ".lock"

_SECONDS_BETWEEN_LOOKS = 0.2

_log = logging.getLogger(__name__)


@contextmanager
def claimed(folder: Path) -> Iterator[None]:
    """Hold `folder`; while another process holds it, wait: its downloads need not be fetched again.

    The system drops the claim with the process, however it ends.
    """
    handle = os.open(folder / LOCK, os.O_RDWR | os.O_CREAT, 0o666)
    try:
        with suppress(OSError):  # some network file systems have no locks; there a user must not start two runs
            if not lock_descriptor(handle, blocking=False):
                _log.info("another process is downloading into %s: waiting for it", folder)
                lock_descriptor(handle, poll_interval=_SECONDS_BETWEEN_LOOKS)
        yield
    finally:
        os.close(handle)
