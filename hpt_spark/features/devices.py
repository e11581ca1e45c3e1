"""Blocks from the device itself: its brand and its model."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa

from hpt_spark.data.arrow import without_nulls
from hpt_spark.data.schemas import FILE_ROW
from hpt_spark.features.counts import isin_sorted
from hpt_spark.features.packed import packed_rows, packed_schema, packed_tallies

if TYPE_CHECKING:
    from pyspark import Broadcast
    from pyspark.sql import DataFrame


def packed_texts(
    phone_brand_device_model: DataFrame, columns: dict[str, str], known: Broadcast[np.ndarray]
) -> DataFrame:
    """Return for each device and block the text of a column as the only term, with the value 1; a null gives none.

    Beside them are tallies of the table's rows: all (``rows``), and those of a `known` device (``with_device``).

    Parameters
    ----------
    phone_brand_device_model : DataFrame
        The table of that name; of a repeated device the first row of the file counts.
    columns : dict
        The column of each block.
    known : Broadcast of ndarray of int64
        The devices that matter, sorted.

    Returns
    -------
    DataFrame
        `packed_schema` of texts.
    """

    def pack(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        rows = list(batches)
        if rows:
            table = pa.Table.from_batches(rows)
            without_nulls(table.select([FILE_ROW, "device_id"]), "phone_brand_device_model")
            with_device = isin_sorted(table.column("device_id").to_numpy(), known.value).sum()
            counts = {"rows": table.num_rows, "with_device": int(with_device)}
            yield packed_tallies("phone_brand_device_model", counts, pa.string())
            first = first_rows(table)
            yield from (_packed(block, first.select(["device_id", column])) for block, column in columns.items())

    needed = phone_brand_device_model.select(FILE_ROW, "device_id", *columns.values())
    return needed.repartition("device_id").mapInArrow(pack, packed_schema("string"))


def first_rows(rows: pa.Table) -> pa.Table:
    """Return the first row of each device in the order of the file."""
    in_order = rows.sort_by(FILE_ROW)
    _, first = np.unique(in_order.column("device_id").to_numpy(), return_index=True)
    return in_order.take(pa.array(first))


def _packed(block: str, rows: pa.Table) -> pa.RecordBatch:
    device_ids, texts = (column.combine_chunks() for column in rows.drop_null().columns)
    return packed_rows(device_ids, block, np.arange(len(texts) + 1), texts, np.ones(len(texts), np.float32))
