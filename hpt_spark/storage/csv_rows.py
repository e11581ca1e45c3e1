"""Rows of a CSV, written and read without loss."""

from __future__ import annotations

import csv
from typing import Any, TextIO

LONGEST_TEXT = 2**31 - 1  # of a cell, in characters


def csv_writer(file: TextIO) -> Any:
    """Return a CSV writer for `file` that ends each row with a line feed.

    Python's writer quotes a carriage return, at which its reader ends a row, only where lines end with one.
    """
    return csv.writer(_EndsWithLineFeed(file), lineterminator="\r\n")


def read_rows(file: TextIO) -> list[dict[str, str]]:
    """Return the rows of `file` by the names in its first one.

    Raises
    ------
    csv.Error
        When it is no CSV.
    """
    limit = csv.field_size_limit(LONGEST_TEXT)  # Python's own would refuse a long text
    try:
        return list(csv.DictReader(file, strict=True))
    finally:
        csv.field_size_limit(limit)


class _EndsWithLineFeed:
    def __init__(self, file: TextIO) -> None:
        self._file = file

    def write(self, row: str) -> None:
        self._file.write(row.removesuffix("\r\n") + "\n")
