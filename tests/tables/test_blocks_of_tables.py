"""A block of the user's own, named by its dotted path: of a table, and of the scenario."""

from __future__ import annotations

import re
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from pyspark.sql import functions as F
from sklearn.tree import DecisionTreeRegressor

from hpt_spark import design_from_table
from hpt_spark.artifacts.scoring import predict_table
from hpt_spark.artifacts.table_model import TableModel
from hpt_spark.config.sections import FeaturesSection
from hpt_spark.config.table_section import TableSection
from hpt_spark.data.tables import Tables
from hpt_spark.errors import ConfigError, InputError
from hpt_spark.matrix.collect import collect_blocks
from hpt_spark.tables.canonical import with_types
from hpt_spark.tables.design import build_table_design
from hpt_spark.tables.encoding import TableEncoding
from hpt_spark.tables.later_table import block_types

pytestmark = pytest.mark.long
HERE = __name__


def lengths(tables):
    """How long the name is, in a block of its own; a row without a name has none."""
    return (
        tables["rows"]
        .where("name IS NOT NULL")
        .select(
            F.col("nr").alias("device_id"),
            F.lit("length").alias("block"),
            F.length("name").cast("string").alias("term"),
            F.lit(0.5).alias("value"),
        )
    )


def cells(tables):
    """The cells of one degree in which a device was seen, as docs/architecture.md has them."""
    term = F.concat_ws("_", F.floor("longitude"), F.floor("latitude")).alias("term")
    seen = tables["events"].select("device_id", term).distinct()
    return seen.select("device_id", F.lit("cell").alias("block"), "term", F.lit(1.0).alias("value"))


def debts(tables):
    """Whether more was paid than the limit, which is another thing of texts; and the weekday of the order."""
    rows = tables["rows"]
    over = F.when(F.col("paid") > F.col("limit"), "over").otherwise("within")
    terms = {"debt": over, "weekday": F.date_format("on", "E"), "tariff": F.concat(F.lit("t"), F.col("tariff") + 1)}
    parts = [
        rows.select(
            F.col("nr").alias("device_id"), F.lit(block).alias("block"), term.alias("term"), F.lit(1.0).alias("value")
        )
        for block, term in terms.items()
    ]
    return parts[0].unionByName(parts[1]).unionByName(parts[2])


def twice(tables):
    return lengths(tables).unionByName(lengths(tables))


def endless(tables):
    return lengths(tables).withColumn("value", F.lit(float("inf")))


def lost(tables):
    return tables["rows"].select("not_there")


def no_block(tables):
    return tables["rows"].select("nr")


def test_of_a_table(spark):
    rows = [(3, "abc", 1.0), (1, "a", 2.0), (2, None, 3.0)]
    frame = spark.createDataFrame(rows, "nr int, name string, y double")
    design = design_from_table(
        spark, frame, label="y", id="nr", exclude=["name"], columns=[], blocks=[f"{HERE}.lengths"]
    )
    assert design.names == ["length=1", "length=3"]
    X = design.X if isinstance(design.X, np.ndarray) else design.X.toarray()
    np.testing.assert_array_equal(X, [[0.5, 0], [0, 0], [0, 0.5]])
    with pytest.raises(ConfigError, match="returns the columns nr; it must return a DataFrame of device_id, block"):
        design_from_table(spark, frame, label="y", id="nr", blocks=[f"{HERE}.no_block"])
    with pytest.raises(InputError, match=r"^features.blocks=\S+\.lost cannot be read: .*not_there.*; correct"):
        design_from_table(spark, frame, label="y", id="nr", blocks=[f"{HERE}.lost"])
    with pytest.raises(InputError, match=r"^the DataFrame: .* gives a row the term \d more than once \(or a query the"):
        design_from_table(spark, frame, label="y", id="nr", blocks=[f"{HERE}.twice"])
    with pytest.raises(InputError, match=r"^the block length of features.blocks has infinite values; correct its func"):
        design_from_table(spark, frame, label="y", id="nr", blocks=[f"{HERE}.endless"])
    with pytest.raises(ConfigError, match=r"gives the blocks length, which columns of the table are called; rename"):
        design_from_table(spark, frame.withColumn("length", F.col("y")), label="y", id="nr", blocks=[f"{HERE}.lengths"])
    with pytest.raises(ConfigError, match=r"needs features\.table\.id, by which"):
        design_from_table(spark, frame, label="y", blocks=[f"{HERE}.lengths"])


@pytest.fixture
def debts_of(spark, tmp_path):
    """A function that makes the design of a CSV and of a test table."""

    def built(test_text=None, **more):
        text = "nr,paid,limit,on,tariff,x,y\n" + "".join(f"{row}\n" for row in DEBTS)
        (tmp_path / "rows.csv").write_text(text)
        (tmp_path / "test.csv").write_text(test_text or text)
        uris = {"uri": str(tmp_path / "rows.csv"), "test_uri": str(tmp_path / "test.csv")}
        table = {**uris, "label": "y", "id": "nr", "columns": ["x"], **more}
        features = {"from": "table", "table": table, "blocks": [f"{HERE}.debts"]}
        return build_table_design(spark, FeaturesSection(**features))

    return built


DEBTS = ("1,9,10,2024-01-01,5,1,a", "2,10,9,2024-01-02,7,2,b", "3,100,20,2024-01-03,5,3,a", "4,20,100,,7,4,b")


def dense(X):
    return X if isinstance(X, np.ndarray) else X.toarray()


