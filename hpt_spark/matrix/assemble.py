"""Blocks become numbers: vocabularies from the training devices, then one sparse matrix."""

from __future__ import annotations

from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
from scipy import sparse

from hpt_spark.features.counts import factorize, rows_by_id, sparse_rows
from hpt_spark.matrix.coverage import by_table, check_blocks, check_classes, log_rows
from hpt_spark.matrix.design import DesignMatrix
from hpt_spark.matrix.vocabulary import Vocabulary, codes_of


@dataclass(frozen=True)
class AssembledBlock:
    """One block of the design matrix."""

    vocabulary: Vocabulary
    # CSR of float32: one row per device, one column per term.
    train: sparse.csr_matrix
    test: sparse.csr_matrix
    facts: dict[str, int]  # of the manifest: how many terms and devices are in it, and how many terms are left out


def assemble_block(
    block: CollectedBlock, train_ids: np.ndarray, test_ids: np.ndarray, min_devices: int = 1
) -> AssembledBlock:
    """Turn the long table of one block into its columns.

    Parameters
    ----------
    block : CollectedBlock
        Devices outside `train_ids` and `test_ids` are left out.
    train_ids, test_ids : ndarray of int64
        The devices of the matrices' rows.
    min_devices : int
        Terms that fewer training devices have are left out.
    """
    terms, values = (block.rows.column(name).combine_chunks() for name in ("terms", "values"))
    if block.names is None:
        codes, names = factorize(terms.flatten())
    else:
        codes, names = terms.flatten().to_numpy(), block.names
    of_devices = sparse_rows(terms, codes, values, len(names))
    device_ids = block.rows.column("device_id").to_numpy()
    train, test = (rows_by_id(of_devices, device_ids, wanted) for wanted in (train_ids, test_ids))

    devices_of_term, in_test = (np.bincount(matrix.indices, minlength=len(names)) for matrix in (train, test))
    kept = devices_of_term >= max(1, min_devices)
    texts = names.cast(pa.string())
    vocabulary = Vocabulary.of(block.name, texts.filter(pa.array(kept)).to_pylist(), block.numeric)
    column_of_code = vocabulary.numbers(texts)
    train, test = (_in_columns(matrix, column_of_code, len(vocabulary)) for matrix in (train, test))
    facts = {
        "columns": len(vocabulary),
        "rare_terms_dropped": int(np.count_nonzero(~kept & (devices_of_term > 0))),
        "test_only_terms_dropped": int(np.count_nonzero((in_test > 0) & (devices_of_term == 0))),
        "devices_of_commonest_term": int(devices_of_term.max(initial=0)),
        "training_devices": _rows_with_values(train),
        "test_devices": _rows_with_values(test),
    }
    return AssembledBlock(vocabulary, train, test, facts)


def _rows_with_values(matrix: sparse.csr_matrix) -> int:
    return int(np.count_nonzero(np.diff(matrix.indptr)))


def _in_columns(matrix: sparse.csr_matrix, column_of_code: np.ndarray, width: int) -> sparse.csr_matrix:
    """Return `matrix` with each code in its column, without the codes that have none."""
    columns = column_of_code[matrix.indices]
    used = columns >= 0
    if used.all():
        return sparse.csr_matrix((matrix.data, columns, matrix.indptr), shape=(matrix.shape[0], width))
    ends = np.concatenate(([0], np.cumsum(used)))[matrix.indptr]
    return sparse.csr_matrix((matrix.data[used], columns[used], ends), shape=(matrix.shape[0], width))


@dataclass(frozen=True)
class CollectedBlock:
    """The long table of one block, on the driver."""

    name: str
    numeric: bool  # whether the terms are ordered by value rather than by code point
    # `device_id: int64, terms: list of integer or string, values: list of float`, each device and, in its list, each
    # term once, in any order.
    rows: pa.Table
    names: pa.Array | None  # the names of the terms, where `rows` has positions here


@dataclass
class CollectedBlocks:
    """All blocks of a design matrix."""

    blocks: list[CollectedBlock]  # in the order of the columns
    groups: list[str]  # the class of each training device
    # int64: the devices of the rows.
    train_ids: np.ndarray
    test_ids: np.ndarray
    settings: dict[str, Any]  # the settings that made them, for the manifest
    tallies: dict[str, int]  # how many rows of a `table.kind` there are

    def design(self) -> DesignMatrix:
        """Make columns of the blocks and put them side by side; empty `blocks`, which are gigabytes, on the way.

        Raises
        ------
        InputError
            When there would be no column.
        """
        tables = by_table(self.tallies)
        log_rows(tables)
        assembled: list[AssembledBlock] = []
        min_devices = self.settings["min_devices"]
        self.blocks.reverse()
        while self.blocks:
            # A block has no name here: the last one would be kept until the end.
            assembled.append(assemble_block(self.blocks.pop(), self.train_ids, self.test_ids, min_devices))
        facts = {block.vocabulary.block: block.facts for block in assembled}
        check_blocks(facts, {"training": len(self.train_ids), "test": len(self.test_ids)}, min_devices)
        y_train, classes = codes_of(pa.array(self.groups, pa.string()))
        check_classes(classes)
        with ThreadPoolExecutor(2) as pool:
            parts = [block.train for block in assembled], [block.test for block in assembled]
            X_train, X_test = pool.map(side_by_side, parts)
        return DesignMatrix(
            X_train=X_train,
            X_test=X_test,
            y_train=y_train,
            train_device_ids=self.train_ids,
            test_device_ids=self.test_ids,
            columns=[(block.vocabulary.block, term) for block in assembled for term in block.vocabulary.terms],
            classes=classes,
            facts={**self.settings, "tables": tables, "blocks": facts},
        )


def side_by_side(matrices: Iterable[sparse.csr_matrix]) -> sparse.csr_matrix:
    """Return the blocks' matrices as one, with sorted column numbers in each row."""
    joined = sparse.hstack(list(matrices), format="csr", dtype=np.float32)
    joined.sort_indices()
    return joined
