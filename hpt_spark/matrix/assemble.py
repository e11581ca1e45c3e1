"""Blocks become numbers: vocabularies from the training devices, then one sparse matrix."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from scipy import sparse

from hpt_spark.matrix.vocabulary import Vocabulary


class RowsOfDevices:
    """Which row of a matrix each device is.

    Parameters
    ----------
    device_ids : ndarray of int64, shape (n_rows,)
        Each device once, in the order of the rows.
    """

    def __init__(self, device_ids: np.ndarray) -> None:
        self._order = np.argsort(device_ids, kind="stable").astype(np.int32)
        self._sorted = device_ids[self._order]
        self.count = len(device_ids)

    def rows(self, device_ids: np.ndarray) -> np.ndarray:
        """Return the row of each of `device_ids` as int32; -1 for a device that has none."""
        if not self.count:
            return np.full(len(device_ids), -1, np.int32)
        at = np.searchsorted(self._sorted, device_ids)
        at[at == self.count] = 0
        return np.where(self._sorted[at] == device_ids, self._order[at], np.int32(-1))


@dataclass(frozen=True)
class AssembledBlock:
    """One block of the design matrix.

    Parameters
    ----------
    vocabulary : Vocabulary
    train, test : scipy.sparse.csr_matrix of float32
        One row per device, one column per term.
    rare_terms : int
        Terms left out because too few training devices have them.
    test_only_terms : int
        Terms left out because no training device has them.
    """

    vocabulary: Vocabulary
    train: sparse.csr_matrix
    test: sparse.csr_matrix
    rare_terms: int
    test_only_terms: int


def assemble_block(
    block: str, numeric: bool, table: pa.Table, train: RowsOfDevices, test: RowsOfDevices, min_devices: int = 1
) -> AssembledBlock:
    """Turn the long table of one block into its columns.

    Parameters
    ----------
    block : str
    numeric : bool
        Whether the terms are ordered by value rather than by code point.
    table : pyarrow.Table
        ``device_id: int64, term: string or int64, value: float``, each pair of device and term
        once, in any order of rows.
    train, test : RowsOfDevices
        Rows of the table that are of neither are left out.
    min_devices : int
        Terms that fewer training devices have are left out.
    """
    codes, terms = _numbered(table.column("term"))
    terms = terms.cast(pa.string())
    device_codes, devices = _numbered(table.column("device_id"))
    device_ids = devices.to_numpy()
    values = table.column("value").to_numpy()

    train_rows, test_rows = (rows_of.rows(device_ids)[device_codes] for rows_of in (train, test))
    devices_of_term = np.bincount(codes[train_rows >= 0], minlength=len(terms))
    kept = devices_of_term >= max(1, min_devices)
    vocabulary = Vocabulary.of(block, terms.filter(pa.array(kept)).to_pylist(), numeric)
    column_of_code = vocabulary.numbers(terms)
    columns = column_of_code[codes]

    def matrix(rows: np.ndarray, count: int) -> sparse.csr_matrix:
        used = (rows >= 0) & (columns >= 0)
        entries = (values[used], (rows[used], columns[used]))
        return sparse.csr_matrix(entries, shape=(count, len(vocabulary)), dtype=np.float32)

    in_test = np.bincount(codes[test_rows >= 0], minlength=len(terms)) > 0
    return AssembledBlock(
        vocabulary,
        matrix(train_rows, train.count),
        matrix(test_rows, test.count),
        rare_terms=int(np.count_nonzero(~kept & (devices_of_term > 0))),
        test_only_terms=int(np.count_nonzero(in_test & (devices_of_term == 0))),
    )


def _numbered(column: pa.ChunkedArray) -> tuple[np.ndarray, pa.Array]:
    """Return for each of millions of values its place among the distinct ones, and these, which are few."""
    encoded = column.combine_chunks().dictionary_encode()
    return encoded.indices.to_numpy(), encoded.dictionary


def side_by_side(matrices: Iterable[sparse.csr_matrix]) -> sparse.csr_matrix:
    """Return the blocks' matrices as one, with sorted column numbers in each row."""
    joined = sparse.hstack(list(matrices), format="csr", dtype=np.float32)
    joined.sort_indices()
    return joined


def encode_classes(groups: Iterable[str]) -> tuple[list[str], np.ndarray]:
    """Return the sorted classes, and the number of each row's class as int32."""
    encoded = pa.array(groups, pa.string()).dictionary_encode()
    classes = encoded.dictionary.to_pylist()
    order = np.argsort(pc.sort_indices(encoded.dictionary).to_numpy()).astype(np.int32)
    return sorted(classes), order[encoded.indices.to_numpy()]
