"""What is wrong with a table is told in one sentence, with the number of rows, the column and what to do."""

from __future__ import annotations

import logging
from decimal import Decimal

import pandas as pd
import pyspark
import pytest

from hpt_spark import design_from_table
from hpt_spark.errors import InputError
from hpt_spark.search.planning.memory_limit import MemoryLimit
from hpt_spark.tables import design as table_design
from hpt_spark.tables.reading import read_sql
from hpt_spark.tables.rows import collect_rows

pytestmark = pytest.mark.long  # each is a query or two of Spark

ROWS = "x double, name string, y string, nr int"


def frame(spark, rows, schema=ROWS):
    return spark.createDataFrame(rows, schema)


def refusal(spark, table, **settings) -> str:
    with pytest.raises(InputError) as refused:
        design_from_table(spark, table, **{"label": "y", **settings})
    said = str(refused.value)
    assert "\n" not in said
    return said


GOOD = [(1.0, "a", "no", 1), (2.0, "b", "yes", 2), (3.0, "a", "no", 3)]


@pytest.mark.parametrize(
    ("rows", "settings", "told"),
    [
        ([], {}, "the DataFrame has no rows"),
        ([*GOOD, (4.0, "a", None, 4)], {}, "1 of 4 rows without a label in the column y"),
        ([(1.0, "a", None, 1)], {"drop_unlabelled": True}, "has no row with a label in the column y"),
        ([*GOOD, (4.0, "a", "no", 3)], {"id": "nr"}, "has 1 ids in the column nr on more than one row, first 3"),
        ([*GOOD, (4.0, "a", "no", None)], {"id": "nr"}, "1 of 4 rows without an id in the column nr"),
        ([*GOOD, (float("inf"), "a", "no", 4)], {}, "infinite values in x (1)"),
        ([*GOOD, (float("inf"), "a", "no", 4)], {"label": "x"}, "the label x has infinite values"),
        ([*GOOD, (float("inf"), "a", "no", 4)], {"label": "x", "task": "classification"}, "the label x has infinite"),
        ([*GOOD, (-1.0, "a", "no", 4)], {"weight": "x"}, "1 weights below zero in the column x"),
        ([*GOOD, (None, "a", "no", 4)], {"weight": "x"}, "1 of 4 rows without a weight in the column x"),
        ([*GOOD, (float("nan"), "a", "no", 4)], {"weight": "x"}, "1 of 4 rows without a weight in the column x"),
        ([(0.0, "a", "no", 1), (0.0, "b", "yes", 2)], {"weight": "x"}, "the weights in the column x are all zero"),
        ([*GOOD, (float("nan"), "a", "no", 4)], {"id": "x"}, "1 of 4 rows without an id in the column x"),
        (
            GOOD,
            {"columns": ["q_*"]},
            "features.table.columns has the pattern q_*, which no column of the DataFrame fits",
        ),
        (GOOD, {"exclude": "[xn]*"}, "has no column to learn from beside the label"),
        (GOOD, {"label": "z"}, "features.table.label names z, but the DataFrame has no such column"),
        (
            GOOD,
            {"columns": ["nmae"]},
            "features.table.columns names nmae, but the DataFrame has no such column; did you",
        ),
        (GOOD, {"task": "regression"}, "needs numbers to predict, but the label y is string"),
        (GOOD, {"weight": "name"}, "features.table.weight names name, which is string; it must be a number"),
        (GOOD, {"columns": ["name"], "min_rows": 9}, "features.table.min_rows=9 leaves none"),
    ],
)
def test_what_is_wrong_is_told(spark, rows, settings, told):
    assert told in refusal(spark, frame(spark, rows), **settings)


def test_rows_without_a_label_are_left_out_where_that_is_wanted(spark, caplog):
    design = design_from_table(spark, frame(spark, [*GOOD, (4.0, "a", None, 4)]), label="y", drop_unlabelled=True)
    assert design.X.shape == (3, 4)
    assert "left out 1 of 4 rows, which have no label" in caplog.text


def test_nested_columns_are_refused_until_they_are_left_out(spark):
    table = spark.sql("SELECT named_struct('a', 1) AS s, map('k', 2) AS m, 1.5D AS x, 'no' AS y")
    said = refusal(spark, table)
    assert "columns that no design can hold: s (struct<a:int>), m (map<string,int>); leave them out with" in said


