"""A new table is predicted where it lies, as the model itself does, and what is wrong with it is told."""

from __future__ import annotations

import shutil

import numpy as np
import pandas as pd
import pytest
import yaml
from pyspark.ml.linalg import VectorUDT
from pyspark.sql.types import ArrayType, StructType
from sklearn.datasets import dump_svmlight_file
from sklearn.dummy import DummyClassifier

from hpt_spark import load_model
from hpt_spark.artifacts.scoring import _columns_to_carry, predict_table, refuse_rows_elsewhere
from hpt_spark.artifacts.table_model import TableModel
from hpt_spark.config.sections import FeaturesSection
from hpt_spark.config.table_section import TableSection
from hpt_spark.errors import ConfigError, InputError
from hpt_spark.tables.design import build_table_design
from hpt_spark.tables.encoding import ColumnCode, TableEncoding
from tests.jobs.running import done_here, run_here

pytestmark = pytest.mark.long


@pytest.fixture(scope="module")
def place(spark, tmp_path_factory):
    """A folder with a regression's table, its configuration and its finished run."""
    folder = tmp_path_factory.mktemp("predicted")
    draw = np.random.default_rng(1)
    frame = pd.DataFrame(
        {
            "id": [f"r{n:03}" for n in range(120)],
            "x": draw.normal(size=120),
            "kind": draw.choice(["a", "b"], 120),
            "on": pd.date_range("2024-01-01", periods=120, freq="D").strftime("%Y-%m-%d"),
            "w": draw.integers(1, 4, 120),
        }
    )
    frame["y"] = frame["x"] * 2 + (frame["kind"] == "a") + draw.normal(scale=0.1, size=120)
    frame.to_csv(folder / "train.csv", index=False)
    frame.drop(columns=["y", "w"]).to_csv(folder / "new.csv", index=False)
    table = {"uri": str(folder / "train.csv"), "label": "y", "id": "id", "weight": "w", "dates": ["month"]}
    conf = {
        "features": {"from": "table", "table": {**table, "test_uri": str(folder / "new.csv")}},
        "search": {"cv": 2, "param_grid": {"n_estimators": [5, 10]}, "backend": "joblib"},
        "run": {"dir": str(folder / "run")},
    }
    (folder / "conf.yaml").write_text(yaml.safe_dump(conf))
    done_here("build_features", "--conf", folder / "conf.yaml", spark=spark)
    (folder / "tune.txt").write_text(done_here("tune", "--conf", folder / "conf.yaml"))
    done_here("predict", "--conf", folder / "conf.yaml")
    return folder


def predicted(spark, place, source, *more):
    words = ["--conf", place / "conf.yaml", "--input", source, "--output", place / "out", "--overwrite", *more]
    code, out, err = run_here("predict", *words, spark=spark)
    return code, out, err


def test_a_regression_has_its_own_defaults(place):
    assert "neg_root_mean_squared_error: -" in (place / "tune.txt").read_text()


def test_the_test_table_and_a_new_table_get_the_same_values(spark, place):
    code, out, _ = predicted(spark, place, place / "new.csv")
    assert (code, out) == (0, f"{place / 'out'}: 120 rows\n")
    rows = pd.read_parquet(place / "out").sort_values("id")
    submission = pd.read_csv(place / "run" / "submission.csv", dtype=str)  # pandas may round as it reads numbers
    assert list(rows.columns) == list(submission.columns) == ["id", "prediction"]
    assert list(rows["id"]) == list(submission["id"])
    model = load_model(str(place / "run"))
    ours = model.predict(pd.read_csv(place / "new.csv"))
    np.testing.assert_array_equal(rows["prediction"], ours)
    np.testing.assert_array_equal(submission["prediction"].astype(float), ours)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("id,x,on\nr1,1,2024-01-01\n", "names kind, but --input="),
        ("id,x,kind,on\nr1,many,a,2024-01-01\n", "the column x holds 'many' where a number is needed"),
        ("id,x,kind,on\nr1,1,a,someday\n", "the column on holds 'someday' where a"),
        ("id,x,kind,on\n,1,a,2024-01-01\n", "there are rows without an id"),
        ("x,kind,on\n1,a,2024-01-01\n", "features.table.id names id, but --input="),
        ("id,x,kind,on\n", "has no rows; name a table that has some"),
    ],
)
def test_a_table_that_does_not_fit_is_refused_and_nothing_is_written(spark, place, text, told):
    (place / "bad.csv").write_text(text)
    words = ["--conf", place / "conf.yaml", "--input", place / "bad.csv", "--output", place / "none"]
    code, out, err = run_here("predict", *words, spark=spark)
    assert (code, out) == (2, "")
    assert told in err
    assert "Traceback" not in err.partition("hpt-spark: ")[2]
    assert not (place / "none").exists()


