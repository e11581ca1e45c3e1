"""The run directory and the files of a finished search."""

from __future__ import annotations

import csv
import importlib.metadata
import io
import json
import sys
from types import ModuleType

import joblib
import numpy as np
import pandas as pd
import pyspark  # noqa: F401, as in every driver
import pytest
from sklearn.dummy import DummyClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.svm import LinearSVC
from xgboost import XGBClassifier

import hpt_spark
from hpt_spark.artifacts.finished_search import announce, finish_search
from hpt_spark.artifacts.plan import plan_of, versions
from hpt_spark.artifacts.run_directory import RESULTS, differing_keys
from hpt_spark.artifacts.search_results import json_safe, load_model, model_file, sweeping_results, write_cv_results
from hpt_spark.artifacts.submission import class_probabilities
from hpt_spark.errors import InputError
from hpt_spark.storage.lock import is_lock
from tests.artifacts.searches import SETTINGS, a_design, finished, searched

# --- whose results lie there ---


def test_a_run_is_finished_when_its_manifest_has_the_same_plan(run):
    plan = plan_of(SETTINGS, run.load_design())
    assert not run.is_finished(plan, overwrite=False)
    finished(run)
    assert run.is_finished(plan, overwrite=False)
    assert not run.is_finished(plan, overwrite=True)


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"cv": 3}, "search.cv"),
        ({"scoring": "accuracy"}, "search.scoring"),
        ({"estimator_params": {"C": 1}}, "search.estimator_params.C"),
        ({"refit": False}, "search.refit"),
        ({"error_score": 0.0}, "search.error_score"),
    ],
)
def test_another_plan_is_refused_by_name_unless_overwritten(run, change, named):
    finished(run)
    other = plan_of(SETTINGS.model_copy(update=change), run.load_design())
    with pytest.raises(InputError, match=f"different in {named}; name another run.dir, or replace them"):
        run.is_finished(other, overwrite=False)
    assert not run.is_finished(other, overwrite=True)


def test_where_and_how_long_a_search_runs_is_no_part_of_its_plan(run):
    design = run.load_design()
    elsewhere = SETTINGS.model_copy(update={"backend": "joblib", "n_jobs": 8, "max_time": 9.0, "max_fit_time": 9.0})
    assert plan_of(elsewhere, design) == plan_of(SETTINGS, design)
    assert "race" not in plan_of(SETTINGS, design)["search"], "a run of an earlier release is still the same search"


def test_another_design_is_another_plan(run):
    finished(run)
    with pytest.raises(InputError, match=r"holds the results of a search on another design; .* with --overwrite"):
        run.save_design(a_design(columns=5))
    run.save_design(a_design())  # the same design again is no other
    run.save_design(a_design(columns=5), overwrite=True)
    with pytest.raises(InputError, match=r"design\.X_train\.npz, design\.columns\.csv; name another"):
        run.is_finished(plan_of(SETTINGS, run.load_design()), overwrite=False)


def test_the_design_of_a_running_search_is_not_replaced(run):
    before = run.load_design().columns_digest
    with run.locked(), pytest.raises(InputError, match=r"is working with run\.dir="):
        run.save_design(a_design(columns=5), overwrite=True)
    assert run.load_design().columns_digest == before


def test_a_search_that_ran_out_of_time_is_not_finished(run):
    search, design = searched(), run.load_design()
    search.incomplete_, search.fit_counts_ = True, {"fits": 6}
    plan = plan_of(SETTINGS, design)
    finish_search(run, plan, search, 1.0, design)
    assert not run.is_finished(plan, overwrite=False)
    manifest = run.finished_manifest()
    assert (manifest["partial"], manifest["reuse"]) == (True, {"fits": 6})


@pytest.mark.parametrize("name", ["cv_results.csv", "best_params.json", "model.joblib"])
def test_a_run_that_has_lost_a_file_is_not_finished(run, name, caplog):
    finished(run)
    (run.folder.path / name).unlink()
    assert not run.is_finished(plan_of(SETTINGS, run.load_design()), overwrite=False)
    assert f"{run.uri} has lost {name}, which is made again" in caplog.text


def test_clearing_removes_the_results_and_nothing_else(run):
    finished(run)
    (run.folder.path / "notes.txt").write_text("mine")
    (run.folder.path / "submission.csv").write_text("of the model that goes")
    (run.folder.path / "journal").mkdir()
    run.clear_results()
    assert run.folder.list() == ["design", "journal", "notes.txt"]
    run.begin_overwrite({}, keeps_journal=False)
    assert run.folder.list() == ["design", "notes.txt"]


def test_the_manifest_goes_first_and_comes_last(run, monkeypatch):
    """Whatever step fails, no manifest vouches for results that are not whole."""
    finished(run)
    deleted, delete = [], run.folder.delete
    monkeypatch.setattr(run.folder, "delete", lambda name: deleted.append(name) or delete(name))
    run.clear_results()
    deleted = [name for name in deleted if not is_lock(name)]
    assert deleted[0] == "manifest.json"
    assert set(deleted[1:]) == set(RESULTS)
    monkeypatch.undo()

    def full(*_):
        raise OSError("disk full")

    monkeypatch.setattr("hpt_spark.artifacts.search_results.write_cv_results", full)
    with pytest.raises(OSError, match="disk full"):
        finished(run)
    assert run.manifest() is None


