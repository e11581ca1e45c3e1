"""Canonical rows become rows of a matrix: laws of the encoding, without Spark."""

from __future__ import annotations

from decimal import Decimal
from io import StringIO

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import sparse
from sklearn.dummy import DummyRegressor

from hpt_spark.artifacts.table_model import TableModel
from hpt_spark.errors import InputError
from hpt_spark.matrix.vocabulary import codes_of
from hpt_spark.tables.arrow_rows import canonical_table
from hpt_spark.tables.encoding import ColumnCode, TableEncoding, lists_of_matrix, matrix_of_lists
from hpt_spark.tables.rows import CELLS, small_batches

CODES = (
    ColumnCode("n", "number", ("",)),
    ColumnCode("c", "categorical", ("1", "2.5", "1.0E10")),
    ColumnCode("b", "boolean", ("false", "true")),
    ColumnCode("t", "text", ("a", "b")),
    ColumnCode("m", "texts", ("x", "y")),
    ColumnCode("v", "vector", ("0", "1")),
)
ROW = st.fixed_dictionaries(
    {
        "n": st.none() | st.floats(-1e9, 1e9),
        "c": st.none() | st.sampled_from([1.0, 2.5, 7.0]),
        "b": st.none() | st.booleans(),
        "t": st.none() | st.sampled_from("abz"),
        "m": st.none() | st.lists(st.sampled_from("xyz"), unique=True),
        "v": st.none() | st.lists(st.floats(-2, 2), min_size=2, max_size=2),
    }
)
SCHEMA = pa.schema(
    {
        **{"n": pa.float64(), "c": pa.float64(), "b": pa.bool_(), "t": pa.string()},
        **{"m": pa.list_(pa.string()), "v": pa.list_(pa.float64())},
    }
)


def encoding(is_sparse: bool, missing: str = "nan") -> TableEncoding:
    return TableEncoding(CODES, missing, is_sparse)


@given(st.lists(ROW, min_size=1, max_size=6))
def test_a_sparse_and_a_dense_matrix_say_the_same_and_travel_as_lists(rows):
    table = pa.Table.from_pylist(rows, SCHEMA)
    matrices = []
    for is_sparse in (True, False):
        coded = encoding(is_sparse)
        matrix, unseen = coded.transform(canonical_table(table, coded))
        assert sparse.issparse(matrix) == is_sparse
        assert list(unseen) == [
            sum(row["c"] == 7 for row in rows),
            0,
            sum(row["t"] == "z" for row in rows),
            sum("z" in (row["m"] or []) for row in rows),
        ]
        places, values = (pa.chunked_array([part]) for part in lists_of_matrix(matrix))
        again = matrix_of_lists(places, values, coded)
        matrices += [one.toarray() if is_sparse else one for one in (matrix, again)]
    for other in matrices[1:]:
        np.testing.assert_array_equal(matrices[0], other)


@given(st.lists(ROW, min_size=2, max_size=6))
def test_a_row_is_encoded_alike_whatever_lies_beside_it(rows):
    coded = encoding(False)
    table = canonical_table(pa.Table.from_pylist(rows, SCHEMA), coded)
    whole, _ = coded.transform(table)
    alone = [coded.transform(table.slice(at, 1).combine_chunks())[0] for at in range(len(rows))]
    np.testing.assert_array_equal(whole, np.vstack(alone))


def test_an_encoding_is_kept_as_json():
    coded = encoding(True, "zero")
    assert TableEncoding.of_json(coded.as_json()) == coded


def test_a_missing_number_is_zero_where_that_is_wanted():
    table = pa.Table.from_pylist([{"n": None, "v": None}], SCHEMA)
    coded = encoding(False, "zero")
    assert coded.transform(canonical_table(table, coded))[0].tolist() == [[0.0] * 12]


