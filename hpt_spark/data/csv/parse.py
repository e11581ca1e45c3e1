"""Chunks of CSV text parsed into typed Arrow batches.

A chunk is first given to Arrow's parser. If that refuses it, or takes something that it should
not, the chunk is read again row by row, so that the fast way stays fast and the exact way is
taken only where it is needed.
"""

from __future__ import annotations

import logging
import re
from collections import Counter
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import csv

from hpt_spark.data.csv.cells import BadRow, read_cells
from hpt_spark.data.csv.chunks import Chunk, count_lines, ends_within_quotes, has_stray_quotes, split_fields, split_rows
from hpt_spark.data.schemas import DEGREE, FILE_ROW, FLAG, ID, TEXT, TIMESTAMP, Table
from hpt_spark.errors import InputError

_TYPES = {ID: pa.int64(), FLAG: pa.int32(), DEGREE: pa.float64(), TEXT: pa.string(), TIMESTAMP: pa.string()}
_HEXADECIMAL = re.compile(rb"(?:\A|[\s,\"])[-+]?0[xX]")
_TIMESTAMP_LENGTH = len("2016-05-01 00:55:25")

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Parsed:
    """The rows of a chunk."""

    batch: pa.RecordBatch  # the rows that could be parsed
    kept: np.ndarray  # their places among all rows of the chunk
    rows: int  # the number of all rows
    bad: list[BadRow]  # the first few rows that could not be parsed
    rounded: int = 0  # how many of those have an id that is written as a float


class Parser:
    """Parses the chunks of one file.

    Parameters
    ----------
    table : Table
        What the file holds.
    header : list of str
        The names of the file's columns, in the file's order, which is free.
    where : str
        The file, for messages.

    Raises
    ------
    InputError
        If the header lacks columns of the table or has a name twice.
    """

    def __init__(self, table: Table, header: list[str], where: str) -> None:
        _check_header(table, header, where)
        self.table = table
        self.header = tuple(header)
        self._schema = pa.schema([(column.name, _TYPES[column.kind]) for column in table.columns])
        self._required = [column.name for column in table.columns if not column.optional]
        self._moments = [column.name for column in table.columns if column.kind == TIMESTAMP]
        self._degrees = [column.name for column in table.columns if column.kind == DEGREE]

    def parse(self, chunk: Chunk) -> Parsed:
        """Return the rows of a chunk; any number of threads may do so at once."""
        try:
            batch = self._parse_fast(chunk.text)
        except pa.ArrowInvalid:
            return self._parse_exactly(chunk)
        return Parsed(batch, np.arange(batch.num_rows), batch.num_rows, [])

    def _parse_fast(self, text: bytes) -> pa.RecordBatch:
        # One byte is found far faster than two.
        if any(x in text and b"0" + x in text for x in (b"x", b"X")) and _HEXADECIMAL.search(text):
            raise pa.ArrowInvalid("Arrow takes 0x1F for a number")
        if not has_text(self.table) and has_stray_quotes(text):
            raise pa.ArrowInvalid('Arrow takes "12"3 for a number')
        if ends_within_quotes(text):
            raise pa.ArrowInvalid('Arrow takes "12 for a number at the end')
        rows = csv.read_csv(
            pa.py_buffer(text),
            csv.ReadOptions(use_threads=False, block_size=len(text) + 1, column_names=self.header),
            convert_options=csv.ConvertOptions(
                include_columns=self._schema.names,
                column_types=self._schema,
                null_values=[""],
                strings_can_be_null=True,
            ),
        )
        if not rows.num_rows:
            raise pa.ArrowInvalid("there are only blank lines")
        (batch,) = rows.combine_chunks().to_batches()
        if any(batch.column(name).null_count for name in self._required):
            raise pa.ArrowInvalid("a cell that must not be empty is empty")
        for name in self._moments:
            _check_timestamps(batch.column(name))
        for name in self._degrees:
            if not pc.all(pc.is_finite(batch.column(name)), min_count=0).as_py():
                raise pa.ArrowInvalid("a number is infinite or none")
        return batch

    def _parse_exactly(self, chunk: Chunk) -> Parsed:
        cells = read_cells(chunk, self.header, self.table.columns)
        batch = pa.RecordBatch.from_pydict(cells.columns, schema=self._schema)
        return Parsed(batch, np.array(cells.kept, np.int64), cells.rows, cells.bad, cells.rounded)


def has_text(table: Table) -> bool:
    """Return whether a table has free text."""
    return any(column.kind == TEXT for column in table.columns)


def is_multiline(table: Table, header: bytes) -> bool:
    """Return whether a file may hold quoted line breaks: free text does, and columns that nobody asked for may."""
    try:
        names = split_fields(header)
    except ValueError:  # which `split_header` tells
        names = []
    return has_text(table) or not {name.encode() for name in table.column_names}.issuperset(names)


def stored_schema(table: Table) -> pa.Schema:
    """Return the stored columns of a table: the file's, and an ordered table's row number."""
    columns = [(column.name, _TYPES[column.kind]) for column in table.columns]
    return pa.schema([*columns, (FILE_ROW, pa.int64())] if table.ordered else columns)


def split_header(first: Chunk, where: str) -> tuple[list[str], Chunk]:
    """Return the names in the first row of a file, and the rest of the file's first chunk.

    Raises
    ------
    InputError
        If the row is not text in UTF-8, or its quotes are wrong.
    """
    row = next(split_rows(first.text))
    if row.startswith((b"\xff\xfe", b"\xfe\xff")) or b"\0" in row:
        raise InputError(f"{where} is not text in UTF-8 (it looks like UTF-16 or binary data): save it as UTF-8")
    try:
        header = [name.decode("utf-8") for name in split_fields(row.rstrip(b"\r\n"))]
    except UnicodeDecodeError as error:
        raise InputError(f"{where} is not text in UTF-8 ({error.reason} in its header): save it as UTF-8") from error
    except ValueError as error:
        raise InputError(f"{where} has {error} in its header: correct them") from error
    return header, Chunk(first.text[len(row) :], first.line + count_lines(row))


def _check_header(table: Table, header: list[str], where: str) -> None:
    missing = [name for name in table.column_names if name not in header]
    if missing:
        raise InputError(
            f"{where} has no column {', '.join(missing)} in its header, which is {','.join(header)[:200]!r}; "
            f"the table {table.name} needs {','.join(table.column_names)}, separated by commas, in its first line"
        )
    twice = [name for name, count in Counter(header).items() if count > 1]
    if twice:
        raise InputError(f"{where} has a column name twice in its header: {', '.join(twice)}; name each column once")
    extra = [name for name in header if name not in table.column_names]
    if extra:
        _log.warning("%s: columns that nobody asked for are ignored: %s", where, ", ".join(map(repr, extra)))


def _check_timestamps(texts: pa.StringArray) -> None:
    """Raise ArrowInvalid unless each text is a real date and time in canonical form."""
    pc.cast(texts, pa.timestamp("s"))  # 25:00:00 and February the 30th are refused
    lengths = pc.min_max(pc.binary_length(texts)).as_py()
    if not set(lengths.values()) <= {_TIMESTAMP_LENGTH, None} or pc.any(pc.match_substring(texts, "T")).as_py():
        raise pa.ArrowInvalid("a time is not in canonical form")
