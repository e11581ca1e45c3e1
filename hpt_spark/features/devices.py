"""Blocks from the device itself: its brand and its model."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
from pyspark.sql import functions as F

from hpt_spark.data.arrow import without_nulls
from hpt_spark.data.schemas import FILE_ROW
from hpt_spark.features.counts import isin_sorted
from hpt_spark.features.packed import packed_schema, packed_tallies

if TYPE_CHECKING:
    from pyspark import Broadcast
    from pyspark.sql import DataFrame


def packed_texts_of_devices(rows: DataFrame, columns: Mapping[str, str]) -> DataFrame:
    """Return the packed rows of blocks in which a text of each device is its only term, with the value 1.

    Parameters
    ----------
    rows : DataFrame
        A table with ``file_row``; of a repeated device the first row of the file counts.
    columns : mapping of str to str
        The column of each block.
    """
    first = rows.groupBy("device_id").agg(F.min_by(F.struct(*columns.values()), FILE_ROW).alias("first"))
    pairs = ", ".join(f"'{block}', first.{column}" for block, column in columns.items())
    texts = first.select("device_id", F.expr(f"stack({len(columns)}, {pairs}) as (block, term)")).dropna()
    return texts.select(
        "device_id", "block", F.array("term").alias("terms"), F.array(F.lit(1.0).cast("float")).alias("values")
    )


def packed_tallies_of_devices(rows: DataFrame, table: str, known: Broadcast[np.ndarray]) -> DataFrame:
    """Return tallies of the rows of a `table`: of all (``rows``), and of those of a `known` device (``with_device``).

    Parameters
    ----------
    rows : DataFrame
    table : str
    known : Broadcast of ndarray of int64
        The devices that matter, sorted.

    Returns
    -------
    DataFrame
        `packed_schema` of texts, without devices.
    """

    def tally(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        for batch in batches:
            found = without_nulls(pa.Table.from_batches([batch]), table)
            with_device = isin_sorted(found.column("device_id").to_numpy(), known.value).sum()
            yield packed_tallies(table, {"rows": batch.num_rows, "with_device": int(with_device)}, pa.string())

    return rows.select(FILE_ROW, "device_id").mapInArrow(tally, packed_schema("string"))
