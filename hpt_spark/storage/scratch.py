"""A process's folder on its own disk; what a killed process left there goes with the next one."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from filelock import lock_descriptor

PREFIX = "hpt_spark-"
ALIVE = "driver.lock"  # its process holds it: the system lets go of it when the process ends, however that happens


@contextmanager
def scratch_folder() -> Iterator[Path]:
    """Give a folder (in TMPDIR) that is gone at the end of the ``with``; those of dead processes go now."""
    folder, held = new_scratch_folder()
    try:
        yield folder
    finally:
        delete_scratch_folder(folder)
        os.close(held)


def new_scratch_folder() -> tuple[Path, int]:
    """Make a folder in TMPDIR, and delete those of dead processes.

    Returns
    -------
    Path
    int
        An open file: the folder is in use as long as this process, or one that has inherited the file, has it open.
    """
    _clear_leftovers(Path(tempfile.gettempdir()))
    folder = Path(tempfile.mkdtemp(prefix=PREFIX))
    new = folder / f"{ALIVE}.new"
    held = os.open(new, os.O_RDWR | os.O_CREAT, 0o600)
    with suppress(OSError):  # on a file system without locks the folder stays "new", which nobody else deletes
        lock_descriptor(held)
        os.rename(new, folder / ALIVE)  # nobody sees it before it is held
    return folder, held


def delete_scratch_folder(folder: Path) -> None:
    """Delete a folder, its lock last: by that a later process knows what a cut deletion has left."""
    for path in folder.glob("*"):
        if path.is_dir():
            shutil.rmtree(path, ignore_errors=True)
        elif path.name != ALIVE:
            with suppress(OSError):
                path.unlink()
    shutil.rmtree(folder, ignore_errors=True)


def _clear_leftovers(place: Path) -> None:
    for folder in place.glob(f"{PREFIX}*"):
        with suppress(OSError):  # it is just gone, or it has no lock yet, because its process is about to hold it
            # In a TMPDIR that users share, another one could put a link to a folder of this one in place of their own.
            if folder.lstat().st_uid != os.getuid():
                continue
            lock = os.open(folder / ALIVE, os.O_RDWR)
            try:
                if lock_descriptor(lock, blocking=False):
                    delete_scratch_folder(folder)
            finally:
                os.close(lock)
