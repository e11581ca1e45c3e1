"""Rows read one by one, for chunks that Arrow's parser does not take as a whole.

Slow and exact: it reports each row that cannot be parsed, with its line and the reason.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from hpt_spark.data.csv.chunks import Chunk, count_lines, split_fields, split_rows
from hpt_spark.data.schemas import DEGREE, FLAG, ID, TEXT, TIMESTAMP, Column

EXAMPLES = 3
_LONGEST_EXAMPLE = 40

_INTEGER = re.compile(r"[ \t]*(-?)0*([0-9]{1,19})[ \t]*")
_WRITTEN_AS_FLOAT = re.compile(r"[ \t]*[-+]?[0-9]+(?:[.,][0-9]*)*(?:[eE][-+]?[0-9]+)?[ \t]*")
_NUMBER = re.compile(r"[ \t]*([-+]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?)[ \t]*")
_TIMESTAMP = re.compile(r"([0-9]{4})-([0-9]{2})-([0-9]{2})[ T]([0-9]{2}):([0-9]{2}):([0-9]{2})")


class RoundedIdError(ValueError):
    """An id is written as a float, such as ``-6.4E+18`` or ``123.0``, and may have lost digits."""


@dataclass(frozen=True)
class BadRow:
    """A row that cannot be parsed: its first line and the reason."""

    line: int
    problem: str

    def __str__(self) -> str:
        return f"line {self.line}: {self.problem}"


@dataclass
class Cells:
    """The cells of a chunk's rows, by column."""

    columns: dict[str, list[Any]]  # values of the rows that could be parsed, by name of the column
    kept: list[int] = field(default_factory=list)  # the places of these rows among all rows of the chunk
    rows: int = 0  # the number of all rows
    bad: list[BadRow] = field(default_factory=list)  # the first few of the others; there are ``rows - len(kept)``
    rounded: int = 0  # how many of the others have an id that is written as a float


def read_cells(chunk: Chunk, header: tuple[str, ...], columns: tuple[Column, ...]) -> Cells:
    """Parse the rows of a chunk one by one.

    Parameters
    ----------
    chunk : Chunk
        Rows of the file.
    header : tuple of str
        The names of the file's columns, in the file's order.
    columns : tuple of Column
        The columns to read.
    """
    cells = Cells({column.name: [] for column in columns})
    into = list(cells.columns.values())
    readers = [(header.index(column.name), column) for column in columns]
    line = chunk.line
    for row in split_rows(chunk.text):
        if row.strip(b"\r\n"):
            try:
                values = _values(row, len(header), readers)
            except ValueError as error:
                cells.rounded += isinstance(error, RoundedIdError)
                if len(cells.bad) < EXAMPLES:
                    cells.bad.append(BadRow(line, str(error)))
            else:
                cells.kept.append(cells.rows)
                for column_values, value in zip(into, values, strict=True):
                    column_values.append(value)
            cells.rows += 1
        line += count_lines(row)
    return cells


def _values(row: bytes, width: int, readers: list[tuple[int, Column]]) -> list[Any]:
    row = row.rstrip(b"\r\n")
    try:
        fields = split_fields(row)
        if len(fields) != width:
            raise ValueError(f"{len(fields)} field{'s' * (len(fields) != 1)} where the header has {width}")
    except ValueError as error:
        raise ValueError(f"{error}: {_shown(row)}") from None
    return [_value(fields[place], column) for place, column in readers]


def _value(cell: bytes, column: Column) -> Any:
    if not cell and column.optional:
        return None
    expected, read = _KINDS[column.kind]
    try:
        return read(cell.decode("utf-8"))
    except ValueError:  # UnicodeDecodeError is one
        is_rounded = column.kind == ID and _is_written_as_float(cell.decode("utf-8", errors="replace"))
        kind = RoundedIdError if is_rounded else ValueError
        raise kind(f"{column.name} is {_shown(cell)}, expected {expected}") from None


def _is_written_as_float(text: str) -> bool:
    return any(mark in text for mark in ".,eE") and _WRITTEN_AS_FLOAT.fullmatch(text) is not None


def _shown(cell: bytes) -> str:
    text = cell.decode("utf-8", errors="backslashreplace")
    return repr(text if len(text) <= _LONGEST_EXAMPLE else text[:_LONGEST_EXAMPLE] + "...") if text else "empty"


def _integer(bits: int) -> Callable[[str], int]:
    def read(text: str) -> int:
        found = _INTEGER.fullmatch(text)
        if not found:
            raise ValueError
        value = int(found[1] + found[2])
        if not -(2 ** (bits - 1)) <= value < 2 ** (bits - 1):
            raise ValueError
        return value

    return read


def _number(text: str) -> float:
    found = _NUMBER.fullmatch(text)
    if not found or float(found[1]) in (float("inf"), float("-inf")):
        raise ValueError
    return float(found[1])


def _timestamp(text: str) -> str:
    found = _TIMESTAMP.fullmatch(text)
    if not found:
        raise ValueError
    return datetime(*map(int, found.groups())).isoformat(" ")  # type: ignore[arg-type]  # no time zone among them


def _text(text: str) -> str:
    if not text:
        raise ValueError
    return text


_KINDS: dict[str, tuple[str, Callable[[str], Any]]] = {
    ID: ("a whole number of 64 bits", _integer(64)),
    FLAG: ("a whole number of 32 bits", _integer(32)),
    DEGREE: ("a number", _number),
    TIMESTAMP: ("a date and time such as 2016-05-01 00:55:25", _timestamp),
    TEXT: ("text in UTF-8", _text),
}