def test_an_earlier_model_does_not_outlive_another_search(run):
    grid = {"n_estimators": [2]}
    tree = {"estimator": "xgboost.XGBClassifier", "param_grid": grid}
    finished(run, SETTINGS.model_copy(update=tree), XGBClassifier())
    assert run.folder.exists("model.ubj")
    finished(run)
    assert run.folder.exists("model.joblib")
    assert not run.folder.exists("model.ubj")


@pytest.mark.parametrize(
    ("one", "other", "expected"),
    [
        ({"a": {"b": 1, "c": 2}}, {"a": {"b": 1, "c": 3}}, ["a.c"]),
        ({"a": 1}, {"b": 1}, ["a", "b"]),
        ({"a": float("nan")}, {"a": float("nan")}, []),
        ({"a": {"b": 1}}, {"a": 1}, ["a"]),
        ({"a": [1, 2]}, {"a": [2, 1]}, ["a"]),
        ({}, {}, []),
    ],
)
def test_differing_keys(one, other, expected):
    assert differing_keys(one, other) == expected


# --- the files ---


def test_the_releases_are_known_where_packages_came_as_zips_or_as_another_build(monkeypatch):
    everywhere, original = versions(), importlib.metadata.version

    def on_a_cluster(name):
        if name in ("hpt-spark", "pyspark", "xgboost"):
            raise importlib.metadata.PackageNotFoundError(name)
        return original(name.removesuffix("-cpu"))

    monkeypatch.setattr(importlib.metadata, "version", on_a_cluster)
    assert versions() == everywhere
    assert {"python", "hpt-spark", "xgboost", "pyspark"} <= set(everywhere)


def test_a_finished_search_leaves_its_files_and_says_where_they_are(run, capsys):
    search = finished(run)
    assert run.folder.list() == [
        *("best_params.json", "cv_results.csv", "design", "manifest.json", "model.joblib", "report.html"),
        "sweeping_results.txt",
    ]
    manifest = run.finished_manifest()
    assert manifest["best"] == {
        "candidate": int(search.best_index_),
        "params": search.best_params_,
        "score": search.best_score_,
        "std": search.cv_results_["std_test_score"][search.best_index_],
    }
    assert (manifest["candidates"], manifest["seconds"], manifest["partial"]) == (3, 12.346, False)
    assert manifest["columns_digest"] == a_design().columns_digest
    assert {"python", "scikit-learn", "xgboost", "numpy"} <= set(manifest["versions"])
    assert json.loads((run.folder.path / "best_params.json").read_text()) == search.best_params_

    announce(run)
    best, score, files = capsys.readouterr().out.splitlines()
    assert best == f"best of 3 candidates: {search.best_params_}"
    assert f"neg_log_loss: {search.best_score_:.5f}" in score
    assert files == f"files: {run.uri}/: {', '.join(run.folder.list())}"


def test_cv_results_are_what_pandas_shows_of_them(tmp_path):
    """Both grids together leave masked values, whose cells are empty."""
    results = searched().cv_results_
    assert np.ma.is_masked(results["param_C"])
    write_cv_results(tmp_path / "cv_results.csv", results)
    text = (tmp_path / "cv_results.csv").read_text(encoding="utf-8")
    assert text == pd.DataFrame(dict(results)).to_csv(index=False)
    first, *_, last = csv.DictReader(io.StringIO(text))
    assert (first["param_C"], first["param_fit_intercept"]) == ("0.1", "")
    assert (last["param_C"], last["param_fit_intercept"]) == ("", "False")
    assert float(first["split0_test_score"]) == results["split0_test_score"][0]


def test_a_failed_fit_is_an_nan_in_the_table(tmp_path):
    write_cv_results(tmp_path / "x.csv", {"mean_test_score": np.array([np.nan, 1.5]), "params": [{"a": 1}, {"a": 2}]})
    assert (tmp_path / "x.csv").read_text() == "mean_test_score,params\nnan,{'a': 1}\n1.5,{'a': 2}\n"


def test_the_sweeping_results_are_the_scenarios_text():
    results = {
        "mean_test_score": np.array([-2.285304, -2.3, np.nan]),
        "std_test_score": np.array([0.039271, 0.0, np.nan]),
        "params": [{"max_depth": 3, "objective": "multi:softprob"}, {"max_depth": np.int64(4)}, {"max_depth": None}],
    }
    assert sweeping_results(results, "neg_log_loss") == (
        "metric =  neg_log_loss\n"
        "mean: -2.28530, std: 0.03927, params: {'max_depth': 3, 'objective': 'multi:softprob'}\n"
        "mean: -2.30000, std: 0.00000, params: {'max_depth': 4}\n"
        "mean: nan, std: nan, params: {'max_depth': None}\n"
    )


