"""The long table of device, block, term and value, packed: one row per device and block.

A million elements of arrays take Spark a tenth of the time that a million rows take.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

NAMES = ("device_id", "block", "terms", "values")
REPEATED_TERM = re.compile(r"Duplicate map key (.{0,80}?) was found")  # as Spark says in `map_from_entries`


def packed_schema(term: str) -> str:
    """Return the columns of a packed table whose terms are of Spark's type `term`."""
    kinds = ("bigint", "string", f"array<{term}>", "array<float>")
    return ", ".join(f"{name} {kind}" for name, kind in zip(NAMES, kinds))


def pack(frame: DataFrame) -> DataFrame:
    """Pack a long table, so that a feature may be written as a plain DataFrame.

    Parameters
    ----------
    frame : DataFrame
        ``device_id: bigint, block: string, term: bigint or string, value: double``, each term of a device and
        block once: Spark refuses a second one. A row with a null says nothing and is left out.

    Returns
    -------
    DataFrame
        `packed_schema` of the terms' type.
    """
    from pyspark.sql import functions as F

    found = F.map_from_entries(F.collect_list(F.struct("term", F.col("value").cast("float"))))
    packed = frame.dropna().groupBy("device_id", "block").agg(found.alias("found"))
    return packed.select(
        "device_id", "block", F.map_keys("found").alias("terms"), F.map_values("found").alias("values")
    )


def packed_rows(
    device_ids: pa.Array, block: str, ends: np.ndarray, terms: pa.Array, values: np.ndarray
) -> pa.RecordBatch:
    """Return one row per device; the terms of row i, and their values, lie from ``ends[i]`` to ``ends[i + 1]``."""
    offsets = pa.array(ends, pa.int32())
    columns = [
        device_ids,
        pa.array([block] * len(device_ids), pa.string()),
        pa.ListArray.from_arrays(offsets, terms),
        pa.ListArray.from_arrays(offsets, pa.array(values, pa.float32())),
    ]
    return pa.RecordBatch.from_arrays(columns, names=list(NAMES))


def packed_tallies(table: str, counts: Mapping[str, int], term: pa.DataType) -> pa.RecordBatch:
    """Return how many rows of a table are of each kind, as packed rows without a device.

    The block names the table and the kind, the only term is the number: a tally comes to the driver with the counts,
    and only once even where Spark repeats a task.
    """
    blocks = [f"{table}.{kind}" for kind in counts]
    numbers = pa.array(counts.values(), pa.int64()).cast(term)
    columns = [
        pa.nulls(len(blocks), pa.int64()),
        pa.array(blocks, pa.string()),
        pa.ListArray.from_arrays(pa.array(range(len(blocks) + 1), pa.int32()), numbers),
        pa.array([[]] * len(blocks), pa.list_(pa.float32())),
    ]
    return pa.RecordBatch.from_arrays(columns, names=list(NAMES))


def tallies_in(rows: pa.RecordBatch) -> Counter[str]:
    """Return the sums of the packed rows without a device, by ``table.kind``."""
    sums: Counter[str] = Counter()
    without_device = rows.filter(rows.column("device_id").is_null())
    for name, terms in zip(without_device.column("block").to_pylist(), without_device.column("terms").to_pylist()):
        sums[name] += int(terms[0])
    return sums
