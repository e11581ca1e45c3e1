"""Input files in a folder of this machine."""

from __future__ import annotations

import os
from pathlib import Path

from hpt_spark.data.sources.base import Source, SourceFile
from hpt_spark.errors import InputError


class FolderSource(Source):
    """A local folder.

    Parameters
    ----------
    folder : Path
        The folder; an InputError is raised if it is none, or may not be read.
    """

    def __init__(self, folder: Path) -> None:
        if not folder.exists():
            raise InputError(f"the source folder {folder} does not exist: correct source.uri")
        if not folder.is_dir():
            raise InputError(f"the source {folder} is a file: source.uri must be the folder that holds the files")
        self._folder = folder

    @property
    def location(self) -> str:
        """The folder's path."""
        return str(self._folder)

    def list_files(self) -> list[SourceFile]:
        """Return the files directly in the folder."""
        try:
            paths = [Path(entry.path) for entry in os.scandir(self._folder) if entry.is_file()]
        except PermissionError as error:
            raise InputError(f"the source folder {self._folder} may not be read: ask for access to it") from error
        return [_local_file(path) for path in paths]


def _local_file(path: Path) -> SourceFile:
    return SourceFile(path.name, str(path), path.stat().st_size, lambda: path.open("rb"))