def test_unseen_terms_are_counted(spark, place, caplog):
    (place / "odd.csv").write_text("id,x,kind,on\nr1,1,zz,2024-01-01\nr2,,a,\n")
    code, out, _ = predicted(spark, place, place / "odd.csv")
    assert (code, out) == (0, f"{place / 'out'}: 2 rows\n")
    assert "cells with terms that no training row has, which count for nothing: kind 1" in caplog.text


def test_what_lies_at_the_output_is_not_replaced_unasked(spark, place):
    (place / "there").mkdir()
    (place / "there" / "mine.txt").write_text("mine")
    words = ["--conf", place / "conf.yaml", "--input", place / "new.csv", "--output", place / "there"]
    code, _, err = run_here("predict", *words, spark=spark)
    assert (code, "is there already; name another folder, or replace it with --overwrite" in err) == (2, True)
    assert (place / "there" / "mine.txt").read_text() == "mine"
    code, _, err = run_here("predict", "--conf", place / "conf.yaml", "--input", "x")
    assert (code, "--input and --output go together" in err) == (2, True)


def test_overwriting_takes_earlier_predictions_and_nothing_else(spark, place):
    new, out = place / "new.csv", place / "run-out"
    copied = shutil.copytree(place / "run", place / "copy")
    pd.read_csv(new).to_parquet(place / "part-0.parquet")
    table = place / "table"
    table.mkdir()
    (place / "part-0.parquet").rename(table / "part-0.parquet")
    for source, target, named in (
        (new, copied, "holds other things ("),
        (new, place, "holds other things ("),
        (table, table, "holds the table of --input"),
        (f"{table}/*.parquet", f"file://{table}", "holds the table of --input"),
    ):
        words = ["--conf", place / "conf.yaml", "--input", source, "--output", target, "--overwrite"]
        code, _, err = run_here("predict", *words, spark=spark)
        assert (code, named in err) == (2, True), err
    assert new.exists()
    assert sorted(file.name for file in copied.iterdir()) == sorted(file.name for file in (place / "run").iterdir())
    assert [file.name for file in table.iterdir()] == ["part-0.parquet"]
    for _ in range(2):
        words = ["--conf", place / "conf.yaml", "--input", new, "--output", out, "--overwrite"]
        done_here("predict", *words, spark=spark)


@pytest.mark.parametrize("kind", ["csv", "parquet"])
def test_rows_that_executors_have_written_to_their_own_disks_are_missed(tmp_path, kind):
    frame = pd.DataFrame({"id": ["a\nb", 'c"'], "prediction": [0.5, 1.0]})
    for part in range(2):
        write = frame.to_parquet if kind == "parquet" else frame.to_csv
        write(tmp_path / f"part-{part}.{kind}", index=False)
    (tmp_path / "_SUCCESS").touch()
    refuse_rows_elsewhere(tmp_path, kind, 4, "/tmp/out")
    for part, here in ((0, "2"), (1, "0")):
        (tmp_path / f"part-{part}.{kind}").unlink()
        with pytest.raises(InputError, match=f"^--output=/tmp/out is a folder .* {here} of 1,234 rows"):
            refuse_rows_elsewhere(tmp_path, kind, 1234, "/tmp/out")


def test_a_table_of_another_form_gives_the_same_values(spark, place):
    """Of other types of files, in another order, with more columns, in parts; a column of JSON may have no value."""
    new = pd.read_csv(place / "new.csv")
    ours = load_model(str(place / "run")).predict(new)
    new = new.assign(id=[f' "{one}", ' for one in new["id"]], more=1)[["more", "on", "x", "id", "kind"]]
    new.to_json(place / "new.json", orient="records", lines=True)
    new.assign(part=np.arange(120) % 2, on=pd.to_datetime(new["on"])).to_parquet(
        place / "parts", partition_cols=["part"], index=False, coerce_timestamps="us"
    )
    for source in ("new.json", "parts"):
        words = [
            "--conf",
            place / "conf.yaml",
            "--input",
            place / source,
            "--output",
            place / "form.csv",
            "--overwrite",
        ]
        code, _, err = run_here("predict", *words, "--set", "features.table.format=null", spark=spark)
        assert code == 0, err
        rows = pd.concat(pd.read_csv(part) for part in (place / "form.csv").glob("*.csv")).sort_values("id")
        assert list(rows["id"]) == list(new["id"])  # as they are, with their spaces and quotes
        np.testing.assert_allclose(rows["prediction"], ours, rtol=1e-12)
    (place / "gaps.json").write_text('{"id": "r1", "x": null, "kind": "a", "on": "2024-01-01"}\n')
    code, out, err = predicted(spark, place, place / "gaps.json")
    assert (code, out) == (0, f"{place / 'out'}: 1 rows\n"), err


