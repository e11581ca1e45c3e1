"""Canonical rows become rows of a matrix on the executors, and come to the driver in an order of their own."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from hpt_spark.data.arrow import collected
from hpt_spark.errors import InputError
from hpt_spark.matrix.vocabulary import codes_of
from hpt_spark.tables.encoding import PROBLEM, TableEncoding, lists_of_matrix, matrix_of_lists
from hpt_spark.tables.profile import KEYS, ROW_HASH, digest_of

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

CELLS = 4 << 20  # of the matrix of one batch: 32 MiB of float64


@dataclass(frozen=True)
class CollectedRows:
    """The rows of a table on the driver, in order."""

    X: Any  # ndarray or CSR, of float64
    keys: dict[str, pa.Array]  # the `id`, `label`, `weight` and `group` of each row
    digest: str  # as `Profile` has it
    unseen: np.ndarray  # int64: how many unknown terms each column with terms has


def collect_rows(canonical: DataFrame, encoding: TableEncoding, by_group: bool = False) -> CollectedRows:
    """Bring the rows of a matrix to the driver.

    They are sorted by their ids, by value or by code point; without ids by a hash of all that is in them, so that their
    order depends neither on partitions nor on files. With `by_group` the rows of a group are side by side.

    `canonical` is what `canonical_rows` gives, with ``x0``, ``x1`` ... of the columns of `encoding`.

    Raises
    ------
    InputError
        When a cell cannot be read.
    """
    table = collected(encoded_rows(canonical, encoding))
    problems = table.column(PROBLEM).drop_null()
    if len(problems):
        raise InputError(problems[0].as_py())
    hashes = table.column(ROW_HASH).to_numpy().astype(np.int64)
    total = int(hashes.sum())  # modulo 2**64, as `digest_of` has it
    unseen = np.array([0] * len(encoding.with_terms), np.int64)
    for counts in table.column("unseen").drop_null().to_pylist():
        unseen += np.array(counts, np.int64)
    keys = {name: table.column(name).combine_chunks() for name in KEYS}
    X = matrix_of_lists(table.column("places"), table.column("values"), encoding)
    table = None
    order = _order(keys, hashes, by_group)
    keys = {name: column.take(pa.array(order)) for name, column in keys.items()}
    return CollectedRows(X[order], keys, digest_of(len(order), total), unseen)


def encoded_rows(canonical: DataFrame, encoding: TableEncoding) -> DataFrame:
    """Return ``hash, id, label, weight, group, places, values, unseen`` of canonical rows.

    The first row of a batch has the numbers of unknown terms of all its rows.
    """
    types = dict(canonical.dtypes)
    kept = (ROW_HASH, *KEYS)
    schema = ", ".join(f"{name} {types[name]}" for name in kept)
    schema += f", places array<int>, values array<double>, unseen array<bigint>, {PROBLEM} string"

    stored = encoding.stored_per_row

    def encode(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        for batch in small_batches(batches, stored):
            keys = [batch.column(batch.schema.get_field_index(name)) for name in kept]
            try:
                matrix, unseen = encoding.transform(batch)
            except InputError as error:  # raised on the driver, where it is a sentence and no traceback of a task
                told = str(error)
                lists = [pa.nulls(batch.num_rows, pa.list_(kind)) for kind in (pa.int32(), pa.float64())]
                first = [pa.nulls(batch.num_rows, pa.list_(pa.int64())), pa.array([told] * batch.num_rows)]
            else:
                lists = list(lists_of_matrix(matrix))
                first = [in_first_row(unseen.tolist(), batch.num_rows), pa.nulls(batch.num_rows, pa.string())]
            names = [*kept, "places", "values", "unseen", PROBLEM]
            yield pa.RecordBatch.from_arrays([*keys, *lists, *first], names=names)

    return canonical.mapInArrow(encode, schema)


def small_batches(batches: Iterable[pa.RecordBatch], stored_per_row: int) -> Iterator[pa.RecordBatch]:
    """Cut batches into ones whose matrix stays small, however many cells a row has in memory."""
    rows = max(1, CELLS // max(1, stored_per_row))
    for batch in batches:
        for start in range(0, batch.num_rows, rows):
            yield batch.slice(start, rows)


def in_first_row(counts: list[int], rows: int) -> pa.Array:
    """Return a column that has `counts` in its first row and nothing in the others."""
    return pa.array([counts, *[None] * (rows - 1)], pa.list_(pa.int64()))


def with_columns_of(canonical: DataFrame, kept: Sequence[int]) -> DataFrame:
    """Return canonical rows with the columns at the places `kept` alone, as ``x0``, ``x1`` ..."""
    from pyspark.sql import functions as F

    columns = [F.col(f"x{place}").alias(f"x{number}") for number, place in enumerate(kept)]
    return canonical.select(ROW_HASH, *KEYS, *columns, PROBLEM)


def _order(keys: dict[str, pa.Array], hashes: np.ndarray, by_group: bool) -> np.ndarray:
    ids = keys["id"]
    order = np.argsort(hashes, kind="stable")
    if len(ids) and ids.null_count < len(ids):
        order = pc.sort_indices(ids).to_numpy()
    if by_group:
        groups, _ = codes_of(keys["group"])
        order = order[np.argsort(groups[order], kind="stable")]
    return order