def test_plain_values_are_pythons():
    value = {"a": np.float64(0.5), "b": [np.int32(1), (np.bool_(True), None)], "c": np.array([1, 2]), "d": LinearSVC()}
    found = json_safe(value)
    assert found == {"a": 0.5, "b": [1, [True, None]], "c": [1, 2], "d": "LinearSVC()"}
    assert json.loads(json.dumps(found)) == found


def test_what_json_has_no_number_for_is_a_text():
    value = {"a": [float("nan"), np.float32("inf")], "b": np.array([-np.inf, 1.0]), "c": np.float64("nan")}
    assert json_safe(value) == {"a": ["nan", "inf"], "b": ["-inf", 1.0], "c": "nan"}


def test_a_table_shows_nan_as_scikit_learn_does():
    results = {"mean_test_score": [0.5], "std_test_score": [0.1], "params": [{"missing": np.float64("nan")}]}
    assert "params: {'missing': nan}\n" in sweeping_results(results, "accuracy")


# --- the model ---


@pytest.mark.parametrize(
    ("estimator", "name", "file"),
    [
        (XGBClassifier(n_estimators=3, max_depth=2), "xgboost.XGBClassifier", "model.ubj"),
        (LogisticRegression(), "sklearn.linear_model.LogisticRegression", "model.joblib"),
    ],
)
def test_a_model_is_read_as_it_was_saved(run, estimator, name, file):
    design = a_design()
    grid = {"max_depth": [2]} if file == "model.ubj" else {"C": [1.0]}
    search = finished(run, SETTINGS.model_copy(update={"estimator": name, "param_grid": grid}), estimator)
    assert model_file(search.best_estimator_) == file
    assert [found for found in run.folder.list() if found.startswith("model")] == [file]
    found = class_probabilities(load_model(run, run.finished_manifest()), design)
    np.testing.assert_allclose(found, search.best_estimator_.predict_proba(design.X_test), rtol=1e-6)
    assert np.abs(found.sum(axis=1) - 1).max() < 1e-12


@pytest.mark.parametrize("is_in_the_grid", [True, False])
def test_a_model_of_xgboost_knows_which_value_is_missing(run, is_in_the_grid):
    design = a_design()
    missing = float(design.X_test[0, 0])
    grid, params = {"max_depth": [2]}, {"missing": missing}
    settings = {"param_grid": {**grid, "missing": [missing]}} if is_in_the_grid else {"estimator_params": params}
    given = SETTINGS.model_copy(update={"param_grid": grid, "estimator": "xgboost.XGBClassifier", **settings})
    search = finished(run, given, XGBClassifier(n_estimators=3, missing=missing))
    model = load_model(run, run.finished_manifest())
    assert model.missing == missing
    found = class_probabilities(model, design)
    np.testing.assert_allclose(found, search.best_estimator_.predict_proba(design.X_test), rtol=1e-6)


def test_a_search_without_refit_has_no_model(run):
    finished(run, SETTINGS.model_copy(update={"refit": False}))
    with pytest.raises(InputError, match=r"has no model; run `hpt-spark tune --overwrite` with search\.refit: true"):
        load_model(run, {"plan": {"search": {"refit": False}}})
    with pytest.raises(InputError, match=r"has no model; run `hpt-spark tune` again"):
        load_model(run, {"plan": {"search": {"refit": True}}})


@pytest.mark.parametrize("file", ["model.ubj", "model.joblib"])
@pytest.mark.parametrize("content", [b"", b"not a model"])
def test_a_damaged_model_is_refused(run, file, content):
    (run.folder.path / file).write_bytes(content)
    searched = {"refit": True, "estimator": "xgboost.XGBClassifier", "estimator_params": {}}
    manifest = {"plan": {"search": searched}, "best": {"params": {}}}
    with pytest.raises(InputError, match=f"{file} cannot be read as a model"):
        load_model(run, manifest)


def test_a_model_is_opened_by_the_path_of_its_run(run, tmp_path):
    search = finished(run)
    opened = hpt_spark.load_model(run.folder.path)
    X = run.load_design().X_test
    np.testing.assert_array_equal(opened.estimator.predict(X), search.best_estimator_.predict(X))
    with pytest.raises(InputError, match="none has no finished search"):
        hpt_spark.load_model(tmp_path / "none")


def test_a_model_whose_module_is_not_here_asks_for_it(run, monkeypatch):
    module = ModuleType("not_here")
    module.Mine = type("Mine", (DummyClassifier,), {"__module__": "not_here"})
    monkeypatch.setitem(sys.modules, "not_here", module)
    joblib.dump(module.Mine(), run.folder.path / "model.joblib")
    monkeypatch.delitem(sys.modules, "not_here")
    with pytest.raises(InputError, match=r"cannot be imported here \(No module named 'not_here'\); install its"):
        load_model(run, {"plan": {"search": {"refit": True}}})
