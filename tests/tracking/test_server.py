"""A real server of MLflow that is killed, or no longer answers, in the middle of a search."""

from __future__ import annotations

import logging
import os
import signal
import sys
import threading
import time
import uuid
from pathlib import Path

import cloudpickle
import numpy as np
import pytest
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.model_selection import GridSearchCV as SklearnGridSearchCV

from hpt_spark import GridSearchCV
from hpt_spark.tracking import MlflowTracking, recorder_process
from tests.search.small_search import X, y
from tests.waiting import wait_until

pytestmark = pytest.mark.mlflow
cloudpickle.register_pickle_by_value(sys.modules[__name__])
PATIENT = 250.0
NUMBERS, FOLDS = (0, 1, 2), 2


class Pauses(ClassifierMixin, BaseEstimator):
    """Its fits wait for the file ``go`` from when all fits of any candidate have ended, whichever start first."""

    def __init__(self, number=0, folder=""):
        self.number = number
        self.folder = folder

    def fit(self, X, y):
        folder, deadline = Path(self.folder), time.monotonic() + PATIENT
        ended = folder / f"{self.number}-{uuid.uuid4()}"
        while not (folder / "go").exists() and time.monotonic() < deadline:
            if max(len(list(folder.glob(f"{number}-*"))) for number in NUMBERS) < FOLDS:
                break
            time.sleep(0.05)
        self.classes_ = np.unique(y)
        ended.touch()
        return self

    def predict(self, X):
        return np.full(len(X), self.classes_[self.number % 2])


def search_of(tmp_path, search_class, **arguments):
    (tmp_path / "fits").mkdir(exist_ok=True)
    grid = {"number": list(NUMBERS), "folder": [str(tmp_path / "fits")]}
    return search_class(Pauses(), grid, cv=FOLDS, refit=False, **arguments)


def searched_while(tmp_path, spark, server, store, break_it):
    """Search, and break the server when a candidate is in the store; return the search."""
    search = search_of(tmp_path, GridSearchCV, sc=spark, tracking=MlflowTracking(server.address, wait=PATIENT))
    failures = []

    def fit():
        try:
            search.fit(X, y)
        except BaseException as error:
            failures.append(error)

    fitting = threading.Thread(target=fit)
    fitting.start()
    try:
        wait_until(lambda: store.client.get_experiment_by_name("hpt-spark") and store.runs()[1], PATIENT)
        break_it()
    finally:
        (tmp_path / "fits" / "go").touch()
        fitting.join(PATIENT)
    assert failures == []
    return search


def test_a_server_keeps_the_search(spark, server, store, tmp_path, caplog):
    search = searched_while(tmp_path, spark, server, store, lambda: None)
    (parent,), children = store.runs()
    assert (parent.info.status, sorted(children)) == ("FINISHED", ["0", "1", "2"])
    assert parent.data.metrics["best_cv_score"] == search.best_score_
    assert not [record for record in caplog.records if record.levelno >= logging.WARNING]


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGSTOP])
def test_a_server_that_breaks_off_harms_no_search(spark, server, store, tmp_path, how, caplog, monkeypatch):
    monkeypatch.setattr(recorder_process, "SECONDS_OF_STALL", 5.0)
    search = searched_while(tmp_path, spark, server, store, lambda: os.killpg(server.pid, how))
    expected = search_of(tmp_path, SklearnGridSearchCV).fit(X, y)
    for name in ("split0_test_score", "split1_test_score", "rank_test_score"):
        np.testing.assert_array_equal(search.cv_results_[name], expected.cv_results_[name])
    (warning,) = [record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING]
    assert warning.startswith("the history of this search is not whole: ")
    assert "hunter2" not in warning
    os.killpg(server.pid, signal.SIGKILL)  # one that was stopped may hold the store's lock
    (parent,), children = store.runs()
    assert parent.info.status == "RUNNING"
    assert 0 < len(children) < len(NUMBERS)
