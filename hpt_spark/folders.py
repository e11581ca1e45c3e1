"""Folders whose files appear whole or not at all.

Everything the jobs leave behind is written under a temporary name beside its final one and then
renamed, so that a reader never sees half a file and a failed run never spoils what was there.
"""

from __future__ import annotations

import errno
import fcntl
import os
import re
import shutil
import signal
import threading
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import FrameType
from urllib.parse import unquote

from hpt_spark.errors import InputError

UNFINISHED = ".writing."  # before the name, not behind it: writers such as XGBoost go by the file's extension
REPLACED = ".replaced."
DELETED = ".deleted."

_DISK_FULL = (errno.ENOSPC, errno.EDQUOT)


def local_path(uri: str | os.PathLike[str]) -> Path:
    """Return the path that a plain path or a ``file:`` URI means on this machine.

    Parameters
    ----------
    uri : str or path
        ``data/raw``, ``~/data``, ``file:/data`` or ``file:///data``.

    Raises
    ------
    InputError
        If `uri` has another scheme.
    """
    text = os.fspath(uri)
    if text.startswith("file:"):
        text = unquote(re.sub("^file:(//(localhost)?(?=/))?", "", text))
        if text.startswith("//"):
            raise InputError(f"{uri} names a file of another host; only this machine's files can be read: file:///PATH")
    elif re.match(r"[A-Za-z][\w+.-]*://", text):
        raise InputError(
            f"{without_secrets(text)} cannot be used here: only a local folder is supported, "
            "as a plain path or file:///PATH"
        )
    try:
        return Path(text).expanduser().resolve()
    except RuntimeError as error:  # ~name of nobody
        raise InputError(f"{text} names the home folder of an unknown user: write the whole path") from error


def without_secrets(uri: str) -> str:
    """Return `uri` without what may carry a secret: a password, or a query such as a SAS token."""
    return re.sub(r"(://[^/@:]*):[^/@]*@", r"\1:***@", uri.partition("?")[0])


def open_folder(uri: str | os.PathLike[str]) -> Folder:
    """Return the folder at `uri`, which need not exist yet: the first write creates it.

    Parameters
    ----------
    uri : str or path
        A plain path (``~`` is expanded) or a ``file:`` URI.

    Raises
    ------
    InputError
        If `uri` is not local, or is a file.
    """
    path = local_path(uri)
    _put_back(path)
    if path.exists() and not path.is_dir():
        raise InputError(f"{path} is a file where a folder is needed: choose another path or move the file away")
    return Folder(path)


