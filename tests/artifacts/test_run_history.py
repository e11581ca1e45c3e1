"""What `track` tells of a finished search, from its files: the same as a history that was written while it ran."""

from __future__ import annotations

import importlib.util
import json
import math
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest

from hpt_spark.artifacts.candidates import read_candidates
from hpt_spark.artifacts.plan import plan_of
from hpt_spark.artifacts.run_directory import HISTORY
from hpt_spark.artifacts.run_history import (
    NO_SCORE,
    RunHistory,
    _events_of_table,
    _results_of,
    described_run,
    store_of,
    track_finished,
)
from hpt_spark.config.search_section import SearchSection
from hpt_spark.config.tracking_section import MlflowSection
from hpt_spark.errors import InputError, MissingDependencyError
from hpt_spark.search.followers.follower import SearchFollower
from hpt_spark.tracking import MlflowTracking, facts
from hpt_spark.tracking.identity import identity_in, noted_identity
from hpt_spark.tracking.store_uri import VARIABLE
from hpt_spark.tracking.sweep import Sweep
from tests.artifacts.report.samples import grid, sample
from tests.artifacts.searches import SEVERAL, finished, halved


def without_mlflow(monkeypatch):
    found = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name, *more: None if name == "mlflow" else found(name, *more)
    )


def test_a_variable_without_mlflow_is_one_warning(tmp_path, monkeypatch, caplog):
    monkeypatch.setenv(VARIABLE, "http://user:hunter2@127.0.0.1:5000")
    without_mlflow(monkeypatch)
    assert store_of(MlflowSection(), f"{tmp_path}/run") is None
    (record,) = caplog.records
    assert (
        "MLFLOW_TRACKING_URI names http://user:***@127.0.0.1:5000, but MLflow is not installed" in record.getMessage()
    )
    with pytest.raises(MissingDependencyError):
        store_of(MlflowSection(uri="http://127.0.0.1:5000"), f"{tmp_path}/run")


def test_a_variable_that_names_no_known_store_is_one_warning(tmp_path, monkeypatch, caplog):
    address = "azureml://eastus.api.azureml.ms/mlflow/v1.0/subscriptions/x"
    monkeypatch.setenv(VARIABLE, address)
    assert store_of(MlflowSection(), f"{tmp_path}/run") is None
    search = SimpleNamespace()
    with MlflowTracking().follow(search, None, None, None) as follower:
        assert type(follower) is SearchFollower
    assert [record.levelname for record in caplog.records] == ["WARNING"] * 2
    assert f"names {address}, but stores of that kind are not known here" in caplog.text
    with pytest.raises(InputError, match="is not known"):
        store_of(MlflowSection(uri=address), f"{tmp_path}/run")


def test_a_variable_whose_folder_is_missing_is_one_warning(tmp_path, monkeypatch, caplog):
    monkeypatch.setenv(VARIABLE, f"sqlite:///{tmp_path}/nowhere/mlflow.db")
    assert store_of(MlflowSection(), f"{tmp_path}/run") is None
    (record,) = caplog.records
    assert (
        f"no history is kept: the variable MLFLOW_TRACKING_URI names sqlite:///{tmp_path}/nowhere/mlflow.db, but"
        in (record.getMessage())
    )
    with pytest.raises(InputError, match="does not exist"):
        store_of(MlflowSection(uri=f"sqlite:///{tmp_path}/nowhere/mlflow.db"), f"{tmp_path}/run")


def test_an_empty_variable_counts_as_unset(tmp_path, monkeypatch, caplog):
    monkeypatch.setenv(VARIABLE, "")
    assert store_of(MlflowSection(), f"{tmp_path}/run") == f"sqlite:///{tmp_path}/mlflow.db"
    assert caplog.records == []


def test_a_store_whose_password_is_not_kept_must_be_named_again(run, monkeypatch):
    finished(run)
    monkeypatch.delenv(VARIABLE)
    run.folder.path.joinpath(HISTORY).write_text(json.dumps({"id": "a", "uri": None, "experiment": "mine"}))
    with pytest.raises(InputError, match="has a password, which the run does not keep; name it again"):
        track_finished(run, MlflowSection(), str(run.folder.path))


def test_a_search_that_goes_on_in_another_experiment_is_noted_there_and_a_later_track_is_not(run):
    first = {"plan": "p", "uri": "sqlite:////one.db", "experiment": "mine"}
    second = {**first, "experiment": "ours"}
    name = identity_in(run.folder, **first)["id"]
    assert noted_identity(run.folder) == {"id": name, **first}
    assert identity_in(run.folder, **second) == {"id": name, **second}
    assert noted_identity(run.folder) == {"id": name, **second}
    assert identity_in(run.folder, has_ended=True, **first)["id"] == name
    assert noted_identity(run.folder) == {"id": name, **second}
    another = {**second, "plan": "q"}
    new = identity_in(run.folder, **another)["id"]
    assert new != name
    assert identity_in(run.folder, **another)["id"] == new
    assert noted_identity(run.folder) == {"id": new, "replaces": name, **another}


