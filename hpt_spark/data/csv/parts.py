"""Parquet files that Spark reads in parallel: several parts per table, several row groups per part."""

from __future__ import annotations

from contextlib import ExitStack
from types import TracebackType

import pyarrow as pa
import pyarrow.parquet as pq

from hpt_spark.storage import Folder

ROW_GROUPS_PER_PART = 4


class Parts:
    """Writes row groups to ``TABLE/part-00000.parquet``, ``TABLE/part-00001.parquet`` ... in a folder.

    A part is written on this machine and handed to the folder as soon as it is finished, so that
    where the folder is elsewhere the disk holds one part at a time.

    Parameters
    ----------
    folder : Folder
    table : str
        The name of the table.
    schema : Schema
        Of all row groups.
    """

    def __init__(self, folder: Folder, table: str, schema: pa.Schema) -> None:
        self.count = 0
        self.rows = 0
        self._folder = folder
        self._table = table
        self._schema = schema
        self._groups_in_part = 0
        self._part = ExitStack()
        self._writer: pq.ParquetWriter | None = None

    def write(self, rows: pa.Table) -> None:
        """Write one row group."""
        if self._writer is None:
            self._writer = self._next_part()
        self._writer.write_table(rows, row_group_size=rows.num_rows)
        self.rows += rows.num_rows
        self._groups_in_part += 1
        if self._groups_in_part == ROW_GROUPS_PER_PART:
            self._part.close()
            self._writer, self._groups_in_part = None, 0

    def _next_part(self) -> pq.ParquetWriter:
        path = self._part.enter_context(self._folder.atomic_write(f"{self._table}/part-{self.count:05}.parquet"))
        self.count += 1
        # Arrow's own schema says nothing that Spark needs.
        writer = pq.ParquetWriter(path, self._schema, compression="snappy", store_schema=False)
        return self._part.enter_context(writer)

    def __enter__(self) -> Parts:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        self._part.__exit__(kind, error, tb)
