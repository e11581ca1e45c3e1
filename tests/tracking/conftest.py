"""A store of MLflow, made once and copied."""

from __future__ import annotations

import shutil
from types import SimpleNamespace

import pytest


@pytest.fixture(autouse=True)
def _none_by_itself(monkeypatch):
    """MLflow writes the address that it is given into the environment."""
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "none")


@pytest.fixture(scope="session")
def empty_store(tmp_path_factory):
    """A SQLite store with MLflow's tables and nothing in them: to make it takes seconds."""
    from mlflow.tracking import MlflowClient

    path = tmp_path_factory.mktemp("store") / "mlflow.db"
    MlflowClient(f"sqlite:///{path}").search_experiments()
    return path


@pytest.fixture
def store(empty_store, tmp_path):
    """A store to write into: its address, and what reads it."""
    from mlflow.tracking import MlflowClient

    path = shutil.copy(empty_store, tmp_path / "mlflow.db")
    uri = f"sqlite:///{path}"
    client = MlflowClient(uri)

    def runs(experiment="hpt-spark"):
        """Return the parents and their children, each by its number."""
        found = client.search_runs([client.get_experiment_by_name(experiment).experiment_id], max_results=50_000)
        children = [run for run in found if "mlflow.parentRunId" in run.data.tags]
        parents = [run for run in found if "mlflow.parentRunId" not in run.data.tags]
        by_number = {}
        for child in children:
            number = child.data.tags.get("hpt_spark.candidate", child.info.run_name)
            assert number not in by_number, f"candidate {number} was written twice"
            by_number[number] = child
        return parents, by_number

    return SimpleNamespace(uri=uri, client=client, runs=runs, folder=tmp_path)
