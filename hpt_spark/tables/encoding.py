"""How the columns of a table become columns of a design: kept with the model, and the same for every later table."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from scipy import sparse

from hpt_spark.errors import InputError
from hpt_spark.matrix.vocabulary import places_among
from hpt_spark.tables.number_names import name_as_float

NUMBERS = ("number", "numbers", "vector", "date", "timestamp")  # kinds whose values are numbers
PROBLEM = "problem"  # the column of canonical rows that says what cannot be read


@dataclass(frozen=True)
class ColumnCode:
    """How one column of a table becomes columns of the design."""

    name: str  # of the column; of a block of the user's own, that of the block
    # `number`; `categorical`, `boolean` or `text`: one term a row; `texts`: several; `numbers` or `vector`: so many
    # numbers, where of a `vector` a zero is nothing; `date` or `timestamp`; `block`: terms with values.
    kind: str
    terms: tuple[str, ...]  # what each column of the design means; one empty text for a number

    @property
    def has_terms(self) -> bool:
        """Whether values are texts that are looked up."""
        return self.kind not in NUMBERS

    @cached_property
    def _known(self) -> pa.Array:
        return pa.array(self.terms, pa.string())

    @cached_property
    def _has_floats(self) -> bool:
        return self.kind == "categorical" and any("E" in term for term in self.terms)

    def places(self, terms: pa.Array) -> np.ndarray:
        """Return the number of each term; -1 of an unknown one."""
        places = places_among(self._known, terms)
        if self._has_floats and (places < 0).any():
            # Long whole numbers that were learnt as floats come with all their digits from a table of texts.
            as_floats = pa.array([name_as_float(term) for term in terms.to_pylist()], pa.string())
            places = np.where(places < 0, places_among(self._known, as_floats), places)
        return places


@dataclass(frozen=True)
class TableEncoding:
    """The encoding of a table: its columns in order, and the form of the matrix."""

    codes: tuple[ColumnCode, ...]
    missing: str  # "nan" or "zero": what a missing number becomes
    # Whether the matrix is CSR. A number is stored there also where it is zero, so that only a term that a row has not
    # is nothing.
    is_sparse: bool
    dates: tuple[str, ...] = ()  # what is taken of dates
    # The types of Spark that the columns of the training table have, for the functions that make blocks of a table;
    # None without blocks.
    types: Mapping[str, str] | None = None

    @cached_property
    def columns(self) -> list[tuple[str, str]]:
        """The block and the term of each column of the design."""
        return [(code.name, term) for code in self.codes for term in code.terms]

    @property
    def stored_per_row(self) -> int:
        """How many cells a row has in memory while its matrix is made: of a column of texts one, if that is sparse."""
        return sum(1 if code.has_terms and self.is_sparse else len(code.terms) for code in self.codes)

    @property
    def with_terms(self) -> list[str]:
        """The names of the columns whose terms are looked up, in order."""
        return [code.name for code in self.codes if code.has_terms]

    def transform(self, rows: pa.RecordBatch | pa.Table) -> tuple[Any, np.ndarray]:
        """Return the matrix of canonical rows, and how many unknown terms each column of `with_terms` has.

        `rows` have a column ``x0``, ``x1`` ... for each of `codes`, and `PROBLEM`.

        Raises
        ------
        InputError
            When a value cannot be read, or is infinite.
        """
        if PROBLEM in rows.schema.names:
            _refuse_problems(rows.column(PROBLEM))
        unseen: list[int] = []
        parts = []
        for number, code in enumerate(self.codes):
            column = rows.column(f"x{number}")
            column = column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column
            parts.append(self._part(code, column, unseen))
        joined = self._joined(parts, rows.num_rows)
        return joined, np.array(unseen, np.int64)

    def _joined(self, parts: list[Any], rows: int) -> Any:
        if self.is_sparse:
            parts = [part if sparse.issparse(part) else _all_stored(part) for part in parts]
            joined = sparse.hstack(parts, format="csr", dtype=np.float64)
            joined.sort_indices()
            return joined
        dense = np.empty((rows, len(self.columns)))
        at = 0
        for part in parts:
            dense[:, at : at + part.shape[1]] = part.toarray() if sparse.issparse(part) else part
            at += part.shape[1]
        return dense

    def _part(self, code: ColumnCode, column: pa.Array, unseen: list[int]) -> Any:
        if code.kind == "number":
            return self._numbers(code, column.to_numpy(zero_copy_only=False)[:, None])
        if not code.has_terms:
            matrix = self._numbers(code, _fixed_lists(code, column))
            return sparse.csr_matrix(matrix) if code.kind == "vector" and self.is_sparse else matrix
        offsets, terms, values = _lists_of_terms(code, column)
        _refuse_infinite(code, values)
        places = code.places(terms)
        known = places >= 0
        unseen.append(int(np.count_nonzero(~known)))
        ends = np.concatenate(([0], np.cumsum(known)))[offsets]
        matrix = sparse.csr_matrix((values[known], places[known], ends), shape=(len(column), len(code.terms)))
        matrix.sort_indices()
        return matrix

    def _numbers(self, code: ColumnCode, values: np.ndarray) -> np.ndarray:
        values = np.asarray(values, dtype=np.float64)
        _refuse_infinite(code, values)
        return np.nan_to_num(values, nan=0.0) if self.missing == "zero" else values

    def as_json(self) -> dict[str, Any]:
        """Return the encoding in JSON's types."""
        return {
            "missing": self.missing,
            "sparse": self.is_sparse,
            "dates": list(self.dates),
            "columns": [{"name": code.name, "kind": code.kind, "terms": list(code.terms)} for code in self.codes],
            **({} if self.types is None else {"types": dict(self.types)}),
        }

    @classmethod
    def of_json(cls, found: Mapping[str, Any]) -> TableEncoding:
        """Return the encoding that `as_json` described."""
        codes = (ColumnCode(one["name"], one["kind"], tuple(one["terms"])) for one in found["columns"])
        return cls(tuple(codes), found["missing"], found["sparse"], tuple(found["dates"]), found.get("types"))