def test_without_an_id_the_columns_of_the_table_come_beside_the_predictions(spark, place):
    words = ["--set", "features.table.id=null", "--set", "features.table.test_uri=null"]
    code, out, err = predicted(spark, place, place / "new.csv", *words)
    assert (code, out) == (0, f"{place / 'out'}: 120 rows\n"), err
    rows, new = pd.read_parquet(place / "out").sort_values("id"), pd.read_csv(place / "new.csv")
    assert list(rows.columns) == [*new.columns, "prediction"]
    assert list(rows["id"]) == list(new["id"])
    model = load_model(str(place / "run"))
    np.testing.assert_array_equal(rows["prediction"], model.predict(new))
    earlier = shutil.copytree(place / "out", place / "earlier")
    code, _, err = predicted(spark, place, earlier, *words, "--set", "features.table.format=parquet")
    assert (code, "the column prediction of --input=" in err, "is the name of a class or a prediction" in err) == (
        2,
        True,
        True,
    )


def test_rows_of_libsvm_are_predicted(spark, tmp_path):
    draw = np.random.default_rng(3)
    X, y = draw.integers(0, 3, (80, 6)), draw.integers(0, 2, 80)
    dump_svmlight_file(X, y, str(tmp_path / "rows.libsvm"), zero_based=False)
    table = {"uri": str(tmp_path / "rows.libsvm"), "label": "label", "task": "classification"}
    conf = {
        "features": {"from": "table", "table": table},
        "search": {"cv": 2, "param_grid": {"n_estimators": [3]}, "backend": "joblib"},
        "run": {"dir": str(tmp_path / "run")},
    }
    (tmp_path / "conf.yaml").write_text(yaml.safe_dump(conf))
    for job in ("build_features", "tune"):
        done_here(job, "--conf", tmp_path / "conf.yaml", spark=spark)
    model = load_model(str(tmp_path / "run"))
    expected = model.estimator.predict_proba(X.astype(float)).astype(float)
    expected /= expected.sum(axis=1, keepdims=True)  # those of XGBoost are floats of 32 bits
    for name in ("out", "out.csv"):
        words = ["--conf", tmp_path / "conf.yaml", "--input", table["uri"], "--output", f"{tmp_path / name}/"]
        done_here("predict", *words, spark=spark)
        read = pd.read_csv if name.endswith("csv") else pd.read_parquet
        (part,) = (tmp_path / name).glob("part-*")
        rows = read(part)
        assert list(rows.columns) == ["label", "0", "1"]
        np.testing.assert_array_equal(rows["label"], y)  # one file in its own order
        np.testing.assert_allclose(rows[["0", "1"]], expected, rtol=1e-12)
    spark.read.format("libsvm").load(table["uri"]).select("features").write.parquet(str(tmp_path / "alone"))
    words = ["--conf", tmp_path / "conf.yaml", "--input", tmp_path / "alone", "--output", tmp_path / "of_alone"]
    done_here("predict", *words, spark=spark)
    pd.testing.assert_frame_equal(pd.read_parquet(tmp_path / "of_alone"), rows[["0", "1"]], rtol=1e-12)


def test_columns_that_hold_vectors_are_not_carried_and_those_called_so_are(spark):
    named = StructType().add("vector", "double")
    schema = StructType().add("x", "double").add("s", named).add("v", VectorUDT())
    schema.add("many", ArrayType(VectorUDT())).add("within", StructType().add("u", VectorUDT()))
    assert _columns_to_carry(spark.createDataFrame([], schema), "parquet", "here") == ["x", "s"]


def test_a_csv_holds_no_lists(spark, place):
    spark.sql("SELECT 1.0D x, 'a' kind, '2024-01-01' `on`, array(1, 2) more").write.parquet(str(place / "lists"))
    words = ["--conf", place / "conf.yaml", "--input", place / "lists", "--output", place / "none.csv"]
    settings = ["id=null", "test_uri=null", "format=null"]
    words += [word for setting in settings for word in ("--set", f"features.table.{setting}")]
    code, _, err = run_here("predict", *words, spark=spark)
    assert (code, "has columns that a CSV cannot hold: more (array<int>); let --output be a folder" in err) == (2, True)
    assert not (place / "none.csv").exists()


