"""Searches whose history is written while they run: the Python classes, the job, and MLflow's own autologging."""

from __future__ import annotations

import json
import logging
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import numpy as np
import pytest
import yaml
from sklearn.datasets import load_iris
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV as SklearnGridSearchCV
from sklearn.model_selection import KFold
from xgboost import XGBClassifier

from hpt_spark import GridSearchCV
from hpt_spark.tracking import MlflowTracking, recorder_process
from tests.jobs.running import GRID as GRID_OF_JOB
from tests.jobs.running import copy_of, done_here, grid, run_here, settings
from tests.search.small_search import GRID, search_of
from tests.waiting import wait_until

pytestmark = pytest.mark.mlflow
X, y = load_iris(return_X_y=True)
PATIENT = 250.0


@pytest.fixture
def tracking(store):
    return MlflowTracking(store.uri, wait=PATIENT)


def grid_search(spark, **arguments):
    grid = {"max_depth": [1, 2], "n_estimators": [3, 5]}
    return GridSearchCV(XGBClassifier(n_jobs=1), grid, cv=3, scoring="neg_log_loss", sc=spark, **arguments)


def assert_it_is_the_search(store, search, metric):
    (parent,), children = store.runs()
    assert parent.info.status == "FINISHED"
    assert parent.data.metrics[metric] == parent.data.metrics["best_cv_score"] == search.best_score_
    for name, value in search.best_params_.items():
        assert parent.data.params[name] == parent.data.params[f"best_{name}"] == str(value)
    table = search.cv_results_
    assert sorted(map(int, children)) == list(range(len(table["params"])))
    for number, child in children.items():
        row = int(number)
        for name in ("mean_test_score", "std_test_score", "rank_test_score", "mean_fit_time"):
            assert child.data.metrics[name] == table[name][row]
        history = store.client.get_metric_history(child.info.run_id, "split_test_score")
        assert sorted((one.step, one.value) for one in history) == [
            (fold, table[f"split{fold}_test_score"][row]) for fold in range(search.n_splits_)
        ]
        for name, value in table["params"][row].items():
            assert child.data.params[name] == str(value)
    return parent


def test_a_search_is_tracked_with_its_model(spark, store, tracking):
    import mlflow

    search = grid_search(spark, tracking=tracking).fit(X, y)
    parent = assert_it_is_the_search(store, search, "neg_log_loss")
    tags = parent.data.tags
    assert tags["estimator_name"] == "XGBClassifier"
    assert tags["spark.application_id"] == spark.sparkContext.applicationId
    assert {"version.xgboost", "version.scikit-learn", "version.python"} <= set(tags)
    mlflow.set_tracking_uri(store.uri)
    (model,) = mlflow.search_logged_models(
        experiment_ids=[parent.info.experiment_id], output_format="list", filter_string="name='model'"
    )
    assert model.source_run_id == parent.info.run_id
    loaded = mlflow.xgboost.load_model(model.model_uri)
    np.testing.assert_array_equal(loaded.predict(X), search.predict(X))
    info = mlflow.models.get_model_info(model.model_uri)
    assert info.signature is not None
    assert info.saved_input_example_info is not None


def test_a_kept_model_knows_which_value_is_missing(spark, store, tracking):
    import mlflow

    known = np.where(X > 5, -1.0, X)
    search = GridSearchCV(XGBClassifier(n_estimators=3, missing=-1.0), {"max_depth": [2]}, cv=2, sc=spark)
    search.set_params(tracking=tracking).fit(known, y)
    parent, _ = store.runs()
    mlflow.set_tracking_uri(store.uri)
    loaded = mlflow.pyfunc.load_model(f"runs:/{parent[0].info.run_id}/model")
    np.testing.assert_array_equal(loaded.predict(known), search.predict(known))


def test_the_same_search_with_its_journal_continues_its_run(spark, store, tracking, tmp_path):
    journal = str(tmp_path / "journal")
    for _ in range(2):
        search = search_of(sc=spark, tracking=tracking, journal=journal).fit(X, y)
    assert search.fit_counts_["resumed"] == 4
    assert_it_is_the_search(store, search, "score")


def shown(store):
    """Return each parent with the scores of its children by their parameters, the latest first."""
    experiment = store.client.get_experiment_by_name("hpt-spark").experiment_id
    runs = store.client.search_runs([experiment])
    return [
        (
            parent,
            {
                run.data.params["C"]: (run.data.metrics["mean_test_score"], run.data.metrics["rank_test_score"])
                for run in runs
                if run.data.tags.get("mlflow.parentRunId") == parent.info.run_id
            },
        )
        for parent in runs
        if "mlflow.parentRunId" not in parent.data.tags
    ]


