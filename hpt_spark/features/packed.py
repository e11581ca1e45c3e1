"""The long table of device, block, term and value, packed: what a device has of a block is one row.

A million elements of arrays take Spark a tenth of the time that a million rows take.
"""

from __future__ import annotations

import numpy as np
import pyarrow as pa

NAMES = ("device_id", "block", "terms", "values")


def packed_schema(term: str) -> str:
    """Return the columns of a packed table whose terms are of Spark's type `term`."""
    kinds = ("bigint", "string", f"array<{term}>", "array<float>")
    return ", ".join(f"{name} {kind}" for name, kind in zip(NAMES, kinds))


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
