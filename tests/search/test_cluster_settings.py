"""The search on a standalone cluster of two nodes, under settings of Spark that change how it works."""

from __future__ import annotations

import json
import logging
import os
import sys
import threading
import time
from contextlib import contextmanager
from pathlib import Path

import cloudpickle
import numpy as np
import psutil
import pytest
from pyspark import SparkContext
from sklearn import model_selection
from sklearn.base import BaseEstimator, ClassifierMixin

from hpt_spark import GridSearchCV
from hpt_spark.config.sections import SparkSection
from hpt_spark.search.execution.spark_context import slots_of
from hpt_spark.search.execution.spark_runner import SparkRunner
from hpt_spark.spark.session import spark_session
from tests.search import misbehaving, standalone
from tests.search.misbehaving import Misbehaving
from tests.search.searching import X, y
from tests.waiting import wait_until

cloudpickle.register_pickle_by_value(misbehaving)
cloudpickle.register_pickle_by_value(sys.modules[__name__])
pytestmark = [
    pytest.mark.cluster,
    pytest.mark.timeout(900),
    pytest.mark.filterwarnings("ignore::sklearn.exceptions.FitFailedWarning"),
    pytest.mark.filterwarnings("ignore:One or more"),
]
ONE_FOLD = [(np.arange(80), np.arange(80, 120))]


@pytest.fixture(scope="module")
def cluster(tmp_path_factory):
    with standalone.Cluster(tmp_path_factory.mktemp("cluster")) as running:
        yield running


@contextmanager
def context_with(cluster, **conf):
    """Give Spark on the cluster with a setting left out where its value is None."""
    settings = cluster.settings(**conf)
    left_out = [name for name, value in settings["conf"].items() if value is None]
    for name in left_out:
        del settings["conf"][name]
        if SparkContext._jvm is not None:  # what the first Spark of this process was told, Java tells all later ones
            SparkContext._jvm.java.lang.System.clearProperty(name)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("tempfile.tempdir", str(cluster.hidden))
        patch.setenv("PYSPARK_PYTHON", sys.executable)
        with spark_session("cluster tests", SparkSection(**settings)) as session:
            yield session.sparkContext


def test_executors_that_come_later_get_their_share(cluster, marks, jobs, caplog):
    dynamic = {
        "spark.dynamicAllocation.enabled": "true",
        "spark.dynamicAllocation.shuffleTracking.enabled": "true",
        "spark.dynamicAllocation.minExecutors": "0",
        "spark.dynamicAllocation.initialExecutors": "0",
        "spark.dynamicAllocation.maxExecutors": "4",
        "spark.executor.cores": "1",
        "spark.executor.memory": "512m",
        "spark.default.parallelism": None,
        "spark.scheduler.minRegisteredResourcesRatio": None,
    }
    grid = {"number": list(range(300)), "how": ["naps"], "marks": [str(marks)]}
    with context_with(cluster, **dynamic) as context, caplog.at_level(logging.INFO, "hpt_spark"):
        runner = SparkRunner(context)
        assert (runner.slots, runner.planned_slots) == (2, 4), "no executor is there"
        search = GridSearchCV(Misbehaving(), grid, cv=ONE_FOLD, refit=False, sc=context).fit(X, y)
        assert runner.slots > 2
    assert "300 trainings, 2 at a time (more as executors come)" in caplog.text
    assert len(jobs[0]._tasks) == 4, "a first one for each executor that may come"
    theirs = model_selection.GridSearchCV(Misbehaving(), {"number": list(range(300))}, cv=ONE_FOLD, refit=False)
    np.testing.assert_array_equal(
        search.cv_results_["mean_test_score"], theirs.fit(X, y).cv_results_["mean_test_score"]
    )
    assert len({name.rpartition("-")[2] for name in os.listdir(marks)}) > 2, "processes of more than two slots"


@pytest.mark.parametrize("partitions", ["1", "64"])
@pytest.mark.parametrize("master", ["local[2]", "local[2,4]"])
def test_slots_of_a_local_master_are_its_cores_whatever_the_number_of_partitions(master, partitions):
    section = SparkSection(master=master, conf={"spark.ui.enabled": "false", "spark.default.parallelism": partitions})
    with spark_session("partitions", section) as session:
        runner = SparkRunner(session.sparkContext)
        assert (runner.slots, runner.planned_slots, slots_of(session.sparkContext)) == (2, 2, 2)
        runner.release()


@pytest.mark.parametrize("partitions", ["1", "64"])
def test_slots_of_a_cluster_are_those_of_its_executors_whatever_the_number_of_partitions(cluster, partitions):
    settings = {"spark.default.parallelism": partitions, "spark.dynamicAllocation.enabled": "false"}
    with context_with(cluster, **settings, **{"spark.executor.cores": None}) as context:
        wait_until(lambda: slots_of(context) == 4, 60)
        runner = SparkRunner(context)
        assert (runner.slots, runner.planned_slots) == (4, 4)
        runner.release()