def table_of(search):
    table = search.cv_results_
    return {
        str(params["C"]): (mean, rank)
        for params, mean, rank in zip(table["params"], table["mean_test_score"], table["rank_test_score"])
    }


def test_other_searches_on_a_journal_have_runs_of_their_own_and_the_same_one_continues_its(
    spark, store, tracking, tmp_path
):
    arguments = {"sc": spark, "tracking": tracking, "journal": str(tmp_path / "journal")}
    two, three = [1.0, 10.0], [0.001, 1.0, 10.0]
    kinds = [(two, 2), (three, 2), (three, KFold(3)), (three, KFold(3, shuffle=True, random_state=0))]

    def searched(number, **more):
        values, cv = kinds[number]
        return GridSearchCV(LogisticRegression(), {"C": values}, cv=cv, refit=False, **arguments, **more).fit(X, y)

    searches = [searched(number) for number in range(len(kinds))]
    searched(0)
    searched(1, max_time=1e6)  # the same with more time
    found = shown(store)
    assert len(found) == len(kinds)
    assert len({parent.data.tags["hpt_spark.journal"] for parent, _ in found}) == 1
    for search, (parent, children) in zip(searches, reversed(found)):
        assert parent.info.status == "FINISHED"
        assert children == table_of(search)
        assert parent.data.params["best_C"] == str(search.best_params_["C"])
        assert parent.data.metrics["best_cv_score"] == search.best_score_
    assert found[2][0].data.tags["setting.max_time"] == "1000000.0"


@pytest.mark.parametrize("also_tracked", [False, True])
def test_autologging_works_and_nothing_is_logged_twice(spark, store, also_tracked):
    import mlflow

    mlflow.set_tracking_uri(store.uri)
    mlflow.create_experiment("hpt-spark", artifact_location=(store.folder / "artifacts").as_uri())
    mlflow.set_experiment("hpt-spark")
    mlflow.sklearn.autolog(log_models=False, max_tuning_runs=None)
    try:
        tracking = MlflowTracking(store.uri, wait=PATIENT) if also_tracked else None
        search = search_of(sc=spark, tracking=tracking).fit(X, y)
    finally:
        mlflow.sklearn.autolog(disable=True)
    (parent,), children = store.runs()
    assert parent.data.metrics["best_cv_score"] == search.best_score_
    assert parent.data.params["best_C"] == str(search.best_params_["C"])
    assert len(children) == len(GRID["C"])
    assert ("hpt_spark.id" in parent.data.tags) == also_tracked


def test_a_search_that_fails_is_a_failed_run(spark, store, tracking):
    search = GridSearchCV(LogisticRegression(), {"C": [1.0, -1.0]}, cv=2, error_score="raise", sc=spark)
    with pytest.raises(Exception, match="'C' parameter"):
        search.set_params(tracking=tracking).fit(X, y)
    (parent,), _ = store.runs()
    assert parent.info.status == "FAILED"


def scores(search):
    return {name: column for name, column in search.cv_results_.items() if name.startswith(("split", "mean_test"))}


@pytest.fixture
def odd_server():
    """A server that answers nothing, or refuses all; it is told which."""
    held = threading.Event()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            if self.server.hangs:
                held.wait(PATIENT)
            self.send_error(403)

        do_POST = do_GET  # noqa: N815

        def log_message(self, *words):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server
    held.set()
    server.shutdown()
    server.server_close()


@pytest.mark.parametrize("kind", ["unreachable", "refuses", "hangs"])
def test_a_store_that_takes_nothing_costs_one_warning(spark, odd_server, kind, caplog, monkeypatch):
    monkeypatch.setattr(recorder_process, "SECONDS_OF_STALL", 3.0)
    odd_server.hangs = kind == "hangs"
    port = odd_server.server_port if kind != "unreachable" else 9
    expected = SklearnGridSearchCV(LogisticRegression(), GRID, cv=2).fit(X, y)
    address = f"http://user:hunter2@127.0.0.1:{port}"
    search = search_of(sc=spark, tracking=MlflowTracking(address, wait=PATIENT)).fit(X, y)
    for name, column in scores(expected).items():
        np.testing.assert_array_equal(search.cv_results_[name], column)
    (warning,) = [record for record in caplog.records if record.levelno >= logging.WARNING]
    assert warning.getMessage().startswith("the history of this search is not whole: ")
    assert "hunter2" not in caplog.text


# --- the job ---


def tuned(place, run_dir, spark, *more):
    argv = ["--conf", place / "conf.yaml", *settings(run_dir, *more)]
    code, out, err = run_here("tune", *argv, spark=spark)
    assert code == 0, out + err
    return out, err


