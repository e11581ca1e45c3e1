"""A driver's folder on its own disk; what a killed driver left there goes with the next search."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from filelock import FileLock

PREFIX = "hpt_spark-"
ALIVE = "driver.lock"  # its driver holds it: the system lets go of it when the process ends, however that happens


@contextmanager
def scratch_folder() -> Iterator[Path]:
    """Give a folder (in TMPDIR) that is gone at the end of the ``with``; those of dead drivers go now."""
    _clear_leftovers(Path(tempfile.gettempdir()))
    folder = Path(tempfile.mkdtemp(prefix=PREFIX))
    try:
        with FileLock(folder / f"{ALIVE}.new", thread_local=False) as lock:
            os.rename(lock.lock_file, folder / ALIVE)  # nobody sees it before it is held
            yield folder
    finally:
        _delete(folder)


def _clear_leftovers(place: Path) -> None:
    for folder in place.glob(f"{PREFIX}*"):
        with suppress(OSError):  # its driver lives, it is another user's, or it is just gone
            if (folder / ALIVE).exists():  # else it is new, and its driver is about to hold it
                with FileLock(folder / ALIVE, blocking=False):
                    _delete(folder)


def _delete(folder: Path) -> None:
    """Delete a driver's folder, its lock last: by that a later search knows what a cut deletion has left."""
    for file in folder.glob("*"):
        if file.name != ALIVE:
            with suppress(OSError):
                file.unlink()
    shutil.rmtree(folder, ignore_errors=True)