@pytest.mark.parametrize(
    ("changed", "told"),
    [
        ({"n": ["much"]}, r"the column n is \w+, which cannot be read as the number that it was in training"),
        ({"n": [float("inf")]}, "the column n has infinite values"),
        ({"v": [[1.0, 2.0, 3.0]]}, "the column v has lists of 3 numbers where 2 are needed"),
        (
            {"b": [0]},
            r"the column b is int64, .* the boolean that it was in training \(it takes true and false, or texts",
        ),
        ({"b": [1.0]}, "the column b is double"),
        ({"t": [True]}, r"the column t is bool, .* \(it takes texts, or whole numbers"),
        ({"t": [pd.Timestamp("2024-01-01")]}, r"the column t is timestamp"),
        ({"m": ["xy"]}, r"the column m is \w+, .* \(it takes lists of texts"),
        ({"m": [{"x": 1}]}, "the column m is struct"),
        ({"v": [[True, False]]}, r"the column v is list.* \(true and false are no numbers"),
        ({"d": [20240101]}, r"the column d is int64, .* \(it takes dates, timestamps, or texts"),
        ({"s": [1704067200.0]}, r"the column s is double, .* \(it takes dates, timestamps, or texts"),
        ({"nn": [1.0], "n": None}, "the model names n, but the table has no such column; did you mean `nn`"),
    ],
)
def test_what_cannot_be_read_is_told(changed, told):
    cells = {"n": [1.0], "c": [1], "b": [True], "t": ["a"], "m": [["x"]], "v": [[1.0, 2.0]]}
    cells |= {"d": ["2024-01-01"], "s": [pd.Timestamp("2024-01-01")], **changed}
    frame = pd.DataFrame({name: values for name, values in cells.items() if values is not None})
    moments = (ColumnCode("d", "date", ("year",)), ColumnCode("s", "timestamp", ("year",)))
    coded = TableEncoding((*CODES, *moments), "nan", False, ("year",))
    with pytest.raises(InputError, match=told):
        coded.transform(canonical_table(frame, coded))


def test_a_column_without_any_value_is_missing_whatever_pandas_calls_its_type():
    frame = pd.DataFrame({code.name: [np.nan, np.nan] for code in CODES})
    coded = encoding(True, "zero")
    matrix, unseen = coded.transform(canonical_table(frame, coded))
    assert (abs(matrix).sum(), unseen.sum()) == (0, 0)


class Streamed:
    """Data that gives itself to Arrow, as a DataFrame of polars does."""

    def __init__(self, data):
        self.data = data

    def __arrow_c_stream__(self, requested_schema=None):
        return self.data.__arrow_c_stream__(requested_schema)


def test_columns_that_the_model_does_not_know_may_hold_anything():
    coded = TableEncoding((ColumnCode("n", "number", ("",)), ColumnCode("t", "text", ("a", "b"))), "nan", False)
    frame = pd.DataFrame([["b", 1.5, 7, "x"], [None, 2, "seven", object()]], columns=["t", "n", "x", "x"])
    lists = {"x": [1, "two", None], "n": np.array([1.5, 2.0]), "t": pa.chunked_array([["b"], [None]])}
    expected = [[1.5, 0, 1], [2, 0, 0]]
    table = pa.table([*lists.values()][1:] + [["b", None]] * 2, names=["n", "t", "x", "x"])
    views = pa.array(["b", None], pa.string_view())
    names = pa.DictionaryArray.from_arrays(pa.array([0, None], pa.uint32()), views[:1])
    as_polars = [Streamed(pa.table({"t": texts, "n": [1.5, 2.0]})) for texts in (views, names)]
    for data in (frame, lists, table, table.combine_chunks().to_batches()[0], *as_polars):
        assert coded.transform(canonical_table(data, coded))[0].tolist() == expected


@pytest.mark.parametrize(
    ("data", "told"),
    [
        (
            np.ones((2, 2)),
            "takes a DataFrame of pandas or polars, an Arrow table, or .* to lists, not ndarray",
        ),
        ([[1.0, "a"]], "a mapping of names to lists, not list; give it the columns by their names"),
        (Streamed(pa.chunked_array([[1.0]])), "a mapping of names to lists, not Streamed"),
        (pd.DataFrame([[1, 2]], columns=["n", "n"]), "the table has more than one column named n; rename"),
        (pa.table([[1], [2]], names=["n", "n"]), "the table has more than one column named n; rename"),
        ({"n": [1, "much"]}, "the column n cannot be read as values of one type"),
        (pd.DataFrame({"n": [1, "much"]}), "the column n cannot be read as values of one type"),
    ],
)
def test_what_is_no_table_of_one_type_a_column_is_told(data, told):
    coded = TableEncoding((ColumnCode("n", "number", ("",)),), "nan", False)
    with pytest.raises(InputError, match=told):
        canonical_table(data, coded)