@pytest.fixture(scope="module")
def job_place(raw, spark, tmp_path_factory):
    """A folder with a configuration and a design."""
    folder = tmp_path_factory.mktemp("jobs")
    conf = {
        "source": {"uri": str(raw)},
        "tables": {"uri": str(folder / "tables")},
        "features": {"sets": ["weekday", "category"]},
        "search": {"cv": 2, "param_grid": GRID_OF_JOB},
        "run": {"dir": str(folder / "run")},
    }
    (folder / "conf.yaml").write_text(yaml.safe_dump(conf), encoding="utf-8")
    for name in ("ingest", "build_features"):
        done_here(name, "--conf", folder / "conf.yaml", spark=spark)
    return folder


def test_a_run_is_tracked_beside_itself_and_again_by_track(job_place, store, spark, monkeypatch):
    monkeypatch.delenv("MLFLOW_TRACKING_URI")  # the store is beside the runs: `store` is its file
    run_dir = copy_of(job_place / "run", store.folder / "run", design_only=True)
    tuned(job_place, run_dir, spark)
    wait_until(lambda: store.runs()[0] and store.runs()[0][0].info.status == "FINISHED", PATIENT)
    (parent,), children = store.runs()
    manifest = json.loads((run_dir / "manifest.json").read_text())
    assert parent.data.metrics["neg_log_loss"] == manifest["best"]["score"]
    assert parent.data.tags["design_digest"] == manifest["plan"]["design"]["X_train.npz"]
    assert len(children) == manifest["candidates"]
    kept = {artifact.path for artifact in store.client.list_artifacts(parent.info.run_id)}
    assert {"cv_results.csv", "sweeping_results.txt", "report.html"} <= kept
    # Whoever tracks it again finds all of it there; where the store was lost, all is written anew.
    code, out, err = run_here("track", run_dir)
    assert (code, store.runs()[0][0].info.run_id) == (0, parent.info.run_id), err
    for one in (parent, *children.values()):  # MLflow does not delete the children of a run with it
        store.client.delete_run(one.info.run_id)
    code, out, err = run_here("track", run_dir)
    assert code == 0, err
    (again,), again_children = store.runs()
    assert f"run {again.info.run_id} of sqlite:///" in out
    assert again.data.metrics == parent.data.metrics
    for number, child in again_children.items():
        assert child.data.metrics["mean_test_score"] == children[number].data.metrics["mean_test_score"]
        assert child.data.metrics["rank_test_score"] == children[number].data.metrics["rank_test_score"]


def test_track_writes_where_the_search_did(job_place, store, spark, tmp_path, monkeypatch):
    run_dir = copy_of(job_place / "run", tmp_path / "elsewhere" / "run", design_only=True)
    place = [f"tracking.mlflow.uri={store.uri}", "tracking.mlflow.experiment=mine"]
    mixed = {"max_depth": [None, 2], "subsample": [1, 0.5], "n_estimators": [3]}
    tuned(job_place, run_dir, spark, *place, grid(mixed))
    wait_until(lambda: store.runs("mine")[0][0].info.status == "FINISHED", PATIENT)
    before, children = store.runs("mine")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{tmp_path}/nowhere/mlflow.db")
    for _ in range(2):
        code, _, err = run_here("track", run_dir)
        assert code == 0, err
        (parent,), again = store.runs("mine")
        assert parent.info.status == "FINISHED"
        assert {number: one.data.params for number, one in again.items()} == {
            number: one.data.params for number, one in children.items()
        }
        assert (parent.info.run_id == before[0].info.run_id) == (again["0"].info.run_id == children["0"].info.run_id)
        assert store.client.get_experiment_by_name("hpt-spark") is None
        for one in (parent, *again.values()):
            store.client.delete_run(one.info.run_id)
    assert {one.data.params["max_depth"] for one in children.values()} == {"None", "2"}


def test_track_says_what_stands_in_its_way(job_place, tmp_path, spark):
    run_dir = copy_of(job_place / "run", tmp_path / "run", design_only=True)
    code, _, err = run_here("track", run_dir)
    assert (code, "has no finished search" in err) == (2, True)
    tuned(job_place, run_dir, spark)
    code, _, err = run_here("track", run_dir)
    assert (code, "name one with --set tracking.mlflow.uri=URI" in err) == (2, True)
    code, _, err = run_here("track", run_dir, "--set", "tracking.mlflow.uri=http://user:hunter2@127.0.0.1:9")
    assert (code, "cannot be written" in err, "hunter2" in err, "Traceback" in err) == (1, True, False, False)
    code, _, err = run_here("track", run_dir, "--set", "tracking.mlflow.uri=ftp://host")
    assert (code, "is not known" in err) == (2, True)
