"""What a run leaves for others: out-of-fold predictions, a verified copy, a study of Optuna."""

from __future__ import annotations

import json

import numpy as np
import pytest
from sklearn.model_selection import cross_val_predict

from hpt_spark.config.layers import load_config
from hpt_spark.matrix.design import DesignMatrix
from hpt_spark.tuning.estimators import build_estimator
from tests.jobs.running import read_manifest, settings, split_scores, state


@pytest.mark.long
def test_tune_keeps_out_of_fold_predictions_also_of_a_search_that_has_ended(tuned, copied, spark_job):
    words = ("tune", "--conf", tuned / "conf.yaml", *settings(copied, "search.keep_oof=all"))
    assert spark_job(*words)[0] == 0
    assert read_manifest(copied)["keep_oof"] == "all"
    assert split_scores(copied) == split_scores(tuned / "run")
    design = DesignMatrix.load(copied / "design")
    searched = load_config([str(tuned / "conf.yaml")], []).search
    with np.load(copied / "oof.npz") as kept:
        assert kept["candidates"].tolist() == [0, 1]
        for rounds, predictions in zip((3, 5), kept["predictions"]):
            params = {**searched.estimator_params, "n_estimators": rounds, "max_depth": 2, "n_jobs": 1}
            estimator = build_estimator(searched.estimator, params)
            expected = cross_val_predict(estimator, design.X_train, design.y_train, cv=2, method="predict_proba")
            np.testing.assert_array_equal(predictions, expected)
    for less in ("all", "best", "none"):
        assert "is finished already" in spark_job(*words, "--set", f"search.keep_oof={less}")[1]


def test_keep_oof_is_refused_where_it_cannot_be(tuned, copied, job):
    before = state(copied)
    words = settings(copied, "search.keep_oof=best", "search.backend=joblib")
    code, _, err = job("tune", "--conf", tuned / "conf.yaml", *words)
    assert code == 2
    assert "keep_oof='best' does nothing with strategy: " in err
    assert state(copied) == before


def test_a_finished_run_is_fetched_once(tuned, tmp_path, job):
    copy = tmp_path / "copy"
    code, out, err = job("fetch", tuned / "run", copy)
    assert (code, err) == (0, ""), err
    files = read_manifest(copy)["files"]
    assert f"{len(files)} files fetched" in out
    assert set(files) == set(state(copy)) - {"manifest.json"}
    assert {"submission.csv", "report.html", "model.ubj", "design/X_train.npz"} <= set(files)
    assert state(copy) == {name: digest for name, digest in state(tuned / "run").items() if "lock-" not in name}
    assert job("fetch", tuned / "run", copy)[1].endswith("verified; it has all files already\n")


def test_a_run_is_exported_to_optuna(tuned, tmp_path, job):
    study = tmp_path / "study.log"
    assert job("export", tuned / "run", "--optuna", study) == (0, f"{study}: 2 trials, 2 complete\n", "")
    assert json.loads(study.read_text().splitlines()[0])["study_name"] == f"hpt_spark {tuned / 'run'}"