class Folder:
    """A local folder; names are relative to it and may have slashes.

    Parameters
    ----------
    path : Path
        Where it is.
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    def __str__(self) -> str:
        return str(self.path)

    def exists(self, name: str) -> bool:
        """Return whether there is a file or a folder `name`."""
        return self.reading(name).exists()

    def reading(self, name: str) -> Path:
        """Return a local path from which `name` can be read."""
        path = self.path / name
        _put_back(path)
        return path

    def list(self) -> list[str]:
        """Return the names in this folder, sorted, without unfinished ones."""
        if not self.path.is_dir():
            return []
        return sorted(
            path.name for path in self.path.iterdir() if not path.name.startswith((UNFINISHED, REPLACED, DELETED))
        )

    def delete(self, name: str) -> None:
        """Delete the file or the folder `name`, if there is one."""
        with _disk_errors_explained(self.path / name):
            _delete(self.path / name)

    @contextmanager
    def writing(self, name: str) -> Iterator[Path]:
        """Write the file `name`: yield a temporary path that takes the name when all went well.

        Parameters
        ----------
        name : str
            The temporary path ends with the same name, and thus with the same extension.
        """
        target = self.path / name
        with _claimed(target, Path.touch) as temporary:
            os.truncate(temporary, 0)
            yield temporary
            _flush_to_disk(temporary)
            os.replace(temporary, target)
            _flush_to_disk(target.parent)

    def create(self, name: str, text: str) -> bool:
        """Write the file `name` unless there is one; return whether it was written.

        Of several processes that try at the same time one succeeds, and no reader sees half of it.
        """
        target = self.path / name
        with _disk_errors_explained(target), _permission_errors_explained(target):
            target.parent.mkdir(parents=True, exist_ok=True)
            unfinished = target.with_name(f"{UNFINISHED}{uuid.uuid4().hex}.{target.name}")
            unfinished.write_text(text, encoding="utf-8")
            try:
                os.link(unfinished, target)
            except FileExistsError:
                return False
            finally:
                unfinished.unlink()
            return True

    @contextmanager
    def replacing(self, name: str = ".") -> Iterator[Path]:
        """Write the whole folder `name`: yield an empty temporary folder that replaces it when all went well.

        Parameters
        ----------
        name : str
            A sub-folder; by default this folder itself.
        """
        target = self.path / name
        with _claimed(target, Path.mkdir) as temporary:
            _put_back(target)
            for leftover in temporary.iterdir():
                _delete(leftover)
            yield temporary
            for path in [*temporary.rglob("*"), temporary]:
                _flush_to_disk(path)
            _swap_in(temporary, target)


def _swap_in(temporary: Path, target: Path) -> None:
    """Rename a folder over another one, which no single system call does everywhere."""
    replaced = _replaced(target)
    _discard(replaced, target)
    while True:
        with suppress(FileNotFoundError):
            os.rename(target, replaced)
        try:
            os.rename(temporary, target)
            break
        except OSError as error:
            # Between the two renames a reader finds no folder and puts the old one back.
            if error.errno not in (errno.ENOTEMPTY, errno.EEXIST):
                raise
    _flush_to_disk(target.parent)
    _discard(replaced, target)


def _put_back(target: Path) -> None:
    """Give `target` its folder back if a run was killed in the moment of replacing it."""
    if not target.exists():
        with suppress(OSError):
            os.rename(_replaced(target), target)


def _discard(replaced: Path, target: Path) -> None:
    """Delete an old folder under a name from which it is not put back when half of it is gone."""
    deleted = target.with_name(DELETED + target.name)
    shutil.rmtree(deleted, ignore_errors=True)
    with suppress(FileNotFoundError):
        os.rename(replaced, deleted)
    shutil.rmtree(deleted, ignore_errors=True)


def _replaced(target: Path) -> Path:
    return target.with_name(REPLACED + target.name)


@contextmanager
def _claimed(target: Path, make: Callable[[Path], None]) -> Iterator[Path]:
    """Hold the temporary path of `target`, and remove it at the end if it is still there.

    The claim is a lock that the system drops with the process: what is found unlocked was left by
    a run that was killed, and may be removed without asking whether that run still lives.
    """
    temporary = target.with_name(UNFINISHED + target.name)
    with _disk_errors_explained(target), _unwound_by_sigterm():
        with _permission_errors_explained(target):
            target.parent.mkdir(parents=True, exist_ok=True)
            lock = _lock(temporary, make, target)
        try:
            yield temporary
        finally:
            if _is_at(temporary, lock):  # else it has its final name, and the temporary one may be another run's
                _delete(temporary)
            with suppress(OSError):
                fcntl.flock(lock, fcntl.LOCK_UN)  # a forked child may hold the file open and the lock with it
            os.close(lock)


def _lock(temporary: Path, make: Callable[[Path], None], target: Path) -> int:
    while True:
        with suppress(FileExistsError):
            make(temporary)
        try:
            handle = os.open(temporary, os.O_RDONLY)
        except FileNotFoundError:
            continue  # another process has just finished with it
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(handle)
            raise InputError(
                f"{target} is being written by another process: wait until it ends, or choose another folder"
            ) from None
        except OSError:
            return handle  # some network file systems cannot lock a folder; there a user must not start two runs
        if _is_at(temporary, handle):
            return handle
        os.close(handle)


def _is_at(path: Path, handle: int) -> bool:
    try:
        return os.path.samestat(os.fstat(handle), os.stat(path))
    except FileNotFoundError:
        return False


@contextmanager
def _permission_errors_explained(target: Path) -> Iterator[None]:
    try:
        yield
    except (PermissionError, FileExistsError, NotADirectoryError) as error:
        raise InputError(_cannot_write(target, error)) from error


@contextmanager
def _disk_errors_explained(target: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        if error.errno in _DISK_FULL:
            message = f"the disk is full while writing {target}: free some space or choose a folder on another disk"
            raise InputError(message) from error
        if error.errno in (errno.EROFS, errno.EBUSY):
            raise InputError(_cannot_write(target, error)) from error
        raise


def _cannot_write(target: Path, error: OSError) -> str:
    reason = error.strerror or str(error)
    return f"cannot write {target} ({reason}): choose a folder in which you may create files"


@contextmanager
def _unwound_by_sigterm() -> Iterator[None]:
    """Let SIGTERM (YARN, cron, docker stop) unwind the stack as Ctrl-C does, so that nothing is left behind."""

    def leave(number: int, frame: FrameType | None) -> None:
        raise SystemExit(128 + number)

    in_charge = threading.current_thread() is threading.main_thread()
    if not in_charge or signal.getsignal(signal.SIGTERM) is not signal.SIG_DFL:
        yield
        return
    signal.signal(signal.SIGTERM, leave)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)


def _flush_to_disk(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _delete(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
