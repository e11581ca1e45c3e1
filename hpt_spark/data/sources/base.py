"""The interface of every kind of source of input files; `opening` picks the kind.

A source lists files and opens them; which file is which table is decided here, once for all kinds.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import BinaryIO, Protocol

from hpt_spark.data.schemas import TABLES
from hpt_spark.errors import InputError

SUFFIXES = (".csv.zip", ".csv.gz", ".csv")


@dataclass(frozen=True)
class SourceFile:
    """A file of a source."""

    name: str  # without the folder, e.g. ``events.csv.zip``
    location: str  # path or URI for messages; it carries no secret
    size: int  # in bytes
    # Opens the file for reading; the stream is seekable, because a zip's table of contents is at its end.
    open: Callable[[], BinaryIO]


class Source(Protocol):
    """A place that holds the input files."""

    @property
    def location(self) -> str:
        """Path or URI for messages; it carries no secret."""

    def list_files(self) -> list[SourceFile]:
        """Return the files directly in it."""

    def fetch(self, files: Mapping[str, SourceFile]) -> dict[str, SourceFile]:
        """Download files, several at once, and return the local ones under the same keys.

        Files that need no download, as in a folder, are returned as they are.
        """
        return dict(files)


def find_files(source: Source) -> dict[str, SourceFile]:
    """Return the file of each table, in the order of ``schemas.TABLES``.

    A table ``NAME`` is ``NAME.csv.zip``, ``NAME.csv.gz`` or ``NAME.csv``.

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