def test_a_later_csv_has_the_types_of_the_training_table(debts_of):
    design = debts_of()
    terms = [term for block, term in design.columns if block != "x"]
    assert terms == ["over", "within", "t6", "t8", "Mon", "Tue", "Wed"]
    np.testing.assert_array_equal(dense(design.X_train)[:, 1], [0, 1, 1, 0])
    np.testing.assert_array_equal(dense(design.X_test), dense(design.X_train))
    assert design.encoding["types"]["limit"] == "int"
    assert not {"nr", "y"} & set(design.encoding["types"])


def test_a_new_csv_is_predicted_by_the_types_of_the_training_table(spark, debts_of, tmp_path):
    design = debts_of()
    X = dense(design.X_train)
    estimator = DecisionTreeRegressor().fit(X, X[:, 1])
    encoding = TableEncoding.of_json(design.encoding)
    model = TableModel(estimator, "regression", [], encoding, [f"{HERE}.debts"])
    section = TableSection(uri="rows.csv", label="y", id="nr")
    (tmp_path / "new.csv").write_text("nr,paid,limit,on,tariff,x\n1,9,10,2024-01-01,5,1\n2,10,9,2024-01-02,7,2\n")
    assert predict_table(spark, model, section, str(tmp_path / "new.csv"), str(tmp_path / "out"), overwrite=False) == 2
    found = pd.read_parquet(tmp_path / "out").sort_values("nr")
    assert (list(found["nr"]), list(found["prediction"])) == (["1", "2"], [0.0, 1.0])


def test_dates_of_a_format_of_their_own_are_those_of_the_training_table_too(debts_of, monkeypatch):
    monkeypatch.setattr(f"{HERE}.DEBTS", [re.sub(r"2024-01-(\d+)", r"\1/01/2024", row) for row in DEBTS])
    design = debts_of(options={"timestampFormat": "dd/MM/yyyy"})
    assert [term for block, term in design.columns if block == "weekday"] == ["Mon", "Tue", "Wed"]
    np.testing.assert_array_equal(dense(design.X_test), dense(design.X_train))


@pytest.mark.parametrize("row", ["1,much,10,2024-01-01,5,1,a", "1,9.5,10,2024-01-01,5,1,a"])
def test_a_cell_of_another_type_is_refused_where_a_block_is_made_of_it(debts_of, row):
    cell = row.split(",")[1]
    with pytest.raises(
        InputError, match=rf"the column paid holds '{cell}' where features.blocks need int, its type in"
    ):
        debts_of(f"nr,paid,limit,on,tariff,x,y\n{row}\n")


def test_a_decimal_is_not_rounded(spark):
    frame = spark.createDataFrame([("12345678901234567890",), ("12.7",), (" ",), (None,)], "d string")
    typed, problem = with_types(frame, {"d": "decimal(20,0)"})
    assert typed.dtypes == [("d", "decimal(20,0)")]
    told = [row[0] for row in frame.select(problem).collect()]
    assert [one is not None and "'12.7'" in one for one in told] == [False, True, False, False]


def test_a_list_without_any_value_is_one_where_a_block_is_made_of_it(spark):
    frame = spark.createDataFrame([(None, " "), (None, "[1]")], "tags string, sizes string")
    typed, problem = with_types(frame, {"tags": "array<string>", "sizes": "map<string,int>"})
    assert typed.dtypes == [("tags", "array<string>"), ("sizes", "map<string,int>")]
    told = [row[0] for row in frame.select(problem).collect()]
    assert [one is not None and "the column sizes holds '[1]'" in one for one in told] == [False, True]


def test_a_model_without_types_is_told_of(caplog):
    found = {
        "missing": "nan",
        "sparse": False,
        "dates": [],
        "columns": [{"name": "n", "kind": "block", "terms": ["a"]}],
    }
    encoding = TableEncoding.of_json(found)
    assert (encoding.types, encoding.as_json()) == (None, found)
    section = TableSection(uri="rows.csv", label="y", id="nr")
    typed = replace(encoding, types={"tags": "array<string>", "n": "int"})
    assert block_types(section, "new.json", typed, "here") == typed.types
    assert block_types(section, "new.csv", typed, "here") == {"n": "int"}
    assert not caplog.records
    assert block_types(section, "new.csv", encoding, "--input=new.csv") is None
    assert "--input=new.csv: the model does not say of what types its training table was" in caplog.text
    caplog.clear()
    assert block_types(section, "new.parquet", encoding, "here") is None
    assert not caplog.records


def test_of_the_scenario(spark, tables):
    given = Tables(spark, str(tables))
    plain = collect_blocks(given, ["weekday"], "fraction", 1).design()
    more = collect_blocks(given, ["weekday"], "fraction", 1, [f"{HERE}.cells"]).design()
    width = len(plain.columns)
    assert (more.X_train[:, :width] != plain.X_train).nnz == 0
    expected = cells(given).toPandas()
    terms = [term for block, term in more.columns if block == "cell"]
    rows = {device: row for row, device in enumerate(more.train_device_ids.tolist())}
    of_training = expected[expected["device_id"].isin(rows)]
    assert terms == sorted(of_training["term"].unique())
    assert more.X_train[:, width:].nnz == len(of_training)
    column = {term: width + at for at, term in enumerate(terms)}
    assert all(
        more.X_train[rows[device], column[term]] == 1 for device, _, term, _ in of_training.itertuples(index=False)
    )