def test_a_column_name_that_comes_twice_is_refused(spark, tmp_path):
    (tmp_path / "twice.csv").write_text("x,X,y\n1,2,no\n3,4,yes\n")
    assert "has more than one column named X, x (capitals do not count)" in refusal(spark, str(tmp_path / "twice.csv"))


def test_a_column_name_that_comes_twice_in_a_dataframe_is_refused(spark):
    table = spark.sql("SELECT 1 AS x, 2 AS X, 'no' AS y")
    assert "the DataFrame has more than one column named X, x" in refusal(spark, table)


def test_what_is_no_table_of_spark_is_refused(spark):
    said = refusal(spark, pd.DataFrame({"x": [1], "y": [2]}))
    assert "takes a path or a DataFrame of Spark, not DataFrame of pandas" in said


def test_a_table_that_is_not_there_and_a_format_without_a_reader(spark, tmp_path):
    said = refusal(spark, str(tmp_path / "none.csv"))
    assert "none.csv cannot be read: Path does not exist" in said
    (tmp_path / "there.csv").write_text("x,y\n1,no\n")
    said = refusal(spark, str(tmp_path / "there.csv"), options={"encoding": "latin"})
    assert "there.csv cannot be read" in said
    assert "correct the query, or the name, the format and the options of the table" in said
    said = refusal(spark, str(tmp_path), format="lotus")
    assert "has the format lotus, for which this Spark has no reader; write one of parquet" in said
    (tmp_path / "there.avro").write_bytes(b"Obj\x01")
    said = refusal(spark, str(tmp_path / "there.avro"))
    assert "there.avro has the format avro, for which this Spark has no reader" in said
    assert "{spark.jars.packages: org.apache.spark:spark-avro_2.13:VERSION} (VERSION is Spark's;" in said


def test_what_is_no_query_is_not_run(spark):
    spark.range(3).createOrReplaceTempView("three")
    with pytest.raises(InputError, match=r"features.table.sql cannot be read: \S.* correct the query"):
        read_sql(spark, "DROP VIEW three")
    for query in ("TABLE three", "WITH a AS (TABLE three) SELECT id FROM a; \n", "SELECT id FROM three -- all"):
        assert read_sql(spark, query).count() == 3


@pytest.mark.parametrize(
    ("value", "told"), [("1/0", "Division by zero"), ("int('many')", "The value 'many' of the type")]
)
def test_a_value_that_sql_has_no_answer_for_is_told(spark, value, told):
    before = spark.conf.get("spark.sql.ansi.enabled")
    spark.conf.set("spark.sql.ansi.enabled", "true")
    try:
        said = refusal(spark, spark.sql(f"SELECT {value} AS x, 'no' AS y FROM range(3)"))
    finally:
        spark.conf.set("spark.sql.ansi.enabled", before)
    assert f"the DataFrame cannot be read: {told}" in said
    assert said.endswith("; correct the values, or the query that computes with them.")


def test_large_and_exact_numbers(spark, caplog):
    schema = "big decimal(38,0), unsigned decimal(20,0), price decimal(9,2), y double"
    rows = [(Decimal(10**30 + i), Decimal(2**64 - 1 - i), Decimal(i) / 4, float(i)) for i in range(3)]
    design = design_from_table(spark, frame(spark, rows, schema), label="y", id="unsigned")
    assert [list(row) for row in design.X] == [[float(10**30 + i), i / 4] for i in (2, 1, 0)]
    assert list(design.ids) == [str(2**64 - 1 - i) for i in (2, 1, 0)]
    assert "big has numbers up to 1e+30, of which a float keeps 15 to 17 digits" in caplog.text


def test_the_two_zeros_are_one_class_and_one_group(spark):
    rows = [(1, 1.0, 0.0, -0.0), (2, 2.0, -0.0, 0.0), (3, 3.0, 0.5, 2.0)]
    table = frame(spark, rows, "nr int, x double, y double, g double")
    design = design_from_table(spark, table, label="y", id="nr", group="g", task="classification")
    assert (list(map(str, design.classes)), list(design.codes)) == (["0.0", "0.5"], [0, 0, 1])
    assert list(design.groups) == [0, 0, 1]
    assert "has 1 ids in the column y on more than one row" in refusal(spark, table, label="x", id="y")


