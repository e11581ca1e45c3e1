"""Which terms an item has, and the long table that its counts become."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
from scipy import sparse

from hpt_spark.features.counts import Counts, numbered, rows_by_id

if TYPE_CHECKING:
    from pyspark import Broadcast
    from pyspark.sql import DataFrame


# A block's long table of device, term and value, packed: what a device has is one row, because a million elements
# of arrays take Spark a tenth of the time that a million rows take.
PACKED = "device_id bigint, terms array<bigint>, values array<float>"


@dataclass(frozen=True)
class TermsOfItems:
    """The terms that each item bears.

    Parameters
    ----------
    items : ndarray of int64, shape (n_items,)
        Each once.
    names : pyarrow.Array of int64 or string, length n_terms
        What each term is; each once.
    borne : scipy.sparse.csr_matrix of int64, shape (n_items, n_terms)
        1 where the item bears the term.
    """

    items: np.ndarray
    names: pa.Array
    borne: sparse.csr_matrix

    @classmethod
    def of_pairs(cls, items: pa.ChunkedArray, terms: pa.ChunkedArray) -> TermsOfItems:
        """Return the terms of items from pairs, of which some may be there twice."""
        rows, distinct = numbered(items)
        columns, names = numbered(terms)
        pairs = (np.ones(len(rows), np.int64), (rows, columns))
        return cls(distinct.to_numpy(), names, _once(sparse.csr_matrix(pairs, shape=(len(distinct), len(names)))))

    def through(self, others: TermsOfItems) -> TermsOfItems:
        """Return the terms that each item bears by way of its own terms, which are the items of `others`."""
        return TermsOfItems(self.items, others.names, _once(self.borne @ others.of(self.names.to_numpy())))

    def of(self, items: np.ndarray) -> sparse.csr_matrix:
        """Return which terms each of `items` bears, as a row of 0 and 1; an unknown one bears none."""
        return rows_by_id(self.borne, self.items, items)


def packed_shares(counts: DataFrame, terms: Broadcast[TermsOfItems] | None = None) -> DataFrame:
    """Return for each device its terms, and of each the share of the device's counts that is of items which bear it.

    Parameters
    ----------
    counts : DataFrame
        One row per device, from `counts_per_device`.
    terms : Broadcast of TermsOfItems, optional
        A term is then its place among their names. Without, an item is its own and only term.

    Returns
    -------
    DataFrame
        `PACKED`
    """

    def pack(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        for batch in batches:
            yield shares(Counts.of_arrow(batch), terms.value if terms else None)

    return counts.mapInArrow(pack, PACKED)


def shares(counts: Counts, terms: TermsOfItems | None) -> pa.RecordBatch:
    """Return the shares of some devices as the columns that `PACKED` names."""
    sums = counts.matrix if terms is None else counts.matrix @ terms.of(counts.items)
    all_counts = np.asarray(counts.matrix.sum(axis=1)).ravel()
    values = sums.data / np.repeat(all_counts, np.diff(sums.indptr))
    ends = pa.array(sums.indptr, pa.int32())
    columns = [
        pa.array(counts.device_ids),
        pa.ListArray.from_arrays(ends, pa.array(counts.items[sums.indices] if terms is None else sums.indices, pa.int64())),
        pa.ListArray.from_arrays(ends, pa.array(values.astype(np.float32))),
    ]
    return pa.RecordBatch.from_arrays(columns, names=["device_id", "terms", "values"])


def _once(borne: sparse.csr_matrix) -> sparse.csr_matrix:
    borne.data[:] = 1  # what is there twice has become 2
    return borne