def test_workers_that_are_not_reused_get_few_tasks_and_a_warning(tmp_path, marks, jobs):
    conf = {"spark.ui.enabled": "false", "spark.default.parallelism": "2", "spark.python.worker.reuse": "false"}
    section = SparkSection(master="local[2]", conf=conf)
    grid = {"number": list(range(40)), "marks": [str(marks)]}
    with spark_session("without reuse", section) as session:
        search = GridSearchCV(Misbehaving(), grid, cv=ONE_FOLD, refit=False, sc=session)
        with pytest.warns(UserWarning, match=r"spark.python.worker.reuse=false: each task starts Python anew"):
            search.fit(X, y)
    tasks = sum(len(job._tasks) for job in jobs)
    assert tasks == 2 + 8, "first ones that tell the time, then four for each slot"
    assert len({name.rpartition("-")[2] for name in os.listdir(marks)}) == tasks, "a process for each task"
    theirs = model_selection.GridSearchCV(Misbehaving(), {"number": list(range(40))}, cv=ONE_FOLD, refit=False)
    np.testing.assert_array_equal(
        search.cv_results_["mean_test_score"], theirs.fit(X, y).cv_results_["mean_test_score"]
    )


@pytest.fixture(scope="module")
def encrypting(cluster):
    """Spark with its files encrypted, for the rest of this module: a process has one Spark at a time."""
    with context_with(cluster, **{"spark.io.encryption.enabled": "true"}) as context:
        yield context


class Measuring(ClassifierMixin, BaseEstimator):
    """Notes the memory of its process, and the most that the Python worker above it ever had."""

    def __init__(self, number=0, marks=None):
        self.number = number
        self.marks = marks

    def fit(self, X, y):
        worker = os.getppid()
        status = dict(line.split(":", 1) for line in Path(f"/proc/{worker}/status").read_text().splitlines())
        own = psutil.Process().memory_full_info().uss
        found = {"worker": worker, "worker peak": int(status["VmHWM"].split()[0]) * 1024, "own": own}
        Path(self.marks, f"{self.number}-{os.getpid()}-{time.time_ns()}").write_text(json.dumps(found))
        time.sleep(1)
        self.classes_ = np.unique(y)
        return self

    def predict(self, X):
        return np.zeros(len(X), dtype=int)


def test_encrypted_broadcasts_leave_no_copy_in_any_worker(cluster, encrypting, marks):
    data = np.random.default_rng(0).random((20_000, 1875))  # 300 MB
    folds = [(np.arange(200), np.arange(200, 220))]
    grid = {"number": list(range(12)), "marks": [str(marks)]}
    search = GridSearchCV(Measuring(), grid, cv=folds, refit=False, error_score="raise", sc=encrypting)
    search.fit(data, np.arange(20_000) % 2)
    measured = [json.loads(mark.read_text()) for mark in marks.iterdir()]
    assert len({one["worker"] for one in measured}) > 2, "more workers than nodes"
    assert max(one["own"] for one in measured) < 100e6
    assert max(one["worker peak"] for one in measured) < 300e6, "what it has imported, and one piece"
    assert not [path for number in range(2) for path in cluster.node(number).rglob("*.shared*")]


def test_an_early_end_does_not_wait_for_nodes_that_hang(cluster, encrypting, marks, monkeypatch):
    grid = [{"number": [1, 2]}, {"number": list(range(3, 15)), "how": ["hangs"]}]
    grids = [{**one, "marks": [str(marks)]} for one in grid]
    large = np.repeat(X, 400, axis=0), np.repeat(y, 400)
    search = GridSearchCV(Misbehaving(), grids, cv=ONE_FOLD, refit=False, max_time=30, sc=encrypting)
    fit_has_ended, found_ended = threading.Event(), []

    def held_back(self, work, tidy_up=SparkRunner._tidy_up):
        found_ended.append(fit_has_ended.wait(120))
        tidy_up(self, work)

    monkeypatch.setattr(SparkRunner, "_tidy_up", held_back)
    with pytest.warns(UserWarning, match="ended early"):
        search.fit(*large)
    assert search.incomplete_
    assert np.isfinite(search.cv_results_["mean_test_score"][:2]).all()

    def files():
        return [path for number in range(2) for path in cluster.node(number).rglob("*.shared*")]

    assert files()
    fit_has_ended.set()
    wait_until(lambda: found_ended and not files(), 250)
    assert found_ended == [True], "it is tidied up in the background"
    wait_until(lambda: not [p for p in cluster.processes("fits") if p.cpu_percent(0.1) > 90], 250)
