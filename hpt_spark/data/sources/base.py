"""Where the input files come from.

A source lists files and opens them; which file is which table is decided here, once for all kinds
of source. Nothing behind this module sees where the bytes were kept or what opened the door.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Protocol

from hpt_spark.data.schemas import TABLES
from hpt_spark.errors import InputError
from hpt_spark.storage import is_blob, is_local, local_path, without_secrets

SUFFIXES = (".csv.zip", ".csv.gz", ".csv")


@dataclass(frozen=True)
class SourceFile:
    """A file of a source.

    Parameters
    ----------
    name : str
        Without the folder, e.g. ``events.csv.zip``.
    location : str
        Path or URI for messages; it carries no secret.
    size : int
        In bytes.
    open : callable
        Opens the file for reading; the stream is seekable, because a zip's table of contents is at its end.
    """

    name: str
    location: str
    size: int
    open: Callable[[], BinaryIO]


class Source(Protocol):
    """A place that holds the input files."""

    @property
    def location(self) -> str:
        """Path or URI for messages; it carries no secret."""

    def list_files(self) -> list[SourceFile]:
        """Return the files directly in it."""

    def fetch(self, files: Mapping[str, SourceFile]) -> dict[str, SourceFile]:
        """Bring files near, several at once, and return them as they are then, under the same keys.

        Where they can be read as they lie, as in a folder, nothing is done.
        """
        return dict(files)


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


def open_source(
    uri: str | os.PathLike[str],
    via: str = "auto",
    *,
    credential: str | None = None,
    downloads: str | os.PathLike[str] = "data/downloads",
) -> Source:
    """Return the source at `uri`.

    Parameters
    ----------
    uri : str or path
        A local folder (a plain path or a ``file:`` URI), a folder of a blob container (``https://``,
        ``wasbs://``, ``abfss://``), or any Hadoop path.
    via : {"auto", "sdk", "hadoop"}
        By which way it is read: ``sdk`` is Azure's, for blobs. With ``hadoop`` a plain path too is one of
        the cluster's default file system.
    credential : str, optional
        For blobs: the name of the environment variable that holds the secret.
    downloads : str or path
        For blobs: the folder in which what is downloaded is kept.

    Raises
    ------
    InputError
        If there is no such folder, the credential is missing, or the scheme of `uri` or `via` is not supported.
    """
    text = os.fspath(uri)
    if is_read_by_hadoop(text, via):
        from hpt_spark.data.sources.hadoop import HadoopSource

        return HadoopSource(text)
    if is_blob(text):
        # Imported here, because a BlobSource is a Source.
        from hpt_spark.data.sources.blob.address import parse_blob_uri
        from hpt_spark.data.sources.blob.source import BlobSource

        return BlobSource(parse_blob_uri(text), local_path(downloads), credential)
    if via == "sdk":
        raise InputError(f"source.via=sdk is for blobs, but source.uri={without_secrets(text)} is none: use auto")
    return FolderSource(local_path(uri))


def is_read_by_hadoop(uri: str | os.PathLike[str], via: str) -> bool:
    """Return whether a source is read through the JVM's file systems, for which Spark must run."""
    return via == "hadoop" or (via == "auto" and not is_local(uri) and not is_blob(uri))


def find_files(source: Source) -> dict[str, SourceFile]:
    """Return the file of each table, in the order of ``schemas.TABLES``.

    Parameters
    ----------
    source : Source
        Holds each table ``NAME`` as ``NAME.csv.zip``, ``NAME.csv.gz`` or ``NAME.csv``.

    Raises
    ------
    InputError
        If tables have no file (all of them are named), or a table has several.
    """
    present = {file.name: file for file in source.list_files()}
    found = {table: [present[table + suffix] for suffix in SUFFIXES if table + suffix in present] for table in TABLES}

    missing = [table for table, files in found.items() if not files]
    if missing:
        raise InputError(
            f"{source.location} has no file for {len(missing)} of the {len(TABLES)} tables: {', '.join(missing)}; "
            f"each must be there as {', '.join('NAME' + suffix for suffix in SUFFIXES[:-1])} or NAME{SUFFIXES[-1]}"
        )
    doubled = [" and ".join(file.name for file in files) for files in found.values() if len(files) > 1]
    if doubled:
        raise InputError(
            f"{source.location} has more than one file for a table: {'; '.join(doubled)}; keep one of them"
        )
    return {table: file for table, (file,) in found.items()}


def _local_file(path: Path) -> SourceFile:
    return SourceFile(path.name, str(path), path.stat().st_size, lambda: path.open("rb"))
