"""Folders of Hadoop file systems: HDFS, Azure's blob storage, any other with a driver on the cluster."""

from __future__ import annotations

import re
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO, cast

from hpt_spark.errors import HptSparkError, InputError
from hpt_spark.masking import without_secrets
from hpt_spark.signals import unwind_on_termination
from hpt_spark.storage.disk_errors import translate_disk_errors
from hpt_spark.storage.folder import DELETED, REPLACED, UNFINISHED, Folder, digest_of, listed
from hpt_spark.storage.hadoop_files import HadoopFiles
from hpt_spark.storage.hadoop_stream import HadoopStream
from hpt_spark.storage.lock import is_lock
from hpt_spark.storage.scratch import scratch_folder

STALE_SECONDS = 24 * 3600.0  # no upload takes so long: an older file is a killed run's


class HadoopFolder(Folder):
    """A folder of a Hadoop file system, at a path with scheme and host.

    A file is written on this machine first, goes up under a temporary name of its own and is then
    renamed. Two runs may write at the same time: each file and folder is of one of them, whole.
    """

    def __init__(self, files: HadoopFiles, path: str) -> None:
        self._files = files
        self._path = path
        self._looked_for_leftovers = False

    @classmethod
    def open(cls, uri: str) -> HadoopFolder:
        """Return the folder at `uri`; restore it if a run was killed while it replaced it."""
        files = HadoopFiles(uri)
        folder = cls(files, files.root)
        if _has_parent(files.root):
            folder._put_back(files.root)
        if files.is_file(files.root):
            raise InputError(f"{folder} is a file where a folder is needed: choose another path or move the file away")
        return folder

    def __str__(self) -> str:
        return without_secrets(self._path)

    @property
    def uri(self) -> str:
        return self._path

    def exists(self, name: str) -> bool:
        return self._put_back(self._at(name))

    @contextmanager
    def reading(self, name: str, without: re.Pattern[str] | None = None) -> Iterator[Path]:
        path = self._at(name)
        if not self._put_back(path):
            raise FileNotFoundError(self.location(name))
        with _on_this_machine() as scratch:
            copy = scratch / _name_of(path)
            self._download(path, copy, without)
            yield copy

    def _download(self, path: str, copy: Path, without: re.Pattern[str] | None) -> None:
        """Copy a file, or a folder without its temporary files and locks."""
        if self._files.is_file(path):
            self._files.download(path, copy)
            return
        copy.mkdir()
        files = self._files.file_sizes(path)
        for name in self._files.names(path):
            if name.startswith((UNFINISHED, DELETED)) or is_lock(name.removeprefix(REPLACED)):
                continue
            if name not in files:
                self._download(f"{path}/{name}", copy / name, without)
            elif without is None or not without.fullmatch(name):
                self._files.download(f"{path}/{name}", copy / name)

    def list(self) -> list[str]:
        return listed(self._files.names(self._path))

    def digests(self, *names: str) -> dict[str, str]:
        return {
            name: digest_of(cast(BinaryIO, HadoopStream(self._files, self._at(name), size)))
            for name, size in self.sizes(*names).items()
        }

    def sizes(self, *names: str) -> dict[str, int]:
        return {
            path.removeprefix(f"{self._path}/"): size
            for name in names
            if self._put_back(self._at(name))
            for path, size in self._files.sizes_below(self._at(name)).items()
        }

    def delete(self, name: str) -> None:
        path = self._at(name)
        self._files.delete(_beside(path, REPLACED))  # or it would be put back
        self._files.delete(path)

    @contextmanager
    def atomic_write(self, name: str) -> Iterator[Path]:
        """Write the file `name`: yield a path on this machine, whose content is uploaded on success."""
        path = self._at(name)
        with _on_this_machine() as scratch:
            local = scratch / _name_of(path)
            local.touch()
            yield local
            with self._unfinished(path) as unfinished:
                self._files.upload(local, unfinished)
                self._clear_leftovers(unfinished)
                if self._files.replaces_files:
                    self._files.replace_file(unfinished, path)
                else:
                    self._swap_in(unfinished, path)

    @contextmanager
    def atomic_dir(self, name: str = ".") -> Iterator[Path]:
        """Write the whole folder `name`: yield an empty folder on this machine that is uploaded on success."""
        with self.staged_dir(name) as staging, _on_this_machine() as scratch:
            yield scratch
            for path in sorted(path for path in scratch.rglob("*") if path.is_file()):
                staging._files.upload(path, staging._at(path.relative_to(scratch).as_posix()))

    @contextmanager
    def staged_dir(self, name: str = ".") -> Iterator[HadoopFolder]:
        """Like `atomic_dir`, file by file: each is uploaded when it is finished."""
        path = self._at(name)
        if not _has_parent(path):
            raise InputError(f"{without_secrets(path)} cannot be replaced as a whole: name a folder in it")
        self._put_back(path)
        with unwind_on_termination(), self._unfinished(path) as unfinished:
            self._files.make_folder(unfinished)
            HadoopFolder(self._files, _parent_of(path))._clear_leftovers(unfinished)
            yield HadoopFolder(self._files, unfinished)
            self._swap_in(unfinished, path)

    def _at(self, name: str) -> str:
        return self._path if name == "." else f"{self._path}/{name}"

    @contextmanager
    def _unfinished(self, path: str) -> Iterator[str]:
        """Yield a unique temporary name beside `path`, and delete it if it was not renamed."""
        unfinished = _beside(path, f"{UNFINISHED}{uuid.uuid4().hex}.")
        try:
            yield unfinished
        except BaseException:
            with suppress(HptSparkError, OSError):  # the first error matters
                self._files.delete(unfinished)
            raise
        self._files.delete(unfinished)

    def _swap_in(self, unfinished: str, path: str) -> None:
        """Rename a file or a folder over another one, which no single call does everywhere."""
        while True:
            if self._put_back(path):
                self._discard(path)
                with suppress(FileNotFoundError):
                    self._files.rename(path, _beside(path, REPLACED))
            # Between the two renames a reader finds nothing and puts the old one back.
            if self._files.rename(unfinished, path):
                break
        self._discard(path)

    def _put_back(self, path: str) -> bool:
        """Restore `path` if a run was killed while it replaced it; return whether it is there.

        This is why the old one is never deleted before the new one is in its place.
        """
        if self._files.exists(path):
            return True
        if not _has_parent(path):
            return False
        with suppress(FileNotFoundError):
            self._files.rename(_beside(path, REPLACED), path)
        return self._files.exists(path)

    def _discard(self, path: str) -> None:
        """Rename the old one before it is deleted, so that no half of it is restored."""
        deleted = _beside(path, f"{DELETED}{uuid.uuid4().hex}.")
        with suppress(FileNotFoundError):
            self._files.rename(_beside(path, REPLACED), deleted)
            self._files.delete(deleted)

    def _clear_leftovers(self, just_written: str) -> None:
        """Delete unfinished files of killed runs in this folder, once; `just_written` gives the file system's time."""
        if self._looked_for_leftovers:
            return
        self._looked_for_leftovers = True
        names = [name for name in self._files.names(self._path) if name.startswith((UNFINISHED, DELETED))]
        now = self._files.modified(just_written)
        for name in names:
            with suppress(FileNotFoundError):  # another run was faster
                if now - self._files.modified(self._at(name)) > STALE_SECONDS:
                    self._files.delete(self._at(name))


@contextmanager
def _on_this_machine() -> Iterator[Path]:
    """Give a temporary folder on this machine (TMPDIR)."""
    with unwind_on_termination(), scratch_folder() as folder:
        place = folder / "files"
        with translate_disk_errors(place):
            place.mkdir()
            yield place


def _beside(path: str, prefix: str) -> str:
    return f"{_parent_of(path)}/{prefix}{_name_of(path)}"


def _parent_of(path: str) -> str:
    return path.rpartition("/")[0]


def _name_of(path: str) -> str:
    return path.rpartition("/")[2]


def _has_parent(path: str) -> bool:
    """Return whether there is a folder around `path` in which it has a name: the root of a file system has none."""
    return re.sub(r"^[A-Za-z][A-Za-z0-9+.-]*:(//[^/]*)?", "", path) != ""
