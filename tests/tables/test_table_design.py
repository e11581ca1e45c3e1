"""A table becomes the design that an independent reader makes of it."""

from __future__ import annotations

from decimal import Decimal

import numpy as np
import pandas as pd
import pytest

from hpt_spark import design_from_table
from hpt_spark.config.sections import FeaturesSection
from hpt_spark.errors import ConfigError
from hpt_spark.tables.arrow_rows import canonical_table
from hpt_spark.tables.canonical import canonical_columns
from hpt_spark.tables.design import build_table_design
from hpt_spark.tables.encoding import ColumnCode, TableEncoding
from hpt_spark.tables.reading import format_of, in_utc
from hpt_spark.tables.roles import Feature, kind_of
from hpt_spark.tables.table import KINDS, check_same_kinds
from tests.tables import mixed

SETTINGS = {
    "id": "nr",
    "weight": "weight",
    "group": "shop",
    "categorical": ["size"],
    "dates": mixed.DATES,
}


@pytest.fixture(scope="module")
def table():
    return mixed.rows()


def test_the_design_is_what_pandas_makes_of_the_table(spark, table):
    spark.conf.set("spark.sql.session.timeZone", "UTC")
    try:
        design = design_from_table(spark, mixed.in_spark(spark, table), label="label", **SETTINGS)
    finally:
        spark.conf.unset("spark.sql.session.timeZone")
    names, columns = mixed.expected(table)
    assert design.names == names
    np.testing.assert_array_equal(design.X if isinstance(design.X, np.ndarray) else design.X.toarray(), columns)
    ordered = table.sort_values("nr")
    assert list(design.ids) == list(ordered["nr"])
    assert list(design.y) == list(ordered["label"])
    assert list(design.weights) == list(ordered["weight"])
    assert [list("abc")[group] for group in design.groups] == list(ordered["shop"])
    assert (design.classes, list(design.codes)) == (["no", "yes"], [["no", "yes"].index(one) for one in design.y])


@pytest.mark.long
def test_the_design_depends_neither_on_partitions_nor_on_the_time_zone(spark, table, tmp_path):
    path = str(tmp_path / "table.parquet")
    spark.conf.set("spark.sql.session.timeZone", "UTC")
    mixed.in_spark(spark, table.drop(columns=["empty"]).assign(empty=None)[table.columns]).write.parquet(path)
    without_id = {**SETTINGS, "id": None, "exclude": ["nr"]}
    designs = []
    try:
        for zone, shuffled in (("Asia/Tokyo", 1), ("America/New_York", 5)):
            spark.conf.set("spark.sql.session.timeZone", zone)
            frame = spark.read.parquet(path).repartition(shuffled)
            designs.append(design_from_table(spark, frame, label="label", **without_id))
            assert spark.conf.get("spark.sql.session.timeZone") == zone
    finally:
        spark.conf.unset("spark.sql.session.timeZone")
    one, other = designs
    np.testing.assert_array_equal(one.X, other.X)
    assert (list(one.y), list(one.weights)) == (list(other.y), list(other.weights))


@pytest.mark.long
def test_spark_and_arrow_read_a_table_alike(spark, table):
    spark.conf.set("spark.sql.session.timeZone", "UTC")
    frame = mixed.in_spark(spark, table)
    kinds = {name: kind_of(kind) for name, kind in frame.dtypes}
    kinds |= {"size": "categorical", "price": "number"}
    names = [name for name in mixed.COLUMNS if name not in ("nr", "label", "weight", "shop", "empty")]
    features = [Feature(name, kinds[name]) for name in names]
    parts = {"seen": tuple(mixed.DATES), "born": tuple(mixed.DATES[:3])}
    encoding = TableEncoding(
        tuple(ColumnCode(name, kinds[name], parts.get(name, ("",))) for name in names), "nan", False, tuple(mixed.DATES)
    )
    with in_utc(spark):
        by_spark = frame.select("nr", *canonical_columns(frame, features, mixed.DATES)).collect()
    spark.conf.unset("spark.sql.session.timeZone")
    by_arrow = canonical_table(table, encoding).to_pylist()
    for theirs, ours in zip(
        sorted(by_spark), [row for _, row in sorted(zip(table["nr"], by_arrow), key=lambda p: p[0])]
    ):
        theirs = {key: value for key, value in theirs.asDict().items() if key not in ("nr", "problem")}
        assert {key: _sorted(value) for key, value in theirs.items()} == {k: _sorted(v) for k, v in ours.items()}


