"""Rows in columnar form: out of Spark, and batches gathered into tables."""

from __future__ import annotations

import ctypes
from collections.abc import Iterable, Iterator
from contextlib import suppress
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.parquet as pq

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

ROWS_READ_AT_A_TIME = 1 << 16  # what fits the cache is read in half the time


def arrow_of(frame: DataFrame) -> pa.Table:
    """Return all rows of `frame` in columnar form, which for millions of rows is the only quick way out of Spark."""
    if hasattr(frame, "toArrow"):
        return frame.toArrow()
    # Before Spark 4.0 the same transfer has no public name; toPandas would make an object of every text.
    from pyspark.sql.pandas.types import to_arrow_schema

    return pa.Table.from_batches(frame._collect_as_arrow(), to_arrow_schema(frame.schema))  # type: ignore[operator]


def rows_in(files: Iterable[pa.RecordBatch], *columns: str) -> Iterator[pa.RecordBatch]:
    """Read some columns of Parquet files, of which each is a row ``content: binary``, not all rows at once."""
    for batch in files:
        for content in batch.column("content"):
            file = pq.ParquetFile(pa.BufferReader(content.as_buffer()))
            yield from file.iter_batches(ROWS_READ_AT_A_TIME, columns=list(columns), use_threads=False)


def give_memory_back() -> None:
    """Let the system have what Arrow and the C library keep of freed memory, where other processes need it next."""
    pa.default_memory_pool().release_unused()
    with suppress(AttributeError):  # a C library other than glibc has its own ways
        ctypes.CDLL(None).malloc_trim(0)


def gathered(batches: Iterable[pa.RecordBatch], least: int, schema: pa.Schema | None = None) -> Iterator[pa.Table]:
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
