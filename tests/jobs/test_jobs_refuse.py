"""What the jobs refuse: exit code 2, one sentence, nothing half-written."""

from __future__ import annotations

import shutil

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from hpt_spark.errors import InputError
from hpt_spark.matrix.design import DesignMatrix
from tests.jobs.running import (
    BIN,
    GRID,
    change_design,
    copy_of,
    grid,
    one_sentence,
    run,
    settings,
    state,
)
from tests.matrix.table_files import rewrite


@pytest.mark.parametrize(
    ("setting", "said"),
    [
        ("features.sets=[brand_model, wekday]", "did you mean `weekday`?"),
        (grid({}), "is empty: name at least one parameter with a list of values"),
        (grid([]), "is empty: name at least one parameter with a list of values"),
        (grid({"max_depth": []}), "has no value for max_depth"),
        (grid({"max_dept": [2]}), "search.param_grid names what xgboost.XGBClassifier does not know: max_dept"),
        ("search.estimator_params={sead: 1}", "does not know: sead (did you mean `seed`?)"),
        ("search.estimator=xgboost.XGBClasifier", "search.estimator=xgboost.XGBClasifier cannot be imported"),
        ("search.estimator=nowhere.Model", "search.estimator=nowhere.Model cannot be imported"),
        ("search.estimator=json.JSONDecoder", "has no fit and get_params"),
        ("search.scoring=neg_logloss", "did you mean `neg_log_loss`?"),
    ],
)
def test_tune_refuses_a_search_that_cannot_be_before_it_starts(place, design_only, job, setting, said):
    before = state(design_only)
    code, out, err = job("tune", "--conf", place / "conf.yaml", *settings(design_only, setting))
    assert (code, out) == (2, "")
    assert said in one_sentence(err)
    assert state(design_only) == before


def test_tune_refuses_a_group_with_fewer_devices_than_folds(place, design_only, job):
    y = DesignMatrix.load(design_only / "design").y_train.copy()
    y[y == 3] = 4
    y[0] = 3
    change_design(design_only, y_train=y)
    before = state(design_only)
    code, out, err = job("tune", "--conf", place / "conf.yaml", *settings(design_only))
    assert (code, out) == (2, "")
    said = one_sentence(err)
    assert "too few training devices for search.cv=2 in group F29-32 (1); each group needs at least 2" in said
    assert state(design_only) == before


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("tune", "has no design; run `hpt-spark build_features` with the same run.dir."),
        ("predict", "has no design; run `hpt-spark build_features` with the same run.dir."),
        ("report", "has no finished search; run `hpt-spark tune` with the same run.dir."),
    ],
)
def test_a_job_before_its_turn_names_the_job_to_run_first(tmp_path, job, name, said):
    code, out, err = job(name, *settings(tmp_path / "run"))
    assert (code, out) == (2, "")
    assert one_sentence(err) == f"run.dir={tmp_path}/run {said}"
    assert not (tmp_path / "run").exists()


def test_predict_refuses_a_design_whose_columns_are_others(copied, job):
    columns = list(DesignMatrix.load(copied / "design").columns)
    columns[0] = ("brand", "another brand")
    change_design(copied, columns=columns)
    before = state(copied)
    code, out, err = job("predict", *settings(copied))
    assert (code, out) == (2, "")
    assert "are not those that the model was trained on" in one_sentence(err)
    assert state(copied) == before


def test_predict_refuses_a_run_without_a_model_and_one_with_a_damaged_model(copied, job):
    (copied / "model.ubj").write_bytes(b"no model")
    before = state(copied)
    code, _, err = job("predict", *settings(copied))
    assert (code, f"{copied}/model.ubj cannot be read as a model" in one_sentence(err)) == (2, True)
    (copied / "model.ubj").unlink()
    code, _, err = job("predict", *settings(copied))
    assert (code, f"run.dir={copied} has no model" in one_sentence(err)) == (2, True)
    del before["model.ubj"]
    assert state(copied) == before


@pytest.mark.parametrize("text", ["{}", "[]", '{"plan": {}}', "null"])
@pytest.mark.parametrize("name", ["tune", "predict", "report"])
def test_a_manifest_that_is_json_but_none_of_a_search_is_refused(copied, job, name, text):
    (copied / "manifest.json").write_text(text)
    before = state(copied)
    code, out, err = job(name, *settings(copied, "search.cv=2", grid(GRID)))
    assert (code, out) == (2, "")
    said = one_sentence(err)
    assert said.startswith(f"{copied}/manifest.json ")
    assert said.endswith("; run `hpt-spark tune --overwrite` to make it anew.")
    assert state(copied) == before


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--out", "/proc"], "out is /proc, but must be a folder that exists or can be made, and in which files can"),
        (["--out", "/dev/null"], "out is /dev/null, which is a file, but must be a folder"),
        (["--out", "/proc", "--scale", "1e9"], "scale is 1000000000.0, but must be a number from 0.001 to 100"),
        (["--out", "/proc", "--scale", "nan"], "scale is nan, but must be a number from 0.001 to 100"),
    ],
)
def test_generate_refuses_a_place_or_a_size_that_cannot_be(job, options, said):
    code, out, err = job("generate", *options)
    assert (code, out) == (2, "")
    assert said in one_sentence(err)