@pytest.mark.long
@pytest.mark.parametrize("nothing", ["NULL", "CAST(NULL AS STRING)"])
def test_a_column_without_any_value_is_missing_whatever_spark_calls_its_type(spark, nothing):
    """So has a later table of JSON one: a text, also where lists were learnt."""
    features = [Feature(kind, kind) for kind in KINDS]
    frame = spark.sql("SELECT " + ", ".join(f"{nothing} AS {kind}" for kind in KINDS))
    check_same_kinds(frame, features, "here", "features.table", as_text=True)
    (row,) = frame.select(*canonical_columns(frame, features, mixed.DATES)).collect()
    assert set(row) == {None}
    lists = [Feature(kind, kind) for kind in ("texts", "numbers", "vector")]
    frame = spark.sql("SELECT ' ' AS texts, CAST(NULL AS STRING) AS numbers, '[1, 2]' AS vector")
    (row,) = frame.select(*canonical_columns(frame, lists, ())).collect()
    assert row[:] == (None, None, None, "the column vector holds '[1, 2]' where a list is needed")


def _sorted(value):
    return sorted(value) if isinstance(value, list) and value and isinstance(value[0], str) else value


@pytest.mark.long
def test_a_sparse_design_stores_each_number_and_each_term(spark):
    rows = [(i, float(i % 3), f"t{i}", "ab"[i % 2]) for i in range(40)]
    frame = spark.createDataFrame(rows, "nr int, x double, name string, y string")
    design = design_from_table(spark, frame, label="y", id="nr", max_terms=30)
    assert design.X.format == "csr"
    assert (design.X.shape, design.X.nnz) == ((40, 31), 40 + 30)  # the zeros of x are numbers, too
    np.testing.assert_array_equal(design.X[:, 0].toarray().ravel(), [i % 3 for i in range(40)])
    assert design.names[1:] == [f"name={term}" for term in sorted(f"t{i}" for i in range(40))[:30]]


@pytest.mark.long
def test_min_rows_leaves_out_rare_terms_and_missing_numbers_may_be_zero(spark):
    rows = [(1.0, None, "often"), (2.0, 2.0, "often"), (3.0, float("nan"), "once"), (4.0, 1.0, None)]
    frame = spark.createDataFrame(rows, "y double, x double, name string")
    design = design_from_table(spark, frame, label="y", min_rows=2, missing=0)
    order = np.argsort(design.y)
    assert design.names == ["x", "name=often"]
    np.testing.assert_array_equal(design.X[order], [[0, 1], [2, 1], [0, 0], [1, 0]])


def test_the_format_goes_by_the_name():
    assert [format_of(name) for name in ("a.csv", "a.csv.gz", "h/b.JSON", "c.svm", "d", "e.parquet/")] == [
        *("csv", "csv", "json", "libsvm", "parquet", "parquet"),
    ]
    assert format_of("a.csv", "delta") == "delta"


def test_a_setting_that_is_not_known_is_told(spark):
    with pytest.raises(ConfigError, match="does not know lable; it takes uri, sql"):
        design_from_table(spark, "here", label="y", lable="z")
    with pytest.raises(ConfigError, match="gives the column y as label and as id"):
        design_from_table(spark, "here", label="y", id="y")


CSV = {
    "quotes": ('i,t,x,y\n1,"say ""hi"", ok",2.5,a\n2,"back\\",3.5,b\n', {}),
    "byte order mark and carriage returns": ("\ufeffi,t,x,y\r\n1,one,2,a\r\n2,two,3,b\r\n", {}),
    "a name of its own": (
        "i,a.b,c d,e`f,ü,y,device_id,block,term,value,row,hash,x0\n"
        + "1,1,2,3,4,a,1,2,3,4,5,6,7\n2"
        + ",2" * 4
        + ",b"
        + ",9" * 7
        + "\n",
        {},
    ),
    "an index without a name": (",i,x,y\n0,1,2,a\n1,2,3,b\n", {}),
}