@pytest.mark.parametrize(
    ("data", "told"),
    [
        ({"n": [1.0], "t": "ab"}, "the column t is a str; give a list of its cells, also for one row"),
        ({"n": {0: 1.0}, "t": ["a"]}, "the column n is a dict; give a list of its cells"),
        ({"n": [1.0, 2.0], "t": ["a"]}, "the columns of the table have different numbers of rows: n 2, t 1; give"),
    ],
)
def test_columns_that_are_no_lists_of_one_length_are_told(data, told):
    coded = TableEncoding((ColumnCode("n", "number", ("",)), ColumnCode("t", "text", ("a",))), "nan", False)
    with pytest.raises(InputError, match=told):
        canonical_table(data, coded)


def test_a_model_warns_of_terms_that_no_training_row_has(caplog):
    coded = TableEncoding((ColumnCode("t", "text", ("a", "b")), ColumnCode("u", "text", ("c",))), "nan", False)
    model = TableModel(DummyRegressor().fit([[0, 0, 0]], [1.0]), "regression", [], coded)
    assert list(model.predict({"t": ["a", "b"], "u": ["c", None]})) == [1.0, 1.0]
    assert not caplog.records
    model.predict({"t": ["a", "z"], "u": ["d", "e"]})
    assert [record.levelname for record in caplog.records] == ["WARNING"]
    assert "cells with terms that no training row has, which count for nothing: t 1, u 2" in caplog.text


@pytest.mark.parametrize(
    ("settings", "said"),
    [({}, "bags ('null'), use ('NA'); pandas.read_csv"), ({"keep_default_na": False, "na_values": [""]}, "")],
)
def test_a_model_warns_of_words_that_pandas_has_read_as_missing(caplog, settings, said):
    codes = (ColumnCode("bags", "text", ("Driver", "null")), ColumnCode("use", "text", ("NA", "a")))
    coded = TableEncoding((*codes, ColumnCode("plain", "text", ("b",))), "nan", False)
    model = TableModel(DummyRegressor().fit([[0] * 5], [1.0]), "regression", [], coded)
    frame = pd.read_csv(StringIO("bags,use,plain\nDriver,NA,\nnull,a,b\n"), **settings)
    assert model.transform(frame).tolist() == (
        [[1, 0, 0, 0, 0], [0, 0, 0, 1, 1]] if said else [[1, 0, 1, 0, 0], [0, 1, 0, 1, 1]]
    )
    assert said in caplog.text
    assert len(caplog.records) == bool(said)
    model.predict(frame)
    assert len(caplog.records) == bool(said), "each column is told once"


def test_what_other_programs_write_is_read_as_spark_reads_it():
    codes = (
        ColumnCode("c", "categorical", ("9007199254740992", "9007199254740993")),
        ColumnCode("on", "timestamp", ("month", "hour")),
    )
    coded = TableEncoding(codes, "nan", False, ("month", "hour"))
    cells = {
        "c": [9007199254740993, 9007199254740992, None, None],
        "on": ["2024-01-31T23:30:00-02:00", " 2024-02-01 01:30:00 ", "", "2024-02-01T01:30:00Z"],
    }
    matrix, unseen = coded.transform(canonical_table(pa.table(cells), coded))
    moment = [2.0, 1.0]
    np.testing.assert_array_equal(matrix, [[0, 1, *moment], [1, 0, *moment], [0, 0, *[np.nan] * 2], [0, 0, *moment]])
    assert list(unseen) == [0]