def _refuse_problems(problems: Any) -> None:
    told = pc.drop_null(problems)
    if len(told):
        raise InputError(f"{told[0].as_py()}; correct the table (in this part of it, such rows: {len(told):,}).")


def _refuse_infinite(code: ColumnCode, values: np.ndarray) -> None:
    if np.isinf(values).any():
        if code.kind == "block":
            raise InputError(f"the block {code.name} of features.blocks has infinite values; correct its function.")
        raise InputError(
            f"the column {code.name} has infinite values; replace them, or leave the column out with "
            "features.table.exclude."
        )


def _fixed_lists(code: ColumnCode, column: pa.Array) -> np.ndarray:
    """Return lists of one length as a matrix; a missing list is a row of NaN."""
    size = len(code.terms)
    lengths = pc.fill_null(pc.list_value_length(column), size).to_numpy(zero_copy_only=False)
    other = lengths[lengths != size]
    if len(other):
        raise InputError(
            f"the column {code.name} has lists of {other[0]:,} numbers where {size:,} are needed; correct the table."
        )
    matrix = np.full((len(column), size), np.nan)
    there = column.is_valid().to_numpy(zero_copy_only=False)
    flat = column.flatten().cast(pa.float64()).to_numpy(zero_copy_only=False)
    matrix[there] = flat.reshape(-1, size)
    return matrix


def _lists_of_terms(code: ColumnCode, column: pa.Array) -> tuple[np.ndarray, pa.Array, np.ndarray]:
    """Return the offsets of each row's terms, the terms, and their values."""
    if code.kind in ("texts", "block"):
        lengths = pc.fill_null(pc.list_value_length(column), 0).to_numpy(zero_copy_only=False)
        flat = column.flatten()
        if code.kind == "block":
            terms, values = flat.field(0), flat.field(1).to_numpy(zero_copy_only=False).astype(np.float64)
        else:
            terms, values = flat, np.ones(len(flat))
    else:
        lengths = column.is_valid().to_numpy(zero_copy_only=False)
        terms = column.drop_null()
        values = np.ones(len(terms))
    return np.concatenate(([0], np.cumsum(lengths))).astype(np.int64), terms, values


def _all_stored(matrix: np.ndarray) -> sparse.csr_matrix:
    rows, columns = matrix.shape
    indices = np.tile(np.arange(columns, dtype=np.int32), rows)
    return sparse.csr_matrix((matrix.ravel(), indices, np.arange(rows + 1) * columns), shape=matrix.shape)


def lists_of_matrix(matrix: Any) -> tuple[pa.Array, pa.Array]:
    """Return the rows of a matrix as lists of places and of values; of a dense one there are no places."""
    if sparse.issparse(matrix):
        offsets = pa.array(matrix.indptr, pa.int32())
        places = pa.ListArray.from_arrays(offsets, pa.array(matrix.indices, pa.int32()))
        return places, pa.ListArray.from_arrays(offsets, pa.array(matrix.data, pa.float64()))
    rows, columns = matrix.shape
    none = pa.ListArray.from_arrays(pa.array(np.zeros(rows + 1), pa.int32()), pa.array([], pa.int32()))
    offsets = pa.array(np.arange(rows + 1) * columns, pa.int32())
    return none, pa.ListArray.from_arrays(offsets, pa.array(matrix.ravel(), pa.float64()))


def matrix_of_lists(places: pa.ChunkedArray, values: pa.ChunkedArray, encoding: TableEncoding) -> Any:
    """Return the matrix of which `lists_of_matrix` made lists."""
    shape = (len(values), len(encoding.columns))
    data = np.concatenate([np.empty(0), *(chunk.flatten().to_numpy() for chunk in values.chunks)])
    if not encoding.is_sparse:
        return data.reshape(shape)
    lengths = [pc.list_value_length(chunk).to_numpy(zero_copy_only=False) for chunk in places.chunks]
    indices = np.concatenate([np.empty(0, np.int32), *(chunk.flatten().to_numpy() for chunk in places.chunks)])
    ends = np.concatenate(([0], np.cumsum(np.concatenate([np.empty(0, np.int64), *lengths]))))
    return sparse.csr_matrix((data, indices.astype(np.int32), ends), shape=shape)


def unseen_terms(encoding: TableEncoding, counts: Iterable[int]) -> Iterator[str]:
    """Give a few words on each column that has terms which the encoding does not know."""
    for name, count in zip(encoding.with_terms, counts):
        if count:
            yield f"{name} {count:,}"