@pytest.mark.process
def test_overwrite_with_a_wrong_setting_loses_nothing(copied):
    before = state(copied)
    wrong = ("search.cv=2", "spark.conf={spark.master: loco}")
    answer = run(BIN / "hpt-spark", "tune", "--overwrite", *settings(copied, *wrong))
    assert (answer.returncode, "does not start with spark.master=loco" in answer.stderr) == (2, True)
    assert state(copied) == before


# --- bad tables ---


def bad_tables() -> dict[str, tuple[str, str, object, str]]:
    """Return for each mistake: the table, how it is spoilt, the job's sentence."""

    def twice(table: pa.Table) -> pa.Table:
        first = table.slice(0, 1)
        at = table.column_names.index("file_row")
        first = first.set_column(at, "file_row", pa.array([len(table)], pa.int64()))
        return pa.concat_tables([table, first.cast(table.schema)])

    def as_text(table: pa.Table) -> pa.Table:
        at = table.column_names.index("device_id")
        return table.set_column(at, "device_id", table.column("device_id").cast(pa.string()))

    return {
        "no folder": ("", None, "has no readable table gender_age_train; run `hpt-spark ingest`"),
        "no table": ("events", shutil.rmtree, "has no readable table events; run `hpt-spark ingest`"),
        "no column": ("events", lambda table: table.drop_columns(["timestamp"]), "column timestamp is missing"),
        "id as text": ("gender_age_test", as_text, "column device_id is string where bigint is needed"),
        "no rows": ("events", lambda table: table.slice(0, 0), "events has no rows; each row should be a moment"),
        "train twice": ("gender_age_train", twice, "gender_age_train names 1 device(s) more than once, first "),
    }


@pytest.mark.long
@pytest.mark.parametrize("kind", list(bad_tables()))
def test_build_features_refuses_bad_tables(place, tmp_path, spark_job, kind):
    table, spoil, expected = bad_tables()[kind]
    tables = tmp_path / "tables"
    if table:
        shutil.copytree(place / "tables", tables)
        if spoil is shutil.rmtree:
            shutil.rmtree(tables / table)
        else:
            rewrite(tables / table, spoil(pq.read_table(tables / table)))
    run_dir = copy_of(place / "untuned", tmp_path / "run")
    words = ["--conf", place / "conf.yaml", *settings(run_dir, f"tables.uri={tables}")]
    code, out, err = spark_job("build_features", *words)
    assert (code, out) == (2, ""), err
    assert expected in one_sentence(err)
    assert state(run_dir) == state(place / "untuned"), "the design of an earlier run must stay"


def test_build_features_refuses_a_run_that_cannot_be_written_before_its_work(place, tmp_path, job, monkeypatch):
    (tmp_path / "file").touch()
    monkeypatch.setattr("jobs.build_features.spark_session", lambda *_: pytest.fail("it has begun its work"))
    code, out, err = job("build_features", "--conf", place / "conf.yaml", *settings(tmp_path / "file" / "run"))
    assert (code, out) == (2, "")
    said = one_sentence(err)
    assert said.startswith(f"cannot write {tmp_path}/file/run/")
    assert said.endswith("choose a folder in which you may create files")


def test_build_features_leaves_no_folder_when_it_fails_in_its_work(place, tmp_path, job, monkeypatch):
    def fails(*_):
        raise InputError("no good")

    monkeypatch.setattr("jobs.build_features.spark_session", fails)
    code, _, err = job("build_features", "--conf", place / "conf.yaml", *settings(tmp_path / "some" / "run"))
    assert (code, one_sentence(err)) == (2, "no good")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.process
def test_a_wrong_spark_setting_is_told_at_once(place, tmp_path):
    """PySpark 4.1 called itself without end when a session with such a setting was used."""
    words = ["--conf", place / "conf.yaml", *settings(tmp_path / "run", "spark.conf.spark.sql.shuffle.partitions=many")]
    answer = run(BIN / "hpt-spark", "build_features", *words, timeout=100)
    assert answer.returncode == 2, answer.stderr
    assert "Traceback" not in answer.stderr
    assert "spark.sql.shuffle.partitions" in answer.stderr
    assert "many" in answer.stderr
    assert not (tmp_path / "run").exists()