def test_what_an_owner_should_know_of_columns_is_told(spark, caplog):
    caplog.set_level(logging.INFO, "hpt_spark")
    rows = [(7.0, None, f"t{i}", i % 2 * 1.0, "ab"[i % 2], i) for i in range(30)]
    table = frame(spark, rows, "same double, none double, name string, leak double, y string, nr int")
    design = design_from_table(spark, table, label="y", id="nr", max_terms=10)
    assert design.X.shape == (30, 12)
    assert "left out columns in which no row has a value: none" in caplog.text
    assert "columns with one value throughout: same" in caplog.text
    assert "columns that alone give the label y: leak" in caplog.text
    assert "name has 30 different terms: the 10 most frequent ones are kept" in caplog.text
    assert "20 are left out; it looks like an id" in caplog.text


def test_a_table_that_changes_while_it_is_read_is_refused(spark, monkeypatch):
    def other(canonical, *rest, **more):
        return collect_rows(canonical.where("x0 > 1"), *rest, **more)

    monkeypatch.setattr(table_design, "collect_rows", other)
    assert "has changed while it was read" in refusal(spark, frame(spark, GOOD))


def test_a_design_beyond_memory_is_refused_before_anything_is_collected(spark, monkeypatch):
    monkeypatch.setattr(table_design, "driver_memory", lambda *_: MemoryLimit(100, "raise it"))
    monkeypatch.setattr(table_design, "collect_rows", None)
    said = refusal(spark, frame(spark, GOOD))
    assert (
        "the design of the DataFrame would have 3 rows x 4 columns, 1 MiB, of which the driver needs 3 copies and may "
        "have at most 1 MiB of memory: raise it, or lower features.table.max_terms" in said
    )


def test_a_test_table_of_other_types_is_refused(spark, tmp_path):
    (tmp_path / "train.csv").write_text("nr,x,name,y\n1,1.5,a,no\n2,2.5,b,yes\n")
    cases = {
        "nr,x,nme\n1,2,a\n": "such column",
        "nr,x,name\n1,much,a\n": "the column x holds 'much' where a number is needed",
        "nr,x,name\n1,2,a\n1,2,a\n": "has 1 ids in the column nr on more than one row",
        "nr,x,name\n": "has no rows",
    }
    for text, told in cases.items():
        (tmp_path / "test.csv").write_text(text)
        settings = {"id": "nr", "test_uri": str(tmp_path / "test.csv")}
        assert told in refusal(spark, str(tmp_path / "train.csv"), **settings)


@pytest.mark.parametrize(
    ("files", "settings", "told"),
    [
        ({"a.csv": "i,x,z,y\n1,2,3,no\n2,3,yes\n"}, {}, "correct the file; records of several lines need"),
        ({"a.csv": "i,x,z,y\n1,2,3,no\n2,3,yes\n"}, {"exclude": ["z"]}, "correct the file; records of several"),
        ({"a.csv": 'i,x,y\n1,"two\nlines",no\n2,b,yes\n'}, {}, "features.table.options={multiLine: true}"),
        ({"a.csv": "i,x,y\n1,2,no\n", "b.csv": "i,y,x\n2,yes,3\n"}, {}, "the same columns in the same order"),
        (
            {"a.csv": "i,x,y\n1,2,no\n"},
            {"options": {"header": "yes"}},
            "header flag can be true or false; correct the query, or the name, the format and the options",
        ),
        (
            {"a.csv": "i,x,y\n1,2,no\n"},
            {"options": {"maxColumns": "1e3"}},
            "maxColumns should be an integer. Found 1e3;",
        ),
        ({"a.json": '{"i": 1, "x": 2, "y": "no"}\n{"i": 2, "x": \n'}, {}, "correct the file; records of several lines"),
    ],
)
def test_broken_rows_and_files_in_another_order_are_refused(spark, tmp_path, files, settings, told):
    for name, text in files.items():
        (tmp_path / name).write_text(text)
    kind = next(iter(files)).rpartition(".")[2]
    if "exclude" in settings and pyspark.__version__.startswith("3.3."):
        told = "1 of 2 rows without a label"  # it reads only the columns that are asked for
    assert told in refusal(spark, str(tmp_path), id="i", format=kind, **settings)
