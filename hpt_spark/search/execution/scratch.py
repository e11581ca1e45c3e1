"""A driver's folder on its own disk; what a killed driver left there goes with the next search."""

from __future__ import annotations

import fcntl
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

PREFIX = "hpt_spark-"
ALIVE = "driver.lock"  # its driver holds it: the system lets go of it when the process ends, however that happens


@contextmanager
def scratch_folder() -> Iterator[Path]:
    """Give a folder (in TMPDIR) that is gone at the end of the ``with``; those of dead drivers go now."""
    _clear_leftovers(Path(tempfile.gettempdir()))
    folder = Path(tempfile.mkdtemp(prefix=PREFIX))
    try:
        with open(folder / f"{ALIVE}.new", "w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            os.rename(lock.name, folder / ALIVE)  # nobody sees it before it is held
            yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _clear_leftovers(place: Path) -> None:
    for folder in place.glob(f"{PREFIX}*"):
        with suppress(OSError), open(folder / ALIVE) as lock:  # another user's, or just gone
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            shutil.rmtree(folder, ignore_errors=True)
