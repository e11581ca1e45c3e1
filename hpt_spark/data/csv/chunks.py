"""CSV text cut into chunks of whole rows, and rows into fields.

Quoting is RFC 4180's: a quote opens at the start of a field and closes at its end, a doubled one
stands for itself; a quote anywhere else in an unquoted field is a character like others.
"""

from __future__ import annotations

import codecs
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from hpt_spark.errors import InputError

LONGEST_ROW = 8 << 20

_FIELD = rb'(?:"[^"]*(?:""[^"]*)*"|[^",\r\n][^,\r\n]*|)'
_FIELDS = rb"%b(?:,%b)*" % (_FIELD, _FIELD)
_WHOLE_ROW = re.compile(_FIELDS + rb"(?:\r\n|\r|\n)")
_LAST_ROW = re.compile(_FIELDS + rb"\Z")
_NEXT_FIELD = re.compile(rb"(%b)(,|\Z)" % _FIELD)
_FIRST_LINE = re.compile(rb"[^\r\n]*")
_STRAY_QUOTE = re.compile(rb'[^,\r\n]"[^,\r\n]')


@dataclass(frozen=True)
class Chunk:
    """Some whole rows of a file."""

    text: bytes  # the rows, with their line ends
    line: int  # the line of the file, from 1, on which the first of them begins


class Readable(Protocol):
    """A stream of bytes."""

    def read(self, size: int) -> bytes:
        """Return the next `size` bytes: fewer only at the end, none behind it."""


def read_chunks(stream: Readable, where: str, is_multiline: Callable[[bytes], bool], size: int) -> Iterator[Chunk]:
    """Cut CSV text into chunks of whole rows.

    Parameters
    ----------
    stream : Readable
        The text; a byte order mark of UTF-8 is dropped.
    where : str
        The file, for messages.
    is_multiline : callable
        Returns, given the file's first line, whether a quoted field may hold line breaks. If not, finding a row's end
        is much cheaper.
    size : int
        Read so many bytes at a time.

    Raises
    ------
    InputError
        If a row does not end: it may have swallowed any number of rows.
    """
    line, rest, has_begun, multiline = 1, b"", False, True
    while more := stream.read(size):
        text = rest + more
        if not has_begun:
            text = text.removeprefix(codecs.BOM_UTF8)
            multiline = is_multiline(_FIRST_LINE.match(text)[0])  # type: ignore[index]  # every text begins with a line
        end = _end_of_last_row(text, multiline)
        if end:
            has_begun = True
            chunk = Chunk(text[:end], line)
            line += count_lines(chunk.text)
            yield chunk
        rest = text[end:]
        if len(rest) > LONGEST_ROW:
            raise InputError(_no_end(where, line))
    if rest and multiline and not _LAST_ROW.match(rest):
        raise InputError(_no_end(where, line))
    if rest:
        yield Chunk(rest, line)


def split_rows(text: bytes) -> Iterator[bytes]:
    """Yield the rows of a chunk, with their line ends.

    A row whose quotes are wrong ends with its line, so that only this row is spoilt.
    """
    if b'"' not in text:
        yield from text.splitlines(keepends=True)
        return
    start = 0
    while start < len(text):
        row = _WHOLE_ROW.match(text, start) or _LAST_ROW.match(text, start)
        end = row.end() if row else text.find(b"\n", start) + 1 or len(text)
        yield text[start:end]
        start = end


def split_fields(row: bytes) -> list[bytes]:
    """Return the fields of a row without its line end; the fields are without their quotes.

    Raises
    ------
    ValueError
        If a field begins with a quote and does not end with one.
    """
    if b'"' not in row:
        return row.split(b",")
    fields, start = [], 0
    while field := _NEXT_FIELD.match(row, start):
        fields.append(_unquoted(field[1]))
        if not field[2]:
            return fields
        start = field.end()
    raise ValueError("quotes that do not enclose a field")


def count_lines(text: bytes) -> int:
    """Return the number of line ends in `text`."""
    return int(np.count_nonzero(np.frombuffer(text, np.uint8) == ord("\n")))  # several times as fast as bytes.count


def has_stray_quotes(text: bytes) -> bool:
    """Return whether some quote is neither the first nor the last character of a field."""
    return b'"' in text and _STRAY_QUOTE.search(text) is not None


def ends_within_quotes(text: bytes) -> bool:
    """Return whether the last line has no end and a quote in it that is not closed, as in a file that was cut short."""
    last = text[text.rfind(b"\n") + 1 :]
    return b'"' in last and _LAST_ROW.match(last) is None


def _unquoted(field: bytes) -> bytes:
    return field[1:-1].replace(b'""', b'"') if field.startswith(b'"') else field


def _end_of_last_row(text: bytes, multiline: bool) -> int:
    """Return where the last row that is whole ends; 0 if none is."""
    if not multiline or b'"' not in text:
        return text.rfind(b"\n") + 1
    end = 0
    while row := _WHOLE_ROW.match(text, end):
        end = row.end()
    return end


def _no_end(where: str, line: int) -> str:
    return (
        f"{where} has a row that begins on line {line} and does not end: a quoted field must end with a quote and "
        "then a comma or the line's end (a quote within is doubled); correct it, or check that the file is CSV text"
    )
