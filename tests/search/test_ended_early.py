"""A search that is ended early is there at once, also where every slot hangs, and no further signal loses it."""

from __future__ import annotations

import os
import signal
import tempfile
import threading
import time
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import psutil
import pytest
from sklearn import model_selection
from sklearn.dummy import DummyClassifier

from hpt_spark import GridSearchCV
from hpt_spark.errors import HptSparkError
from hpt_spark.search.execution import spark_job, spark_runner, task_stream
from hpt_spark.search.execution.checkpoints import Checkpoints
from hpt_spark.search.execution.spark_job import SparkJob
from hpt_spark.search.execution.spark_runner import SparkRunner
from tests.search.misbehaving import Misbehaving, fits_that_run
from tests.search.searching import X, y
from tests.waiting import wait_until

pytestmark = [pytest.mark.filterwarnings("ignore::sklearn.exceptions.FitFailedWarning")]
ONE_FOLD = [(np.arange(80), np.arange(80, 120))]
GRID = [{"number": [1, 2]}, {"number": list(range(3, 9)), "how": ["hangs"]}]


@pytest.fixture
def marks(tmp_path):
    return tmp_path


def search_of(spark, marks, **arguments):
    grids = [{**grid, "marks": [str(marks)]} for grid in GRID]
    return GridSearchCV(Misbehaving(), grids, cv=ONE_FOLD, refit=False, sc=spark, **arguments)


def assert_the_rest_is_kept(search):
    theirs = model_selection.GridSearchCV(Misbehaving(), {"number": [1, 2]}, cv=ONE_FOLD, refit=False).fit(X, y)
    assert search.incomplete_
    np.testing.assert_array_equal(
        search.cv_results_["mean_test_score"], [*theirs.cv_results_["mean_test_score"], *[np.nan] * 6]
    )


def hung(marks, also=2):
    """Return whether so many fits hang: the two that go well have gone before."""
    return len(os.listdir(marks)) >= 2 + also


@pytest.mark.long
def test_when_time_is_up_nothing_waits_for_slots_that_hang(spark, marks, jobs):
    GridSearchCV(Misbehaving(), {"number": [1, 2]}, cv=2, refit=False, sc=spark).fit(X, y)  # the workers are there
    with pytest.warns(UserWarning, match="ended early"):
        search = search_of(spark, marks, max_time=4).fit(X, y)
    assert hung(marks), "too busy a machine: the fits that hang have not begun"
    assert_the_rest_is_kept(search)
    assert len(jobs) == 2, "one job for each search, and none that tidies up"
    wait_until(lambda: len(fits_that_run(marks)) == 0, 30)  # what hung is killed with its job


@pytest.mark.long
def test_a_signal_that_comes_between_two_results_ends_the_fits_that_run(spark, marks, monkeypatch):
    monkeypatch.setattr(task_stream, "SECONDS_TOGETHER", 60)
    interrupted = []

    def interrupt():
        wait_until(lambda: fits_that_run(marks, "2-*"))
        os.kill(os.getpid(), signal.SIGINT)

    class Ended(threading.Event):
        def wait(self, timeout=None):
            if not interrupted and (timeout or 0) > 50:  # the driver waits for more results
                interrupted.append(threading.Timer(0.2, interrupt))
                interrupted[0].start()
            return super().wait(timeout)

    monkeypatch.setattr(spark_job, "threading", SimpleNamespace(Event=Ended))
    grids = [{"number": [1], "marks": [str(marks)]}, {"number": [2], "how": ["sleeps"], "marks": [str(marks)]}]
    search = GridSearchCV(Misbehaving(), grids, cv=ONE_FOLD, refit=False, sc=spark)
    with pytest.warns(UserWarning, match="ended early"):
        search.fit(X, y)
    interrupted[0].join()
    assert np.isfinite(search.cv_results_["mean_test_score"]).tolist() == [True, False]
    wait_until(lambda: not fits_that_run(marks, "2-*"), 30)


@pytest.fixture
def answered_by_pyspark(spark):
    """Ctrl-C is answered as in a session that PySpark alone has started."""

    def handler(number, frame):
        spark.sparkContext.cancelAllJobs()
        raise KeyboardInterrupt

    handler.__module__ = "pyspark.core.context"
    before = signal.signal(signal.SIGINT, handler)
    yield
    signal.signal(signal.SIGINT, before)


