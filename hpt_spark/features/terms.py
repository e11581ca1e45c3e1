"""Which terms an item has, and the long table that its counts become."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
from scipy import sparse

from hpt_spark.features.counts import Counts

if TYPE_CHECKING:
    from pyspark import Broadcast
    from pyspark.sql import DataFrame


@dataclass(frozen=True)
class TermsOfItems:
    """The terms that each item bears.

    Parameters
    ----------
    items : ndarray of int64, shape (n_items,)
        In ascending order, each once.
    terms : pyarrow.Array of int64 or string, length n_terms
        Each once.
    borne : scipy.sparse.csr_matrix of int64, shape (n_items + 1, n_terms)
        1 where the item bears the term. The last row is that of all other items, which bear none.
    """

    items: np.ndarray
    terms: pa.Array
    borne: sparse.csr_matrix

    @classmethod
    def of_pairs(cls, items: pa.ChunkedArray, terms: pa.ChunkedArray) -> TermsOfItems:
        """Return the terms of items from pairs, of which some may be there twice."""
        distinct, rows = np.unique(items.to_numpy(), return_inverse=True)
        encoded = terms.combine_chunks().dictionary_encode()
        shape = (len(distinct) + 1, len(encoded.dictionary))
        borne = sparse.csr_matrix((np.ones(len(rows), np.int64), (rows, encoded.indices.to_numpy())), shape=shape)
        borne.data[:] = 1  # what was there twice has become 2
        return cls(distinct, encoded.dictionary, borne)

    def through(self, others: TermsOfItems) -> TermsOfItems:
        """Return the terms that each item bears by way of its own terms, which are the items of `others`."""
        borne = self.borne @ others.rows_of(self.terms.to_numpy())
        borne.data[:] = 1
        return TermsOfItems(self.items, others.terms, borne)

    def rows_of(self, items: np.ndarray) -> sparse.csr_matrix:
        """Return which terms each of `items` bears, as a row of 0 and 1."""
        at = np.searchsorted(self.items, items)
        is_one = np.append(self.items, 0)[at] == items
        return self.borne[np.where(is_one & (at < len(self.items)), at, len(self.items))]


def spread_over_terms(counts: DataFrame, terms: Broadcast[TermsOfItems] | None = None) -> DataFrame:
    """Return ``device_id, term, value``: the share of a device's counts that is of items which bear each term.

    Parameters
    ----------
    counts : DataFrame
        One row per device, from `counts_per_device`.
    terms : Broadcast of TermsOfItems, optional
        None: an item is its own and only term.
    """

    def spread(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        for batch in batches:
            yield shares(Counts.of_arrow(batch), terms.value if terms else None)

    of_text = terms is not None and pa.types.is_string(terms.value.terms.type)
    return counts.mapInArrow(spread, f"device_id bigint, term {'string' if of_text else 'bigint'}, value float")


def shares(counts: Counts, terms: TermsOfItems | None) -> pa.RecordBatch:
    """Return ``device_id, term, value`` of some devices."""
    names = pa.array(counts.items) if terms is None else terms.terms
    sums = counts.matrix if terms is None else counts.matrix @ terms.rows_of(counts.items)
    lengths = np.diff(sums.indptr)
    all_counts = np.asarray(counts.matrix.sum(axis=1)).ravel()
    values = sums.data / np.repeat(all_counts, lengths)
    columns = [
        pa.array(np.repeat(counts.device_ids, lengths)),
        names.take(pa.array(sums.indices)),
        pa.array(values.astype(np.float32)),
    ]
    return pa.RecordBatch.from_arrays(columns, names=["device_id", "term", "value"])
