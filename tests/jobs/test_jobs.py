"""The jobs from end to end, run as a user runs them."""

from __future__ import annotations

import csv
import dataclasses
import hashlib
import importlib
import json
import os
import shutil
import signal
import subprocess
import sys
import time
import zipfile
from pathlib import Path

import joblib
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import xgboost
import yaml

from hpt_spark.cli import run_job
from hpt_spark.data.schemas import GROUPS
from hpt_spark.matrix.design import DesignMatrix

ROOT = Path(__file__).parent.parent.parent
BIN = Path(sys.executable).parent
GRID = {"n_estimators": [3, 5], "max_depth": [2]}
# As many trainings as fits, so that a kill comes between two of them.
SLOW_GRID = {"n_estimators": [40], "max_depth": [2, 3], "learning_rate": [0.05, 0.1, 0.2]}
SPARK = {"master": "local[2]", "conf": {"spark.ui.enabled": False, "spark.sql.shuffle.partitions": 2}}


# --- how a job is run ---


def environment() -> dict[str, str]:
    return {**os.environ, "PATH": f"{BIN}{os.pathsep}{os.environ['PATH']}"}


def run(*words: str | Path, timeout: float = 200) -> subprocess.CompletedProcess[str]:
    """Run a command as a user does, outside the checkout."""
    return subprocess.run(
        list(map(str, words)), capture_output=True, text=True, env=environment(), timeout=timeout, check=False, cwd="/"
    )


def done(*words: str | Path) -> str:
    """Run a command that must succeed and return what it printed."""
    answer = run(*words)
    assert answer.returncode == 0, answer.stdout + answer.stderr
    assert "Traceback" not in answer.stderr
    return answer.stdout


@pytest.fixture
def job(capsys, monkeypatch):
    """Run a job that needs no fresh JVM in this process; return its exit code and what it printed."""

    def call(name: str, *argv: str | Path) -> tuple[int, str, str]:
        module = importlib.import_module(f"jobs.{name}")
        before = signal.getsignal(signal.SIGTERM)
        capsys.readouterr()
        try:
            code = run_job(module.main, module.__doc__, getattr(module, "options", None), list(map(str, argv)))
        finally:
            signal.signal(signal.SIGTERM, before)
        out, err = capsys.readouterr()
        return code, out, err

    return call


def settings(run_dir: Path, *more: str) -> list[str]:
    return [word for one in (f"run.dir={run_dir}", *more) for word in ("--set", one)]


def grid(values: object) -> str:
    return f"search.param_grid={json.dumps(values)}"


# --- what lies on disk ---


