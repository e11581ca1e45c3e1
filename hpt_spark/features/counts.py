"""How often each device has each item (an app, an hour of the week): a sparse matrix, its rows spread over a DataFrame.

A sum of such rows is a sparse product, which counts millions of pairs several times as fast as
Spark's own groups. Everything here but `partial_counts` runs in Spark's Python workers.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from scipy import sparse

from hpt_spark.data.arrow import gather

if TYPE_CHECKING:
    from pyspark import Broadcast
    from pyspark.sql import DataFrame

SCHEMA = "device_id bigint, items array<bigint>, counts array<bigint>"

# Rows counted at once: larger chunks leave fewer rows to exchange, smaller ones need less memory (about 100 MB).
ROWS_AT_A_TIME = 1 << 21


@dataclass(frozen=True)
class Counts:
    """Counts of items."""

    device_ids: np.ndarray  # int64, of each row
    items: np.ndarray  # int64, of each column, each once
    matrix: sparse.csr_matrix  # of int32 or int64: how often the device of a row has each item

    @classmethod
    def of_arrow(cls, rows: pa.RecordBatch) -> Counts:
        """Read the columns that `SCHEMA` names."""
        codes, items = factorize(rows.column("items").flatten())
        matrix = sparse_rows(rows.column("items"), codes, rows.column("counts"), len(items))
        return cls(rows.column("device_id").to_numpy(), items.to_numpy(), matrix)

    def to_arrow(self) -> pa.RecordBatch:
        """Return the rows as the columns that `SCHEMA` names."""
        ends = pa.array(self.matrix.indptr, pa.int32())
        columns = [
            pa.array(self.device_ids),
            pa.ListArray.from_arrays(ends, pa.array(self.items[self.matrix.indices])),
            pa.ListArray.from_arrays(ends, pa.array(self.matrix.data, pa.int64())),
        ]
        return pa.RecordBatch.from_arrays(columns, names=["device_id", "items", "counts"])

    def per_device(self, known: np.ndarray) -> Counts:
        """Add up the rows of each device of the `known` ones, which are sorted."""
        codes, distinct = factorize(pa.array(self.device_ids))
        device_ids = distinct.to_numpy()
        at = np.flatnonzero(isin_sorted(device_ids, known)[codes])
        ones = np.ones(len(at), self.matrix.dtype)
        rows_of_device = sparse.csr_matrix((ones, (codes[at], at)), shape=(len(device_ids), len(codes)))
        return Counts(device_ids, self.items, rows_of_device @ self.matrix).without_empty_rows()

    def without_empty_rows(self) -> Counts:
        """Return the rows that have a count."""
        lengths = np.diff(self.matrix.indptr)
        some = lengths > 0
        ends = np.concatenate(([0], np.cumsum(lengths[some])))
        matrix = sparse.csr_matrix(
            (self.matrix.data, self.matrix.indices, ends), shape=(int(some.sum()), len(self.items))
        )
        return Counts(self.device_ids[some], self.items, matrix)


def partial_counts(
    frame: DataFrame,
    counted: Callable[[pa.Table], Counts],
    known: Broadcast[np.ndarray],
    rows_of: Callable[[Iterable[pa.RecordBatch]], Iterable[pa.RecordBatch]] = iter,
) -> DataFrame:
    """Return the counts of some rows at a time, all those of a device in one partition, for `counts_per_device`.

    Parameters
    ----------
    frame : DataFrame
    counted : callable
        Returns the counts of some of the rows; a device may have several rows in them.
    known : Broadcast of ndarray of int64
        The devices that matter, sorted.
    rows_of : callable
        Makes the rows to count from the rows of the `frame`, e.g. from paths of files.

    Returns
    -------
    DataFrame
        `SCHEMA`: a device may have several rows; those without a device are for `rows_read`.
    """

    def count(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        for chunk in gather(rows_of(batches), ROWS_AT_A_TIME):
            yield counted(chunk).per_device(known.value).to_arrow()
            yield without_device(chunk.num_rows)

    return frame.mapInArrow(count, SCHEMA).repartition("device_id")


def counts_per_device(partial: Iterable[pa.RecordBatch], known: np.ndarray) -> tuple[Counts, int] | None:
    """Add up a partition of `partial_counts`: return one row per device, and how many rows of the table were counted.

    An empty partition has nothing to add up.
    """
    batches = [batch for batch in partial if batch.num_rows]
    if not batches:
        return None
    (rows,) = pa.Table.from_batches(batches).combine_chunks().to_batches()
    rows, read = rows_read(rows)
    return Counts.of_arrow(rows).per_device(known), read


def without_device(rows: int) -> pa.RecordBatch:
    """Return the row of `SCHEMA` with the number of counted rows of the table, unknown devices included."""
    columns = {
        "device_id": pa.nulls(1, pa.int64()),
        "items": pa.array([[]], pa.list_(pa.int64())),
        "counts": pa.array([[rows]], pa.list_(pa.int64())),
    }
    return pa.RecordBatch.from_pydict(columns)


def rows_read(rows: pa.RecordBatch) -> tuple[pa.RecordBatch, int]:
    """Return the rows of devices, and from the other rows the number of counted rows of the table."""
    if not rows.column("device_id").null_count:
        return rows, 0
    of_device = rows.column("device_id").is_valid()
    return rows.filter(of_device), pc.sum(rows.filter(pc.invert(of_device)).column("counts").flatten()).as_py()


def factorize(column: pa.Array | pa.ChunkedArray) -> tuple[np.ndarray, pa.Array]:
    """Return integer codes and the distinct values, like ``pandas.factorize``."""
    if isinstance(column, pa.ChunkedArray):
        column = column.combine_chunks()
    encoded = column.dictionary_encode()
    return encoded.indices.to_numpy(), encoded.dictionary


def isin_sorted(values: np.ndarray, known: np.ndarray) -> np.ndarray:
    """Return which of `values` are among the sorted `known`; `numpy.isin` would sort them each time."""
    if not len(known):
        return np.zeros(len(values), bool)
    return known[np.searchsorted(known, values).clip(max=len(known) - 1)] == values


def rows_by_id(matrix: sparse.csr_matrix, ids: np.ndarray, wanted: np.ndarray) -> sparse.csr_matrix:
    """Return the rows of the `wanted` ids, like ``DataFrame.reindex``; `ids` name the rows, an unknown one is empty."""
    if not len(ids):
        return sparse.csr_matrix((len(wanted), matrix.shape[1]), dtype=matrix.dtype)
    order = np.argsort(ids, kind="stable")
    at = order[np.searchsorted(ids, wanted, sorter=order).clip(max=len(ids) - 1)]
    ends = np.append(matrix.indptr, matrix.indptr[-1])
    with_empty_row = sparse.csr_matrix((matrix.data, matrix.indices, ends), shape=(len(ids) + 1, matrix.shape[1]))
    return with_empty_row[np.where(ids[at] == wanted, at, len(ids))]


def sparse_rows(terms: pa.ListArray, codes: np.ndarray, values: pa.ListArray, width: int) -> sparse.csr_matrix:
    """Return lists of terms, flattened as `codes`, with lists of their values as rows of a matrix."""
    ends = np.concatenate(([0], np.cumsum(terms.value_lengths().to_numpy())))
    return sparse.csr_matrix((values.flatten().to_numpy(), codes, ends), shape=(len(terms), width))
