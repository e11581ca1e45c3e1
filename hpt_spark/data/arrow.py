"""Rows in columnar form: out of Spark, and batches gathered into tables."""

from __future__ import annotations

import ctypes
import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.parquet as pq

from hpt_spark.errors import InputError

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

ROWS_READ_AT_A_TIME = 1 << 16  # fits the cache, which halves the time

_DAMAGED = "cannot be read as a part of its table{}; run `hpt-spark ingest` again."
ERROR_OF_WORKER = re.compile(r"hpt_spark\.errors\.InputError: ([^\n]+)")
_UNREADABLE = re.compile(
    r"(\S+) is not a Parquet file|Could not read footer for file:? (\S+)|[Ee]rror while reading file (\S+?)\.?\s"
)


def arrow_of(frame: DataFrame) -> pa.Table:
    """Return all rows of `frame`, a query on the scenario's tables, in columnar form.

    Raises
    ------
    InputError
        When a Parquet file cannot be read.
    """
    with translate_unreadable_files():
        return collected(frame)


def collected(frame: DataFrame) -> pa.Table:
    """Return all rows of `frame` in columnar form, the only quick way for millions of rows."""
    if hasattr(frame, "toArrow"):
        return frame.toArrow()
    # Before Spark 4.0 the same transfer has no public name; toPandas would make an object of every text.
    from pyspark.sql.pandas.types import to_arrow_schema

    batches = frame._collect_as_arrow()  # type: ignore[operator]
    return pa.Table.from_batches(batches, to_arrow_schema(frame.schema))


@contextmanager
def translate_unreadable_files() -> Iterator[None]:
    """Raise InputError with the unreadable Parquet file, where Spark or a worker names it in a hundred lines."""
    try:
        yield
    except Exception as error:
        told = ERROR_OF_WORKER.search(str(error))
        if told:
            raise InputError(told[1]) from None
        file = _UNREADABLE.search(str(error))
        if file:
            raise InputError(f"{next(filter(None, file.groups()))} {_DAMAGED.format('')}") from None
        raise


def rows_in(files: Iterable[pa.RecordBatch], *ids: str) -> Iterator[pa.RecordBatch]:
    """Read columns of ids of Parquet files, some rows at a time.

    Parameters
    ----------
    files : iterable of RecordBatch
        Each row is a file, ``path: string, content: binary``.
    *ids : str
        The columns; they become int64 without nulls.

    Raises
    ------
    InputError
        When a file cannot be read or does not hold that.
    """
    schema = pa.schema([(name, pa.int64()) for name in ids])
    for batch in files:
        for path, content in zip(batch.column("path"), batch.column("content")):
            try:
                file = pq.ParquetFile(pa.BufferReader(content.as_buffer()))
                for rows in file.iter_batches(ROWS_READ_AT_A_TIME, columns=list(ids), use_threads=False):
                    yield _as_ids(rows, schema)
            except (pa.ArrowException, OSError, KeyError) as error:
                reason = " ".join(str(error).split())
                raise InputError(f"{path} {_DAMAGED.format(f' ({reason})')}") from None


def _as_ids(rows: pa.RecordBatch, schema: pa.Schema) -> pa.RecordBatch:
    columns = [rows.column(name) for name in schema.names]
    for name, column in zip(schema.names, columns):
        if column.null_count or pa.types.is_floating(column.type):
            raise pa.ArrowInvalid(f"{name} has rows without an id" if column.null_count else f"{name} is {column.type}")
    return pa.RecordBatch.from_arrays([column.cast(pa.int64()) for column in columns], schema=schema)


def without_nulls(rows: pa.Table, table: str) -> pa.Table:
    """Return `rows` of a table; refuse nulls.

    Tables of `ingest` have none, tables of other programs may. A null would make floats of ids,
    which cannot hold all of them.

    Raises
    ------
    InputError
        When a value is missing.
    """
    for name, column in zip(rows.column_names, rows.columns):
        if column.null_count:
            raise InputError(
                f"the table {table} has rows without {name}, which each row must have; run `hpt-spark ingest` again."
            )
    return rows


def give_memory_back() -> None:
    """Return freed memory, which Arrow and the C library keep, to the system: other processes need it next."""
    pa.default_memory_pool().release_unused()
    with suppress(AttributeError):  # a C library other than glibc has its own ways
        ctypes.CDLL(None).malloc_trim(0)


def gather(batches: Iterable[pa.RecordBatch], least: int, schema: pa.Schema | None = None) -> Iterator[pa.Table]:
    """Gather batches into tables of at least so many rows each, but for the last."""
    held: list[pa.RecordBatch] = []
    rows = 0
    for batch in batches:
        held.append(batch)
        rows += batch.num_rows
        if rows >= least:
            yield pa.Table.from_batches(held, schema)
            held, rows = [], 0
    if rows:
        yield pa.Table.from_batches(held, schema)
