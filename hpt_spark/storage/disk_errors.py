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
_DISK_FULL = (errno.ENOSPC, errno.EDQUOT)


@contextmanager
def translate_permission_errors(target: Path) -> Iterator[None]:
    """Say what to do where `target` may not be written."""
    try:
        yield
    except OSError as error:
        if not isinstance(error, _NOT_WRITABLE) and error.errno != errno.ELOOP:
            raise
        raise InputError(_cannot_write(target, error)) from error


@contextmanager
def translate_read_errors(target: Path) -> Iterator[None]:
    """Say what to do where `target`, a file or a folder with files, cannot be read though something is there."""
    try:
        yield
    except OSError as error:
        found = Path(os.fsdecode(error.filename)) if isinstance(error.filename, (str, bytes)) else None
        if found is None or not found.is_relative_to(target) or error.errno in _DISK_FULL:
            raise  # of what is done meanwhile
        if error.errno == errno.ENOENT and not os.path.lexists(found):
            raise
        reason = error.strerror or str(error)
        raise InputError(f"cannot read {found} ({reason}): restore it, or move away what is there") from error


@contextmanager
def translate_disk_errors(target: Path) -> Iterator[None]:
    """Say what to do where the disk of `target` takes no more."""
    try:
        yield
    except OSError as error:
        if error.errno in _DISK_FULL:
            message = f"the disk is full while writing {target}: free some space or choose a folder on another disk"
            raise InputError(message) from error
        if error.errno in (errno.EROFS, errno.EBUSY, errno.ENAMETOOLONG):
            raise InputError(_cannot_write(target, error)) from error
        raise


def _cannot_write(target: Path, error: OSError) -> str:
    reason = error.strerror or str(error)
    return f"cannot write {target} ({reason}): choose a folder in which you may create files"
