"""The files of a table, written anew."""

from __future__ import annotations

import shutil
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq


def rewrite(folder: Path, *parts: pa.Table) -> None:
    """Write the rows of a table in one file per part; the second is compressed otherwise."""
    shutil.rmtree(folder)
    folder.mkdir()
    for name, compression, rows in zip("ab", ("snappy", "zstd"), parts):
        pq.write_table(rows, folder / f"{name}.parquet", compression=compression)


def change_column(folder: Path, column: str, values: pa.Array) -> None:
    """Write a table with other values in one column, which keeps its type."""
    rows = pq.read_table(folder)
    at = rows.column_names.index(column)
    field = rows.schema.field(at).with_nullable(True)
    rewrite(folder, rows.set_column(at, field, pa.array(values, field.type)))
