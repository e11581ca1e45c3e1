"""Parquet files that Spark reads in parallel: several parts per table, several row groups per part."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from types import TracebackType

import pyarrow as pa
import pyarrow.parquet as pq

ROW_GROUP_ROWS = 1 << 20
ROW_GROUPS_PER_PART = 4


def row_groups(batches: Iterable[pa.RecordBatch], schema: pa.Schema) -> Iterator[pa.Table]:
    """Gather batches into tables that are large enough to be a row group each."""
    gathered: list[pa.RecordBatch] = []
    rows = 0
    for batch in batches:
        gathered.append(batch)
        rows += batch.num_rows
        if rows >= ROW_GROUP_ROWS:
            yield pa.Table.from_batches(gathered, schema)
            gathered, rows = [], 0
    if rows:
        yield pa.Table.from_batches(gathered, schema)


class Parts:
    """Writes row groups to ``part-00000.parquet``, ``part-00001.parquet`` ... in a folder.

    Parameters
    ----------
    folder : Path
        Is created.
    schema : Schema
        Of all row groups.
    """

    def __init__(self, folder: Path, schema: pa.Schema) -> None:
        folder.mkdir(parents=True)
        self.count = 0
        self.rows = 0
        self._folder = folder
        self._schema = schema
        self._groups_in_part = 0
        self._writer: pq.ParquetWriter | None = None

    def write(self, rows: pa.Table) -> None:
        """Write one row group."""
        if self._writer is None:
            path = self._folder / f"part-{self.count:05}.parquet"
            # Arrow's own schema says nothing that Spark needs.
            self._writer = pq.ParquetWriter(path, self._schema, compression="snappy", store_schema=False)
            self.count += 1
        self._writer.write_table(rows, row_group_size=rows.num_rows)
        self.rows += rows.num_rows
        self._groups_in_part += 1
        if self._groups_in_part == ROW_GROUPS_PER_PART:
            self._finish_part()

    def _finish_part(self) -> None:
        if self._writer is not None:
            self._writer.close()
        self._writer, self._groups_in_part = None, 0

    def __enter__(self) -> Parts:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        self._finish_part()
