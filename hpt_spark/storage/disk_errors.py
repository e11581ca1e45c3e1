"""Errors of the disk as messages for a person."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from hpt_spark.errors import InputError

_NOT_WRITABLE = (  # FileNotFoundError in /proc
    *(PermissionError, FileExistsError, FileNotFoundError),
    *(IsADirectoryError, NotADirectoryError),
)
DISK_FULL = (errno.ENOSPC, errno.EDQUOT)


@contextmanager
def translate_permission_errors(target: Path) -> Iterator[None]:
    """Raise InputError with a remedy when `target` may not be written."""
    try:
        yield
    except OSError as error:
        if not isinstance(error, _NOT_WRITABLE) and error.errno != errno.ELOOP:
            raise
        raise InputError(_cannot_write(target, error)) from error


@contextmanager
def translate_read_errors(target: Path) -> Iterator[None]:
    """Raise InputError with a remedy when `target`, a file or a folder, exists and cannot be read."""
    try:
        yield
    except OSError as error:
        found = Path(os.fsdecode(error.filename)) if isinstance(error.filename, (str, bytes)) else None
        if found is None or not found.is_relative_to(target):
            raise  # of other files, used within the ``with``
        remedy = _remedy_of_reading(found, error)
        if remedy is None:
            raise  # of the machine, not of the file
        reason = error.strerror or str(error)
        raise InputError(f"cannot read {found} ({reason}): {remedy}") from error


@contextmanager
def translate_disk_errors(target: Path, machine: str = "") -> Iterator[None]:
    """Raise InputError with a remedy when the disk of `target`, perhaps on another `machine`, takes no more."""
    place = f"{target} on {machine}" if machine else str(target)
    try:
        yield
    except OSError as error:
        if error.errno in DISK_FULL:
            message = f"the disk is full while writing {place}: free some space or choose a folder on another disk"
            raise InputError(message) from error
        if error.errno == errno.EFBIG:
            message = f"cannot write {place} ({error.strerror}): raise the limit of this process (ulimit -f)"
            raise InputError(f"{message}, or choose a folder on a disk that holds such files") from error
        if error.errno in (errno.EROFS, errno.EBUSY, errno.ENAMETOOLONG):
            raise InputError(_cannot_write(place, error)) from error
        raise


def _remedy_of_reading(path: Path, error: OSError) -> str | None:
    """Return the remedy for an unreadable `path`; None when the path is not to blame."""
    if isinstance(error, PermissionError):
        return "let this user read it"
    if isinstance(error, IsADirectoryError):
        return "it is a folder where a file is needed: move it away, and restore the file"
    if isinstance(error, NotADirectoryError):
        return "a part of its path is a file where a folder is needed: move that away, and restore the folder"
    if error.errno == errno.ELOOP:
        return "it is a link that leads back to itself: remove the link, and restore what it stood for"
    if isinstance(error, FileNotFoundError) and path.is_symlink():
        return f"it is a link to {os.readlink(path)}, where nothing is: restore that, or remove the link"
    return None


def _cannot_write(place: str | Path, error: OSError) -> str:
    reason = error.strerror or str(error)
    return f"cannot write {place} ({reason}): choose a folder in which you may create files"