@pytest.mark.long
@pytest.mark.parametrize("name", CSV)
def test_a_csv_is_read_as_pandas_reads_it(spark, tmp_path, name):
    text, options = CSV[name]
    (tmp_path / "one table.csv").write_bytes(text.encode())
    design = design_from_table(spark, tmp_path / "one table.csv", label="y", id="i", options=options)
    frame = pd.read_csv(tmp_path / "one table.csv").rename(columns={"Unnamed: 0": "_c0"})
    features = frame.drop(columns=["i", "y"])
    texts = [column for column in features if features[column].dtype.kind not in "if"]
    expected = {}
    for column in features:
        if column in texts:
            expected |= {f"{column}={term}": features[column] == term for term in sorted(set(features[column]))}
        else:
            expected[column] = features[column]
    assert design.names == list(expected)
    np.testing.assert_array_equal(design.X, np.column_stack([np.asarray(one, float) for one in expected.values()]))
    assert list(design.y) == list(frame["y"])


@pytest.mark.long
def test_numbers_that_are_categories_are_found_again_in_a_csv_whatever_spark_took_them_for(spark, tmp_path):
    """Long whole numbers are decimals to Spark; where there are fractions or exponents, too, all are floats."""
    whole = ["12345678901234567890", "12345678901234567891", "-0", "007", "+5", "12345678901234567890"]
    mixed_up = ["12345678901234567890", "12.7", "-0", "1e3", "9007199254740993", "9" * 40]
    rows = [f"{at},{one},{other},{'ab'[at % 2]}" for at, (one, other) in enumerate(zip(whole, mixed_up))]
    (tmp_path / "rows.csv").write_text("\n".join(["i,whole,mixed,y", *rows]) + "\n")
    uri = str(tmp_path / "rows.csv")
    table = {"uri": uri, "test_uri": uri, "label": "y", "id": "i", "categorical": ["whole", "mixed"]}
    design = build_table_design(spark, FeaturesSection(**{"from": "table", "table": table}))
    wide = [term for block, term in design.columns if block == "whole"]
    assert wide == ["0", "5", "7", "12345678901234567890", "12345678901234567891"]
    X_train, X_test = (one if isinstance(one, np.ndarray) else one.toarray() for one in (design.X_train, design.X_test))
    assert X_train.sum() == 2 * len(rows)
    np.testing.assert_array_equal(X_test, X_train)
    loaded = TableEncoding.of_json(design.encoding)
    in_memory, unseen = loaded.transform(canonical_table(pd.read_csv(uri, dtype=str), loaded))
    np.testing.assert_array_equal(in_memory if isinstance(in_memory, np.ndarray) else in_memory.toarray(), X_train)
    assert unseen.sum() == 0


@pytest.mark.long
def test_labels_of_more_digits_than_a_float_has_are_classes_each(spark):
    first = 12345678901234567890
    labels = [Decimal(first + at % 2) for at in range(4)]
    rows = [(float(at), label, label % 1000) for at, label in enumerate(labels)]
    frame = spark.createDataFrame(rows, "x double, y decimal(20,0), short decimal(3,0)")
    assert design_from_table(spark, frame, label="y", exclude="short").classes == [str(first), str(first + 1)]
    assert design_from_table(spark, frame, label="short", exclude="y").classes == [890.0, 891.0]
    small = frame.selectExpr("x", "CAST(IF(x % 2 = 0, 2, 10) AS decimal(38,0)) AS y")
    assert design_from_table(spark, small, label="y").classes == [2.0, 10.0], "as of any other decimal"


@pytest.mark.long
def test_classes_that_were_stored_as_floats_are_told_of(spark, caplog):
    said = (
        "the label y has only 2 different values, all whole numbers, and is taken for a regression; if they are classes"
    )
    frame = spark.createDataFrame([(float(at), float(at % 2)) for at in range(8)], "x double, y double")
    design_from_table(spark, frame, label="y")
    assert said in caplog.text
    caplog.clear()
    design_from_table(spark, frame, label="y", task="regression")
    design_from_table(spark, frame.selectExpr("x", "y / 2 AS y"), label="y")
    assert said not in caplog.text


@pytest.mark.long
def test_columns_may_be_named_by_patterns(spark):
    frame = spark.createDataFrame(
        [(1.0, 2, 3.0, 4.0, "a"), (2.0, 3, 4.0, 5.0, "b")], "`x*` double, x_1 int, x_2 double, z double, y string"
    )
    names = {
        "columns": ("x_*", ["x_1", "x_2"]),
        "exclude": (["x_?", "z"], ["x*"]),
        "categorical": ("*_1", ["x*", "x_1=2", "x_1=3", "x_2", "z"]),
    }
    for key, (wanted, found) in names.items():
        assert design_from_table(spark, frame, label="y", **{key: wanted}).names == found
    assert design_from_table(spark, frame, label="y", columns="x*").names == ["x*"]  # which is a name