def test_a_date_is_the_day_that_a_text_begins_with():
    coded = TableEncoding((ColumnCode("on", "date", ("year", "month", "weekday")),), "nan", False)
    cells = ["2024-01-01T00:00:00+02:00", " 2024-01-01 23:59:59-05:00", "2024-01-01", "2024-01-01T10:00:00Z", " ", None]
    matrix, _ = coded.transform(canonical_table({"on": cells}, coded))
    np.testing.assert_array_equal(matrix, [[2024, 1, 0]] * 4 + [[np.nan] * 3] * 2)


@pytest.mark.parametrize(
    "cells",
    [
        pa.array([Decimal("-5"), Decimal("12345678901234567891"), None], pa.decimal128(20, 0)),
        ["-5", " +0012345678901234567891\t", ""],
        [-5, 12345678901234567891, None],
        pd.Series([-5, 12345678901234567891, np.nan], dtype=object),
    ],
)
def test_whole_numbers_of_any_length_keep_their_digits(cells):
    terms = ("-5", "12345678901234567890", "12345678901234567891")
    coded = TableEncoding((ColumnCode("c", "categorical", terms),), "nan", False)
    table = pd.DataFrame({"c": cells}) if isinstance(cells, pd.Series) else {"c": cells}
    matrix, unseen = coded.transform(canonical_table(table, coded))
    np.testing.assert_array_equal(matrix, [[1, 0, 0], [0, 0, 1], [0, 0, 0]])
    assert list(unseen) == [0]


def test_texts_of_whole_numbers_are_found_where_floats_were_learnt():
    coded = TableEncoding((ColumnCode("c", "categorical", ("0.5", "1.2345678901234567E19", "7")),), "nan", False)
    cells = {"c": ["12345678901234567890", "0.50", "-0", "7.0", "1e40", "9" * 40, "007"]}
    matrix, unseen = coded.transform(canonical_table(cells, coded))
    assert matrix.argmax(axis=1)[[0, 1, 3, 6]].tolist() == [1, 0, 2, 2]
    assert (matrix.sum(), list(unseen)) == (4, [3])


def test_fractions_are_not_taken_for_texts():
    coded = TableEncoding((ColumnCode("t", "text", ("1", "2")),), "nan", False)
    assert coded.transform(canonical_table({"t": [2, 1]}, coded))[0].tolist() == [[0, 1], [1, 0]]
    with pytest.raises(InputError, match="the column t is double, which cannot be read as the text that it was"):
        canonical_table({"t": [2.0, None]}, coded)


@pytest.mark.parametrize(("columns", "most"), [(1, 3), (CELLS, 1), (2 * CELLS, 1), (CELLS // 2, 2)])
def test_batches_of_wide_rows_are_cut(columns, most):
    batch = pa.RecordBatch.from_pydict({"x": [1, 2, 3]})
    parts = list(small_batches([batch, batch.slice(0, 0)], columns))
    assert pa.Table.from_batches(parts).equals(pa.Table.from_batches([batch]))
    assert max(part.num_rows for part in parts) == most


@pytest.mark.parametrize(("is_sparse", "stored"), [(True, 5), (False, 1_004)])
def test_of_a_text_a_row_of_a_sparse_matrix_stores_one_cell_however_many_terms_there_are(is_sparse, stored):
    codes = (
        ColumnCode("t", "text", tuple(f"{number:04}" for number in range(1_000))),
        ColumnCode("x", "number", ("",)),
        ColumnCode("v", "vector", ("0", "1", "2")),
    )
    coded = TableEncoding(codes, "nan", is_sparse)
    assert coded.stored_per_row == stored
    rows = {"t": ["0007", "0999"], "x": [1.0, 2.0], "v": [[1.0, 2.0, 3.0]] * 2}
    matrix, _ = coded.transform(canonical_table(rows, coded))
    assert (matrix.nnz if is_sparse else matrix.size) == 2 * stored


@pytest.mark.parametrize("values", [[True, False, True], [3, -1, 3], [0.5, 0.0, 0.5], ["é", "b", "é"]])
def test_labels_of_any_type_are_numbered_in_order(values):
    codes, classes = codes_of(pa.array(values))
    assert (list(codes), classes) == ([1, 0, 1], sorted(set(values)))
