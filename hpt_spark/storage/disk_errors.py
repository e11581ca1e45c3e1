"""Errors of the disk as messages for a person."""

from __future__ import annotations

import errno
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from hpt_spark.errors import InputError

_DISK_FULL = (errno.ENOSPC, errno.EDQUOT)


@contextmanager
def translate_permission_errors(target: Path) -> Iterator[None]:
    """Say what to do where `target` may not be written."""
    try:
        yield
    except (PermissionError, FileExistsError, NotADirectoryError, FileNotFoundError) as error:  # the last in /proc
        raise InputError(_cannot_write(target, error)) from error


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
