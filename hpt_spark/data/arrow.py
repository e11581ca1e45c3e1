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
    from pyspark.sql.pandas.types import to_arrow_schema

    return pa.Table.from_batches(frame._collect_as_arrow(), to_arrow_schema(frame.schema))  # type: ignore[operator]
