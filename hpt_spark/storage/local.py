"""Folders of this machine."""

from __future__ import annotations

import errno
import os
import re
import shutil
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from filelock import lock_descriptor, unlock_descriptor

from hpt_spark.errors import InputError
from hpt_spark.signals import unwind_on_termination
from hpt_spark.storage.disk_errors import translate_disk_errors, translate_permission_errors, translate_read_errors
from hpt_spark.storage.folder import DELETED, REPLACED, UNFINISHED, Folder, digest_of_file, listed

SECONDS_TO_BEGIN = 2.0  # in which a writer locks the file that it has made; less than a driver takes to start again


class LocalFolder(Folder):
    """A local folder."""

    def __init__(self, path: Path) -> None:
        self.path = path

    @classmethod
    def open(cls, path: Path) -> LocalFolder:
        """Return the folder at `path`; restore it if a run was killed while it replaced it."""
        with translate_read_errors(path):
            _put_back(path)
            is_other = path.exists() and not path.is_dir()
        if is_other:
            raise InputError(f"{path} is a file where a folder is needed: choose another path or move the file away")
        return cls(path)

    def __str__(self) -> str:
        return str(self.path)

    @property
    def uri(self) -> str:
        if not str(self.path).isascii():
            _check_java_can_name(self.path)
        return f"file://{self.path}"  # not Path.as_uri(): Hadoop takes a % as it stands

    def exists(self, name: str) -> bool:
        with translate_read_errors(self.path), suppress(FileNotFoundError, NotADirectoryError):
            _put_back(self.path / name)
            (self.path / name).lstat()  # of a link itself: a broken link is an error to report, not to overwrite
            return True
        return False

    @contextmanager
    def reading(self, name: str, without: re.Pattern[str] | None = None) -> Iterator[Path]:
        with translate_read_errors(self.path / name):
            _put_back(self.path / name)
            yield self.path / name

    def list(self) -> list[str]:
        with translate_read_errors(self.path):
            if not self.path.is_dir():
                return []
            return listed(path.name for path in self.path.iterdir())

    def digests(self, *names: str) -> dict[str, str]:
        with translate_read_errors(self.path):
            return {name: digest_of_file(file) for name, file in self._files(names)}

    def sizes(self, *names: str) -> dict[str, int]:
        with translate_read_errors(self.path):
            return {name: file.stat().st_size for name, file in self._files(names)}

    def _files(self, names: Iterable[str]) -> Iterator[tuple[str, Path]]:
        for name in names:
            path = self.path / name
            _put_back(path)
            if path.is_symlink():
                path.stat()  # raises for a broken link
            for file in _files_below(path) if path.is_dir() else [path]:
                if file.is_file():
                    yield file.relative_to(self.path).as_posix(), file

    def delete(self, name: str) -> None:
        target = self.path / name
        with translate_disk_errors(target), translate_permission_errors(target):
            _delete(_replaced(target))  # or it would be put back
            _delete(target)

    @contextmanager
    def atomic_write(self, name: str) -> Iterator[Path]:
        """Write the file `name`: yield a path beside it, which is renamed to it on success."""
        target = self.path / name
        with _claimed(target, Path.touch) as temporary:
            os.truncate(temporary, 0)
            yield temporary
            _flush_to_disk(temporary)
            with translate_permission_errors(target):
                os.replace(temporary, target)
            _flush_to_disk(target.parent)

    def delete_unfinished(self, prefix: str) -> None:
        for path in self.path.glob(f"{UNFINISHED}{prefix}*"):
            with suppress(OSError):  # it is finished, or deleted by another process
                handle = os.open(path, os.O_RDWR)
                try:
                    found = os.fstat(handle)
                    # An empty one may be so new that its writer does not hold it yet.
                    is_begun = found.st_size > 0 or time.time() - found.st_mtime > SECONDS_TO_BEGIN
                    if is_begun and lock_descriptor(handle, blocking=False) and _is_at(path, handle):
                        path.unlink()
                finally:
                    os.close(handle)

    def check_writable(self) -> None:
        """Raise InputError when nothing can be written here; remove a folder made for the check."""
        missing = [path for path in (self.path, *self.path.parents) if not path.exists()]
        try:
            super().check_writable()
        finally:
            for path in missing:
                with suppress(OSError):
                    path.rmdir()

    @contextmanager
    def atomic_dir(self, name: str = ".") -> Iterator[Path]:
        """Write the whole folder `name`: yield an empty folder beside it that replaces it on success."""
        target = self.path / name
        with _claimed(target, Path.mkdir) as temporary:
            _put_back(target)
            for leftover in temporary.iterdir():
                _delete(leftover)
            yield temporary
            for path in [*temporary.rglob("*"), temporary]:
                _flush_to_disk(path)
            _swap_in(temporary, target)

    @contextmanager
    def staged_dir(self, name: str = ".") -> Iterator[LocalFolder]:
        """Like `atomic_dir`; on this machine files need no upload."""
        with self.atomic_dir(name) as path:
            yield LocalFolder(path)


