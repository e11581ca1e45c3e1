"""The terms of items, and the long table that counts of items become."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
from scipy import sparse

from hpt_spark.data.arrow import give_memory_back
from hpt_spark.features.counts import Counts, counts_per_device, factorize, isin_sorted, rows_by_id
from hpt_spark.features.packed import packed_rows, packed_schema, packed_tallies

if TYPE_CHECKING:
    from pyspark import Broadcast
    from pyspark.sql import DataFrame


@dataclass(frozen=True)
class ItemTerms:
    """The terms that each item bears."""

    items: np.ndarray  # int64, distinct and sorted, for a quick search
    names: pa.Array  # of int64 or string: the name of each term; distinct
    incidence: sparse.csr_matrix  # of int64, items x terms: 1 where the item bears the term

    @classmethod
    def of_pairs(cls, items: pa.ChunkedArray, terms: pa.ChunkedArray) -> ItemTerms:
        """Return the terms of items from pairs, which may repeat."""
        distinct, rows = np.unique(items.to_numpy(), return_inverse=True)
        columns, names = factorize(terms)
        pairs = (np.ones(len(rows), np.int64), (rows, columns))
        return cls(distinct, names, _as_indicator(sparse.csr_matrix(pairs, shape=(len(distinct), len(names)))))

    def compose(self, others: ItemTerms) -> ItemTerms:
        """Return the terms in `others` of the terms of each item, as a product of the two relations."""
        return ItemTerms(self.items, others.names, _as_indicator(self.incidence @ others.of(self.names.to_numpy())))

    @property
    def bearing(self) -> np.ndarray:
        """The items that bear a term, sorted."""
        return self.items[np.diff(self.incidence.indptr) > 0]

    def of(self, items: np.ndarray) -> sparse.csr_matrix:
        """Return which terms each of `items` bears, as a row of 0 and 1; an unknown one bears none."""
        return rows_by_id(self.incidence, self.items, items)


def packed_shares(
    partial: DataFrame,
    known: Broadcast[np.ndarray],
    terms_of: Broadcast[dict[str, ItemTerms | None]],
    indicators: Collection[str],
    table: str,
    kinds: Broadcast[dict[str, np.ndarray]],
) -> DataFrame:
    """Return the terms of each device and block, with the share of the counts whose items bear the term.

    Beside them are tallies of the rows of the `table` that was counted: all (``rows``), those of a known
    device (``with_device``), and of these those of the `kinds`.

    Parameters
    ----------
    partial : DataFrame
        Counts, from `partial_counts`.
    known : Broadcast of ndarray of int64
        The devices that matter, sorted.
    terms_of : Broadcast of dict
        For each block the terms of the items; a term is then its place among their names. With None
        an item is its own and only term.
    indicators : collection of str
        The blocks whose values are to be 1 instead.
    table : str
    kinds : Broadcast of dict
        The items of each kind, sorted.

    Returns
    -------
    DataFrame
        `packed_schema` of numbers.
    """

    def pack(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        if added := counts_per_device(batches, known.value):
            counts, read = added
            yield packed_tallies(table, {"rows": read, **tallies(counts, kinds.value)}, pa.int64())
            for block, terms in terms_of.value.items():
                yield shares(counts, block, terms, block in indicators)
            give_memory_back()  # the worker stays, for tasks that need less

    return partial.mapInArrow(pack, packed_schema("bigint"))


def tallies(counts: Counts, kinds: Mapping[str, np.ndarray]) -> dict[str, int]:
    """Return how often something was counted, and how often an item of each of the `kinds`."""
    of_items = np.asarray(counts.matrix.sum(axis=0)).ravel()
    of_kinds = {kind: int(of_items[isin_sorted(counts.items, items)].sum()) for kind, items in kinds.items()}
    return {"with_device": int(of_items.sum()), **of_kinds}


def shares(counts: Counts, block: str, terms: ItemTerms | None, indicate: bool) -> pa.RecordBatch:
    """Return the shares of some devices, or 1 for each with `indicate`, as packed rows."""
    sums = counts.matrix if terms is None else counts.matrix @ terms.of(counts.items)
    all_counts = np.asarray(counts.matrix.sum(axis=1)).ravel()
    values = np.ones(sums.nnz) if indicate else sums.data / np.repeat(all_counts, np.diff(sums.indptr))
    found = counts.items[sums.indices] if terms is None else sums.indices
    terms_found = pa.array(found, pa.int64())
    return packed_rows(pa.array(counts.device_ids), block, sums.indptr, terms_found, values.astype(np.float32))


def _as_indicator(incidence: sparse.csr_matrix) -> sparse.csr_matrix:
    incidence.data[:] = 1  # duplicates have become 2
    return incidence