def test_a_search_that_begins_anew_is_another_one_and_knows_which_it_replaces(run):
    about = {"plan": "p", "uri": "sqlite:////one.db", "experiment": "mine"}
    history = RunHistory(run, None)
    history.begin_anew()
    assert noted_identity(run.folder) is None
    name = identity_in(run.folder, **about)["id"]
    history.begin_anew()
    new = identity_in(run.folder, **about)["id"]
    assert new != name
    assert noted_identity(run.folder) == {"id": new, "replaces": name, **about}


@pytest.mark.parametrize("error", [OSError(28, "No space left on device"), InputError("the table is damaged.")])
def test_files_that_cannot_be_kept_cost_a_warning(run, caplog, error):
    def full(*_):
        raise error

    finished(run)
    history = RunHistory(run, run.load_design(), SimpleNamespace(keep=full))
    history.keep(SimpleNamespace(refit=False))
    reason = str(error).rstrip(".")
    assert caplog.messages[-1].startswith(f"the history of this search lacks its files and its model: {reason}; `hpt-")


def test_a_dense_design_has_a_history_as_a_sparse_one_has(run):
    design = run.load_design()
    run.save_design(replace(design, X_train=design.X_train.toarray(), X_test=design.X_test.toarray()))
    dense = run.load_design()
    plan = plan_of(SearchSection(), dense)
    described = described_run(run, plan, dense, "sqlite:///here.db", "mine")
    assert described["tags"]["design_digest"] == plan["design"]["X_train.npy"]


def proposed(run):
    return sample(run, grid(max_depth=[2, 3], subsample=[0.5, 1.0]), more={"iter": np.array([0, 0, 1, 1])})


def raced(run):
    """Finish a made-up search whose last candidate has got two of five folds."""
    done = {f"split{fold}_test_score": np.array([-1.0, -2.0 if fold < 2 else math.nan]) for fold in range(5)}
    return sample(run, grid(max_depth=[2, 3]), more={**done, "n_splits_done": np.array([5, 2])})


def replayed(run):
    """Return the sweep that `track` makes of a run, and what it says of its results."""
    manifest, rows = run.finished_manifest(), read_candidates(run)
    results = _results_of(manifest, rows)
    events = _events_of_table(rows, manifest["plan"]["search"])
    return Sweep([*events, {"kind": "results", **results}]), results


@pytest.mark.parametrize("kind", [finished, lambda run: finished(run, SEVERAL), halved, proposed, raced])
def test_it_has_the_numbers_of_the_search(run, kind):
    search = kind(run)
    sweep, results = replayed(run)
    assert results["rows"] == facts.columns_of(search.cv_results_)
    several = "mean_test_accuracy" in search.cv_results_
    assert results["rank"] == ("rank_test_neg_log_loss" if several else "rank_test_score")
    for candidate in sweep.candidates.values():
        assert candidate.whole_rows == candidate.rows
        for row in candidate.rows:
            for fold, scores in row.scores.items():
                assert list(scores) == (["neg_log_loss", "accuracy"] if several else ["score"])
                for name, score in scores.items():
                    assert score == search.cv_results_[f"split{fold}_test_{name}"][row.number]


def test_of_a_race_it_has_the_folds_that_were_run(run):
    raced(run)
    sweep, _ = replayed(run)
    rows = [candidate.rows[0] for candidate in sweep.candidates.values()]
    assert [(len(row.scores), row.skipped, row.failure) for row in rows] == [(5, 0, None), (2, 3, None)]


def test_the_points_of_a_curve_are_one_candidate(run):
    sample(run, grid(max_depth=[2, 3], n_estimators=[10, 20, 30]))
    searched = {
        **run.finished_manifest()["plan"]["search"],
        "estimator": "sklearn.ensemble.RandomForestClassifier",
        "estimator_params": {},
        "rounds": {"max": 30, "step": 10},
    }
    sweep = Sweep(_events_of_table(read_candidates(run), searched))
    assert [[row.step for row in one.rows] for one in sweep.candidates.values()] == [[10, 20, 30]] * 2


def test_candidates_have_the_parameters_that_the_search_has_told(run):
    given = [{"max_leaves": None, "subsample": 1}, {"max_leaves": 3, "subsample": 0.5}]
    sample(run, given)
    sweep, _ = replayed(run)
    assert [candidate.params for candidate in sweep.candidates.values()] == list(map(facts.as_texts, given))


def test_a_candidate_without_a_score_has_failed(run):
    settings = SearchSection(
        estimator="sklearn.linear_model.LogisticRegression", param_grid={"C": [0.5, -1.0]}, scoring="accuracy", cv=2
    )
    finished(run, settings)
    sweep, _ = replayed(run)
    assert [candidate.rows[0].failure for candidate in sweep.candidates.values()] == [None, NO_SCORE]