def test_ctrl_c_while_java_answers_ends_the_search_early(spark, marks, monkeypatch, answered_by_pyspark):
    count = spark_runner.slots_of_context

    def interrupted(context, conf):
        threading.Timer(0.3, os.kill, (os.getpid(), signal.SIGINT)).start()
        context._jvm.java.lang.Thread.sleep(2000)
        return count(context, conf)

    monkeypatch.setattr(spark_runner, "slots_of_context", interrupted)
    with pytest.raises(HptSparkError, match="the search was ended after 0 of 8 fits"):
        search_of(spark, marks).fit(X, y)


@pytest.mark.long
def test_ctrl_c_while_a_job_starts_ends_that_job(spark, marks, monkeypatch):
    start = SparkJob.start

    def interrupted(self):  # as within Thread.start, which waits for the thread
        start(self)
        wait_until(lambda: fits_that_run(marks))
        signal.raise_signal(signal.SIGINT)

    monkeypatch.setattr(SparkJob, "start", interrupted)
    grid = {"number": [1], "how": ["sleeps"], "marks": [str(marks)]}
    with pytest.raises(HptSparkError, match="the search was ended after 0 of 1 fits"):
        GridSearchCV(Misbehaving(), grid, cv=ONE_FOLD, refit=False, sc=spark).fit(X, y)
    wait_until(lambda: not fits_that_run(marks), 20)


# Before the first signal is caught, SIGTERM is the job's own to handle.
@pytest.mark.long
@pytest.mark.parametrize(
    ("owner", "moment", "number"),
    [
        (SparkJob, "cancel", signal.SIGINT),
        (SparkRunner, "release", signal.SIGINT),
        pytest.param(SparkRunner, "release", signal.SIGTERM, marks=pytest.mark.process),
    ],
)
def test_a_second_signal_loses_nothing(spark, marks, monkeypatch, owner, moment, number):
    does = getattr(owner, moment)
    sent = []

    def interrupted(self):
        if not sent:
            sent.append(number)
            os.kill(os.getpid(), number)
            time.sleep(0.1)  # it arrives
        return does(self)

    def interrupt():
        wait_until(lambda: hung(marks))
        time.sleep(1)  # what has ended arrives
        os.kill(os.getpid(), signal.SIGINT)

    first = threading.Thread(target=interrupt)
    before = signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)
    search = search_of(spark, marks)
    monkeypatch.setattr(owner, moment, interrupted)
    first.start()
    with pytest.warns(UserWarning, match="ended early"):
        search.fit(X, y)
    first.join()
    assert sent == [number]
    assert_the_rest_is_kept(search)
    assert (signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)) == before


def test_the_first_signal_is_not_ignored_at_the_end_of_a_whole_search(spark, marks, monkeypatch):
    monkeypatch.setattr(SparkRunner, "release", lambda self: os.kill(os.getpid(), signal.SIGINT) or time.sleep(5))
    with pytest.raises(KeyboardInterrupt):
        GridSearchCV(DummyClassifier(), {"strategy": ["prior"]}, cv=2, refit=False, sc=spark).fit(X, y)


def test_ctrl_c_while_a_search_gives_back_what_it_has_leaves_no_data(spark, tmp_path, monkeypatch):
    def interrupted(self):
        raise KeyboardInterrupt

    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.setattr(Checkpoints, "forget", interrupted)
    with pytest.raises(KeyboardInterrupt) as caught:
        GridSearchCV(DummyClassifier(), {"strategy": ["prior"]}, cv=2, refit=False, sc=spark).fit(X, y)
    assert list(tmp_path.glob("hpt_spark-*")) == []
    assert caught.tb is not None  # keeps the runner, as a notebook keeps the last traceback


def test_workers_forget_the_data_when_the_search_has_ended(spark):
    data = np.ones((60_000, 8))  # large enough to be mapped
    GridSearchCV(DummyClassifier(), {"strategy": ["prior", "stratified"]}, cv=2, refit=False, sc=spark).fit(
        data, np.arange(60_000) % 2
    )

    def mapping():
        found = []
        for process in psutil.process_iter():
            try:
                maps = Path(f"/proc/{process.pid}/maps").read_text()
            except OSError:
                continue
            if ".shared" in maps and os.getpid() in [parent.pid for parent in process.parents()]:
                found.append(process.pid)
        return found

    wait_until(lambda: mapping() == [], 20)
