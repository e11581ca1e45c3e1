"""The jobs from end to end, in this process."""

from __future__ import annotations

import json
import os
import shutil

import joblib
import numpy as np
import pytest
import xgboost

from hpt_spark.artifacts.run_directory import RunDirectory
from hpt_spark.data.schemas import GROUPS
from hpt_spark.matrix.design import DesignMatrix
from tests.jobs.running import (
    grid,
    ids_of_test_file,
    one_sentence,
    read_manifest,
    rows_of,
    settings,
    split_scores,
    state,
)

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
    tables = read_manifest(place / "tables")["tables"]
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
        *("report.html", "manifest.json", "submission.csv", "status.json", "timeline.json"),
    }
    manifest = read_manifest(tuned / "run")
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
    before = (copied / "report.html").read_text()
    (copied / "report.html").unlink()
    assert job("report", *settings(copied)) == (0, f"{copied}/report.html\n", "")
    # Its configuration names the folder that the search was run in.
    again = (copied / "report.html").read_text()
    assert again.replace(str(copied), str(tuned / "run")) == before


# --- one search, whatever runs it ---


def test_spark_and_joblib_give_the_same_scores_to_the_last_bit(tuned, design_only, job):
    code, out, _ = job("tune", "--conf", tuned / "conf.yaml", *settings(design_only, "search.backend=joblib"))
    assert (code, "best of 2 candidates" in out) == (0, True)
    scores = split_scores(design_only)
    assert {"split0_test_score", "split1_test_score"} <= scores[0].keys()
    assert len({row["split0_test_score"] for row in scores}) == 2, "the candidates must differ for this to say much"
    assert scores == split_scores(tuned / "run")


def test_a_finished_search_is_not_run_again(tuned, copied, job):
    before = state(copied)
    code, out, _ = job("tune", "--conf", tuned / "conf.yaml", *settings(copied))
    assert code == 0
    assert f"{copied}: this search is finished already" in out
    assert state(copied) == before


def test_results_that_were_deleted_are_made_again_without_a_fit(tuned, copied, spark_job):
    model = (copied / "model.ubj").read_bytes()
    (copied / "model.ubj").unlink()
    assert spark_job("tune", "--conf", tuned / "conf.yaml", *settings(copied))[0] == 0
    assert (copied / "model.ubj").read_bytes() == model
    assert split_scores(copied) == split_scores(tuned / "run")
    reuse = read_manifest(copied)["reuse"]
    assert (reuse["trainings"], reuse["resumed"]) == (0, reuse["fits"])


@pytest.mark.parametrize("more", [[], ["--overwrite"]])
def test_a_run_in_which_another_process_searches_is_left_alone(tuned, copied, job, more):
    conf = ["--conf", tuned / "conf.yaml", *settings(copied, grid({"max_depth": [1]}), "search.backend=joblib")]
    with RunDirectory(str(copied)).locked():
        before = state(copied)
        code, out, err = job("tune", *conf, *more)
        assert state(copied) == before
    assert (code, out) == (2, "")
    assert one_sentence(err) == (
        f"process {os.getpid()} of this machine is working with run.dir={copied} already; wait until it ends, or "
        "name another folder."
    )
    assert not list(copied.glob("lock-*"))


@pytest.mark.long
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
