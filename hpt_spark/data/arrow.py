"""From Spark to the driver in columnar form."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pyarrow as pa

if TYPE_CHECKING:
    from pyspark.sql import DataFrame


def arrow_of(frame: DataFrame) -> pa.Table:
    """Return all rows of `frame` in columnar form, which for millions of rows is the only quick way out of Spark."""
    if hasattr(frame, "toArrow"):
        return frame.toArrow()
    # Before Spark 4.0 the same transfer has no public name; toPandas would make an object of every text.
    batches = frame._collect_as_arrow()  # type: ignore[operator]
    return pa.Table.from_batches(batches) if batches else _empty_arrow(frame)


def _empty_arrow(frame: DataFrame) -> pa.Table:
    kinds = {"bigint": pa.int64(), "string": pa.string(), "float": pa.float32()}
    return pa.table({name: pa.array([], kinds[kind]) for name, kind in frame.dtypes})
