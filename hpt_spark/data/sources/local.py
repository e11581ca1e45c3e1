"""Input files in a folder of this machine."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from hpt_spark.data.sources.base import Source, SourceFile
from hpt_spark.errors import InputError


class FolderSource(Source):
    """A local folder; an InputError is raised if it is none, or may not be read."""

    def __init__(self, folder: Path) -> None:
        with _refuse_without_access(folder):
            if not folder.exists():
                raise InputError(f"the source folder {folder} does not exist: correct source.uri")
            if not folder.is_dir():
                raise InputError(f"the source {folder} is a file: source.uri must be the folder that holds the files")
        self._folder = folder

    @property
    def location(self) -> str:
        return str(self._folder)

    def list_files(self) -> list[SourceFile]:
        with _refuse_without_access(self._folder):
            return [_local_file(Path(entry.path)) for entry in os.scandir(self._folder) if entry.is_file()]


@contextmanager
def _refuse_without_access(folder: Path) -> Iterator[None]:
    try:
        yield
    except PermissionError as error:
        raise InputError(f"the source folder {folder} may not be read: ask for access to it") from error


def _local_file(path: Path) -> SourceFile:
    return SourceFile(path.name, str(path), path.stat().st_size, lambda: _open(path))


def _open(path: Path) -> BinaryIO:
    try:
        return path.open("rb")
    except OSError as error:
        raise InputError(f"{path} cannot be opened: {error.strerror or error}") from error