def test_dates_of_a_format_of_their_own_are_read_again(spark, tmp_path):
    draw = np.random.default_rng(4)
    days = pd.date_range("2023-01-01", periods=60, freq="D")
    frame = pd.DataFrame({"id": np.arange(60), "on": days.strftime("%d/%m/%Y"), "y": draw.normal(size=60)})
    frame.to_csv(tmp_path / "rows.csv", index=False)
    settings = {"id": "id", "dates": ["month", "weekday"], "options": {"timestampFormat": "dd/MM/yyyy"}}
    uri = str(tmp_path / "rows.csv")
    table = {"uri": uri, "test_uri": uri, "label": "y", **settings}
    built = build_table_design(spark, FeaturesSection(**{"from": "table", "table": table}))
    np.testing.assert_array_equal(built.X_train, np.column_stack([days.month, days.day_of_week]))
    places = built.test_device_ids.astype(int)  # the ids of a later CSV are texts, and sorted so
    assert sorted(places) == list(range(60))
    np.testing.assert_array_equal(built.X_test, built.X_train[places])


@pytest.mark.parametrize("kind", ["parquet", "csv"])
def test_folders_that_were_texts_are_texts_whatever_they_look_like(spark, tmp_path, kind):
    rows = pd.DataFrame({"x": [1.0, 2.0], "y": ["no", "yes"]})
    for number, (name, folder) in enumerate([("rows", "a"), ("rows", "01"), ("later", "01")]):
        (tmp_path / name / f"town={folder}").mkdir(parents=True)
        frame, path = rows.assign(id=[f"{number}a", f"{number}b"]), tmp_path / name / f"town={folder}" / f"part.{kind}"
        frame.to_parquet(path) if kind == "parquet" else frame.to_csv(path, index=False)
    table = {"uri": f"{tmp_path}/rows", "test_uri": f"{tmp_path}/later", "label": "y", "id": "id", "format": kind}
    built = build_table_design(spark, FeaturesSection(**{"from": "table", "table": table}))
    assert built.columns == [("x", ""), ("town", "01"), ("town", "a")]
    assert built.X_test.tolist() == [[1, 1, 0], [2, 1, 0]]


def test_what_options_say_of_a_csv_holds_for_later_tables_too(spark, tmp_path):
    """The zone of moments without one, and the word that stands for no number."""
    days = [f"2024-01-0{day} 03:30:00" for day in range(1, 7)]
    cells = ["NA", "1.5", "2.5", "NA", "4.5", "5.5"]
    frame = pd.DataFrame({"id": range(6), "on": days, "x": cells, "c": ["NA", *"12312"], "y": [0.5] * 3 + [1.5] * 3})
    frame.to_csv(tmp_path / "rows.csv", index=False)
    uri, options = str(tmp_path / "rows.csv"), {"timeZone": "Asia/Tokyo", "nanvalue": "NA"}
    table = {"uri": uri, "test_uri": uri, "label": "y", "id": "id", "dates": ["weekday", "hour"], "options": options}
    built = build_table_design(spark, FeaturesSection(**{"from": "table", "table": {**table, "categorical": "c"}}))
    assert [block for block, _ in built.columns] == ["on", "on", "x", "c", "c", "c"]
    X = built.X_train if isinstance(built.X_train, np.ndarray) else built.X_train.toarray()
    np.testing.assert_array_equal(X[:, :2], [[(day - 1) % 7, 18] for day in range(6)])  # those of UTC
    np.testing.assert_array_equal(X[:, 2], [np.nan if cell == "NA" else float(cell) for cell in cells])
    np.testing.assert_array_equal(X[:, 3:].sum(axis=1), [0, 1, 1, 1, 1, 1])
    np.testing.assert_array_equal(built.X_test if isinstance(built.X_test, np.ndarray) else built.X_test.toarray(), X)


@pytest.mark.parametrize(
    ("classes", "told"),
    [
        (["No", "no", "yes"], "the classes No, no differ only by capitals"),
        (["no", "ID"], "the column id of --input=here is the name of a class"),
    ],
)
def test_classes_that_cannot_be_columns_side_by_side_are_refused(classes, told):
    encoding = TableEncoding((ColumnCode("x", "number", ("",)),), "nan", False)
    model = TableModel(DummyClassifier(), "classification", classes, encoding)
    with pytest.raises(ConfigError, match=told):
        predict_table(None, model, TableSection(label="y", id="id"), "here", "there", overwrite=False)