def _files_below(folder: Path) -> list[Path]:
    """Return the files in `folder` and below, sorted; unlike ``rglob``, raise for a folder that cannot be read."""

    def stop(error: OSError) -> None:
        raise error

    return sorted(Path(at, name) for at, _, names in os.walk(folder, onerror=stop) for name in names)


def _check_java_can_name(path: Path) -> None:
    """Raise InputError where the JVM that spark-submit has started would look for another file."""
    from pyspark import SparkContext

    jvm: Any = SparkContext._jvm
    encoding = "UTF-8" if jvm is None else str(jvm.java.lang.System.getProperty("sun.jnu.encoding"))
    try:
        str(path).encode(encoding)
    except (LookupError, UnicodeEncodeError):
        raise InputError(
            f"{path} has letters for which Java, whose file names are {encoding}, has none: start spark-submit with "
            "LC_ALL=C.UTF-8, or choose a path of ASCII letters"
        ) from None


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
    """Restore `target` if a run was killed while it replaced it."""
    if not target.exists():
        with suppress(OSError):
            os.rename(_replaced(target), target)


def _discard(replaced: Path, target: Path) -> None:
    """Rename an old folder before it is deleted, so that no half of it is restored."""
    deleted = target.with_name(DELETED + target.name)
    _delete_what_can_be(deleted)
    with suppress(FileNotFoundError):
        os.rename(replaced, deleted)
    _delete_what_can_be(deleted)


def _delete_what_can_be(path: Path) -> None:
    if path.is_symlink():  # it stood for the folder; its target is somebody else's
        path.unlink(missing_ok=True)
    else:
        shutil.rmtree(path, ignore_errors=True)


def _replaced(target: Path) -> Path:
    return target.with_name(REPLACED + target.name)


@contextmanager
def _claimed(target: Path, make: Callable[[Path], None]) -> Iterator[Path]:
    """Hold the temporary path of `target`, and remove it at the end if it is still there.

    The claim is a lock that the system drops with the process: what is found unlocked was left by
    a run that was killed, and may be removed without asking whether that run still lives.
    """
    temporary = target.with_name(UNFINISHED + target.name)
    with translate_disk_errors(target), unwind_on_termination():
        with translate_permission_errors(target):
            target.parent.mkdir(parents=True, exist_ok=True)
            lock = _lock(temporary, make, target)
        try:
            yield temporary
        except FileNotFoundError as error:
            if _is_at(temporary, lock):
                raise
            raise InputError(
                f"somebody has removed {temporary} while {target} was being written; start the job again."
            ) from error
        finally:
            if _is_at(temporary, lock):  # else it was renamed, and the temporary name may be another run's
                _delete(temporary)
            with suppress(OSError):
                unlock_descriptor(lock)  # a forked child may hold the file open and the lock with it
            os.close(lock)


def _lock(temporary: Path, make: Callable[[Path], None], target: Path) -> int:
    while True:
        with suppress(FileExistsError):
            make(temporary)
        try:
            # NFS locks what may be written to only; a folder cannot be opened so.
            handle = os.open(temporary, os.O_RDONLY if temporary.is_dir() else os.O_RDWR)
        except FileNotFoundError:
            continue  # another process has just finished with it
        try:
            is_ours = lock_descriptor(handle, blocking=False)
        except OSError:
            return handle  # some network file systems cannot lock a folder; there a user must not start two runs
        if not is_ours:
            os.close(handle)
            raise InputError(
                f"{target} is being written by another process: wait until it ends, or choose another folder"
            )
        if _is_at(temporary, handle):
            return handle
        os.close(handle)


def _is_at(path: Path, handle: int) -> bool:
    try:
        return os.path.samestat(os.fstat(handle), os.stat(path))
    except FileNotFoundError:
        return False


def _flush_to_disk(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    except OSError as error:
        # Some file systems (a folder of VirtualBox, 9p) flush no folders, which are in order without that.
        if error.errno not in (errno.EINVAL, errno.EBADF, errno.ENOTSUP) or not path.is_dir():
            raise
    finally:
        os.close(handle)


def _delete(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
