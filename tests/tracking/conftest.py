"""A store of MLflow, made once and copied."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
from types import SimpleNamespace

import pytest

from tests.waiting import wait_until

SECONDS_TO_LISTEN = 250.0


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


@pytest.fixture
def server(store):
    """A server over `store`, and its address with a password, which it does not ask for."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    words = ["server", "--backend-store-uri", store.uri, "--host", "127.0.0.1", "--port", str(port), "--workers", "1"]
    process = subprocess.Popen(
        [sys.executable, "-m", "mlflow", *words],
        cwd=store.folder,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
        # Its job runner starts processes in sessions of their own, which would outlive it.
        env={**os.environ, "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"},
    )
    process.url = f"http://127.0.0.1:{port}"
    process.address = process.url.replace("//", "//user:hunter2@")

    def listens():
        with socket.socket() as client:
            return client.connect_ex(("127.0.0.1", port)) == 0

    try:
        wait_until(listens, SECONDS_TO_LISTEN, process=process)
        yield process
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