def state(folder: Path) -> dict[str, str]:
    """Return the digest of every file below `folder`."""
    files = [path for path in folder.rglob("*") if path.is_file()]
    return {str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def rows_of(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def split_scores(run_dir: Path) -> list[dict[str, str]]:
    """Return the text of every split's score: equal texts are equal floats."""
    return [
        {name: value for name, value in row.items() if name.startswith(("split", "param", "rank", "mean_test"))}
        for row in rows_of(run_dir / "cv_results.csv")
    ]


def ids_of_test_file(raw: Path) -> list[str]:
    with zipfile.ZipFile(raw / "gender_age_test.csv.zip") as archive:
        lines = archive.read(archive.namelist()[0]).decode("utf-8").splitlines()
    return lines[1:]


def copy_of(run_dir: Path, target: Path, *, design_only: bool = False) -> Path:
    if design_only:
        shutil.copytree(run_dir / "design", target / "design")
    else:
        shutil.copytree(run_dir, target)
    return target


def change_design(run_dir: Path, **changes: object) -> None:
    folder = run_dir / "design"
    design = dataclasses.replace(DesignMatrix.load(folder), **changes)
    shutil.rmtree(folder)
    folder.mkdir()
    design.save(folder)


# --- one whole run, shared by the tests that only read it ---


@pytest.fixture(scope="module")
def place(raw, tmp_path_factory):
    """A folder with a configuration file, the tables and the design."""
    folder = tmp_path_factory.mktemp("jobs")
    conf = {
        "source": {"uri": str(raw)},
        "tables": {"uri": str(folder / "tables")},
        "features": {"sets": ["brand_model", "weekday", "category"]},
        "search": {"cv": 2, "param_grid": GRID},
        "run": {"dir": str(folder / "run")},
        "spark": SPARK,
    }
    (folder / "conf.yaml").write_text(yaml.safe_dump(conf), encoding="utf-8")
    (folder / "ingest.txt").write_text(done(BIN / "hpt-spark", "ingest", "--conf", folder / "conf.yaml"))
    (folder / "build.txt").write_text(done(BIN / "hpt-spark", "build_features", "--conf", folder / "conf.yaml"))
    copy_of(folder / "run", folder / "untuned")
    return folder


@pytest.fixture(scope="module")
def tuned(place):
    """The finished run: tuned by plain spark-submit, then predicted and reported."""
    jobs = ROOT / "jobs"
    (place / "tune.txt").write_text(done(BIN / "spark-submit", jobs / "tune.py", "--conf", place / "conf.yaml"))
    (place / "predict.txt").write_text(done(BIN / "hpt-spark", "predict", "--conf", place / "conf.yaml"))
    return place


@pytest.fixture
def copied(tuned, tmp_path):
    """A copy of the finished run, to be changed."""
    return copy_of(tuned / "run", tmp_path / "run")


@pytest.fixture
def design_only(place, tmp_path):
    """A run with its design and no search."""
    return copy_of(place / "untuned", tmp_path / "run", design_only=True)


# --- the whole path ---


def test_generate_writes_seven_files_into_a_local_folder_only(tmp_path, job, monkeypatch):
    monkeypatch.chdir(tmp_path)
    code, out, _ = job("generate", "--out", "file:" + str(tmp_path / "raw"), "--scale", 0.001, "--seed", 3)
    assert code == 0
    assert len(list((tmp_path / "raw").glob("*.csv.zip"))) == len(out.splitlines()) == 7
    shutil.rmtree(tmp_path / "raw")
    for words in (["--out", "https://me.blob.core.windows.net/raw?sig=S3CRET"], ["--out", "raw", "--scale", "0"]):
        code, out, err = job("generate", *words)
        assert (code, out) == (2, "")
        assert "S3CRET" not in one_sentence(err)
    assert list(tmp_path.iterdir()) == []


def test_ingest_says_how_many_rows_each_table_has(place):
    tables = json.loads((place / "tables" / "manifest.json").read_text())["tables"]
    lines = (place / "ingest.txt").read_text().splitlines()
    assert lines == [f"{place}/tables/{name}: {table['rows']:,} rows" for name, table in tables.items()]
    assert len(lines) == 7


def test_the_design_has_the_files_and_types_of_the_contract(place, raw):
    folder = place / "untuned" / "design"
    assert {path.name for path in folder.iterdir()} == {
        *("X_train.npz", "X_test.npz", "y_train.npy", "train_device_ids.npy", "test_device_ids.npy"),
        *("columns.csv", "classes.json", "manifest.json"),
    }
    design = DesignMatrix.load(folder)
    assert (design.X_train.format, design.X_test.format) == ("csr", "csr")
    assert (design.X_train.dtype, design.y_train.dtype) == (np.float32, np.int32)
    assert (design.train_device_ids.dtype, design.test_device_ids.dtype) == (np.int64, np.int64)
    assert [str(device) for device in design.test_device_ids] == ids_of_test_file(raw)
    assert tuple(design.classes) == GROUPS
    assert [block for block, _ in design.columns] == sorted(
        (block for block, _ in design.columns), key=["brand", "model", "weekday", "category"].index
    )
    assert design.describe() in (place / "build.txt").read_text()


def test_tune_leaves_the_files_of_the_contract(tuned):
    names = {path.name for path in (tuned / "run").iterdir()}
    assert names == {
        *("design", "journal", "cv_results.csv", "sweeping_results.txt", "best_params.json", "model.ubj"),
        *("report.html", "manifest.json", "submission.csv"),
    }
    manifest = json.loads((tuned / "run" / "manifest.json").read_text())
    best = json.loads((tuned / "run" / "best_params.json").read_text())
    rows = rows_of(tuned / "run" / "cv_results.csv")
    winner = max(rows, key=lambda row: float(row["mean_test_score"]))
    assert [winner["rank_test_score"], int(winner["param_n_estimators"])] == ["1", best["n_estimators"]]
    assert manifest["best"]["params"] == best
    assert manifest["best"]["score"] == float(winner["mean_test_score"])
    assert manifest["reuse"]["fits"] == 4
    # Both candidates are checkpoints of one training per fold.
    assert manifest["reuse"]["trainings"] == 2
    assert f"neg_log_loss: {manifest['best']['score']:.5f}" in (tuned / "tune.txt").read_text()


def test_the_submission_is_of_the_test_file_and_of_the_model(tuned, raw):
    path = tuned / "run" / "submission.csv"
    header, *_ = path.read_text(encoding="utf-8").splitlines()
    assert header == ",".join(["device_id", *sorted(GROUPS)])
    rows = rows_of(path)
    assert [row.pop("device_id") for row in rows] == ids_of_test_file(raw)
    probabilities = np.array([[float(value) for value in row.values()] for row in rows])
    assert np.abs(probabilities.sum(axis=1) - 1).max() < 1e-6
    model = xgboost.XGBClassifier()
    model.load_model(tuned / "run" / "model.ubj")
    expected = model.predict_proba(DesignMatrix.load(tuned / "run" / "design").X_test)
    np.testing.assert_allclose(probabilities, expected, atol=1e-6)
    assert probabilities.std(axis=0).max() > 1e-3, "every device has the same probabilities"


def test_report_writes_the_same_page_again(tuned, copied, job):
    before = (copied / "report.html").read_bytes()
    (copied / "report.html").unlink()
    assert job("report", *settings(copied)) == (0, f"{copied}/report.html\n", "")
    assert (copied / "report.html").read_bytes() == before


# --- one search, whatever runs it ---


def test_spark_and_joblib_give_the_same_scores_to_the_last_bit(tuned, design_only, job):
    code, out, _ = job("tune", "--conf", tuned / "conf.yaml", *settings(design_only, "search.backend=joblib"))
    assert (code, "best of 2 candidates" in out) == (0, True)
    scores = split_scores(design_only)
    assert {"split0_test_score", "split1_test_score"} <= scores[0].keys()
    assert len({row["split0_test_score"] for row in scores}) == 2, "the candidates must differ for this to say much"
    assert scores == split_scores(tuned / "run")


def test_a_killed_tune_goes_on_where_it_was(place, design_only, tmp_path, job):
    whole = copy_of(design_only, tmp_path / "whole")
    kept = ["--conf", place / "conf.yaml"]
    command = [BIN / "hpt-spark", "tune", *kept, *settings(design_only, grid(SLOW_GRID), "spark.master=local[1]")]
    with subprocess.Popen(
        list(map(str, command)),
        env=environment(),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    ) as process:
        deadline = time.monotonic() + 150
        while not list((design_only / "journal").glob("evaluation-0-*.jsonl")):
            assert process.poll() is None, "tune ended before a fit was in the journal"
            assert time.monotonic() < deadline
            time.sleep(0.005)
        os.killpg(process.pid, signal.SIGKILL)
    assert not (design_only / "manifest.json").exists()
    finished = sum(
        len(path.read_text().splitlines()) for path in (design_only / "journal").glob("evaluation-0-*.jsonl")
    )
    assert 0 < finished < 12

    done(*command)
    reuse = json.loads((design_only / "manifest.json").read_text())["reuse"]
    assert (reuse["fits"], reuse["resumed"], reuse["trainings"]) == (12, finished, 12 - finished)
    assert job("tune", *kept, *settings(whole, grid(SLOW_GRID), "search.backend=joblib"))[0] == 0
    assert split_scores(design_only) == split_scores(whole)


def test_a_finished_search_is_not_run_again(tuned, copied, job):
    before = state(copied)
    code, out, _ = job("tune", "--conf", tuned / "conf.yaml", *settings(copied))
    assert code == 0
    assert f"{copied}: this search is finished already" in out
    assert state(copied) == before


def test_another_search_is_refused_and_overwrite_replaces_it(tuned, copied, job):
    conf = ["--conf", tuned / "conf.yaml", *settings(copied, grid({"max_depth": [1, 2]}), "search.backend=joblib")]
    before = state(copied)
    code, out, err = job("tune", *conf)
    assert (code, out) == (2, "")
    assert one_sentence(err) == (
        f"run.dir={copied} holds the results of another search, different in search.param_grid; "
        "name another run.dir, or replace them with --overwrite."
    )
    assert state(copied) == before

    assert job("tune", *conf, "--overwrite")[0] == 0
    assert [row["params"] for row in rows_of(copied / "cv_results.csv")] == ["{'max_depth': 1}", "{'max_depth': 2}"]
    assert {path.name for path in copied.iterdir()} >= {"model.ubj", "report.html", "manifest.json"}
    assert not (copied / "journal").exists(), "the journal is the replaced search's"
    assert not (copied / "submission.csv").exists(), "the submission is the replaced model's"


def test_another_estimator_leaves_a_joblib_model_that_predicts(place, design_only, job):
    conf = ["--conf", place / "conf.yaml", *settings(design_only, "search.backend=joblib")]
    conf += ["--set", "search.estimator=sklearn.naive_bayes.MultinomialNB", "--set", "search.estimator_params={}"]
    conf += ["--set", grid({"alpha": [0.5, 1.0]})]
    assert job("tune", *conf)[0] == 0
    assert job("predict", *conf)[0] == 0
    model = joblib.load(design_only / "model.joblib")
    expected = model.predict_proba(DesignMatrix.load(design_only / "design").X_test)
    rows = rows_of(design_only / "submission.csv")
    found = np.array([[float(value) for name, value in row.items() if name != "device_id"] for row in rows])
    np.testing.assert_allclose(found, expected, atol=1e-6)


# --- bad input: exit code 2, one sentence, nothing half-written ---


def one_sentence(err: str) -> str:
    """Return what a job says of a user's mistake, after a look at its form."""
    assert "Traceback" not in err
    lines = [line for line in err.splitlines() if line]
    if lines[:1] == ["hpt-spark: the configuration is wrong:"]:
        assert len(lines) == 2, err
        return lines[1]
    assert len(lines) == 1, err
    assert lines[0].startswith("hpt-spark: ")
    return lines[0].removeprefix("hpt-spark: ")


@pytest.mark.parametrize(
    ("setting", "said"),
    [
        ("features.sets=[brand_model, wekday]", "did you mean `weekday`?"),
        (grid({}), "is empty: name at least one parameter with a list of values"),
        (grid([]), "is empty: name at least one parameter with a list of values"),
        (grid({"max_depth": []}), "has no value for max_depth"),
        (grid({"max_dept": [2]}), "search.param_grid names what xgboost.XGBClassifier does not know: max_dept"),
        ("search.estimator_params={sead: 1}", "does not know: sead (did you mean seed?)"),
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


# --- bad tables: several runs of build_features in one process, which share its JVM ---

MANY_BUILDS = """
import contextlib, io, json, sys
sys.path.insert(0, sys.argv[1])
from hpt_spark.cli import run_job
from jobs import build_features
for argv in json.loads(sys.argv[2]):
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        code = run_job(build_features.main, build_features.__doc__, None, argv)
    print(json.dumps([code, out.getvalue(), err.getvalue()]), flush=True)
"""


def rewrite(table: Path, change) -> None:
    """Write a Parquet table again, changed."""
    content = change(pq.read_table(table))
    shutil.rmtree(table)
    table.mkdir()
    pq.write_table(content, table / "part-0.parquet")


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


@pytest.fixture(scope="module")
def bad_builds(place, tmp_path_factory):
    """The answer of build_features to each kind of bad tables."""
    folder, calls = tmp_path_factory.mktemp("bad"), []
    for number, (table, spoil, _) in enumerate(bad_tables().values()):
        tables = folder / f"tables{number}"
        if table:
            shutil.copytree(place / "tables", tables)
            if spoil is shutil.rmtree:
                shutil.rmtree(tables / table)
            else:
                rewrite(tables / table, spoil)
        run_dir = copy_of(place / "untuned", folder / f"run{number}")
        calls.append(["--conf", str(place / "conf.yaml"), *settings(run_dir, f"tables.uri={tables}")])
    answer = run(sys.executable, "-c", MANY_BUILDS, ROOT, json.dumps(calls))
    assert answer.returncode == 0, answer.stderr
    lines = answer.stdout.splitlines()
    return {
        kind: (*json.loads(line), folder / f"run{number}")
        for number, (kind, line) in enumerate(zip(bad_tables(), lines, strict=True))
    }


@pytest.mark.parametrize("kind", list(bad_tables()))
def test_build_features_refuses_bad_tables(place, bad_builds, kind):
    code, out, err, run_dir = bad_builds[kind]
    assert (code, out) == (2, ""), err
    assert bad_tables()[kind][2] in one_sentence(err)
    assert state(run_dir) == state(place / "untuned"), "the design of an earlier run must stay"


def test_a_wrong_spark_setting_is_told_at_once(place, tmp_path):
    """PySpark 4.1 called itself without end when a session with such a setting was used."""
    words = ["--conf", place / "conf.yaml", *settings(tmp_path / "run", "spark.conf.spark.sql.shuffle.partitions=many")]
    answer = run(BIN / "hpt-spark", "build_features", *words, timeout=100)
    assert answer.returncode == 2, answer.stderr
    assert "Traceback" not in answer.stderr
    assert "spark.sql.shuffle.partitions" in answer.stderr
    assert "many" in answer.stderr
    assert not (tmp_path / "run").exists()
