"""Checkpoints of halving's trainings: on executors' disks, never all in the driver; what is lost is trained anew."""

from __future__ import annotations

import os
import resource
import sys
import threading
import time
import warnings
from contextlib import contextmanager
from pathlib import Path

import cloudpickle
import numpy as np
import pandas as pd
import psutil
import pyspark.cloudpickle
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pyspark import TaskContext
from sklearn import model_selection
from sklearn.datasets import make_classification
from sklearn.experimental import enable_halving_search_cv  # noqa: F401
from xgboost import XGBClassifier

from hpt_spark import HalvingGridSearchCV
from hpt_spark.search.evaluation import Fit
from hpt_spark.search.execution import checkpoints
from hpt_spark.search.execution.checkpoints import CheckpointPlace, Checkpoints
from hpt_spark.search.execution.spark_job import SparkJob, is_fetched

cloudpickle.register_pickle_by_value(sys.modules[__name__])
pyspark.cloudpickle.register_pickle_by_value(sys.modules[__name__])

MB = 1 << 20
NUMBERS, y = make_classification(60, 2, n_informative=2, n_redundant=0, random_state=0)


def data(megabytes=0.0):
    """Return rows whose boosters are so large: XGBoost keeps the names of the columns in them."""
    name = np.random.default_rng(0).integers(ord("a"), ord("z"), max(1, int(megabytes * MB)), dtype=np.uint8)
    return pd.DataFrame(NUMBERS, columns=[name.tobytes().decode(), "B"])


def halving(kind, candidates, rungs, cv=2, **arguments):
    how = {"resource": "n_estimators", "min_resources": 1, "max_resources": 2 ** (rungs - 1), "factor": 2}
    how |= {"cv": cv, "random_state": 0, "refit": False, "return_train_score": False}
    grid = {"learning_rate": list(np.linspace(0.05, 0.9, candidates))}
    return kind(XGBClassifier(random_state=0, n_jobs=1), grid, **{**how, **arguments})


def assert_exact(search, candidates, rungs, cv=2):
    theirs = halving(model_selection.HalvingGridSearchCV, candidates, rungs, cv).fit(data(), y)
    for name in [name for name in theirs.cv_results_ if "score" in name and "_time" not in name]:
        np.testing.assert_array_equal(search.cv_results_[name], theirs.cv_results_[name], err_msg=name)


def java(spark):
    return spark.sparkContext._jvm.java.lang


class Memory:
    """The driver's memory while a ``with`` lasts: what Python has, and what Java's collector leaves of its heap."""

    def __init__(self, spark):
        lang = java(spark)
        self._system = lang.System
        # Java does not let py4j see the class of a pool, only what is public of its kind.
        self._kind = lang.Class.forName("java.lang.management.MemoryPoolMXBean")
        self._nothing = spark.sparkContext._gateway.new_array(lang.Object, 0)
        self._no_class = spark.sparkContext._gateway.new_array(lang.Class, 0)
        pools = lang.management.ManagementFactory.getMemoryPoolMXBeans()
        self._pools = [pool for pool in pools if self._of(pool, "getType").toString() == "Heap memory"]
        self._ended = threading.Event()
        self.python, self.java = [], []

    def __enter__(self):
        self._look()
        self._thread = threading.Thread(target=self._watch)
        self._thread.start()
        return self

    def __exit__(self, *_):
        self._ended.set()
        self._thread.join()
        self._look()

    def _watch(self):
        while not self._ended.wait(1):
            self._look()

    def _look(self):
        self.python.append(psutil.Process().memory_info().rss)
        self._system.gc()
        left = [self._of(pool, "getCollectionUsage") for pool in self._pools]
        self.java.append(sum(usage.getUsed() for usage in left if usage is not None))

    def _of(self, pool, name):
        return self._kind.getMethod(name, self._no_class).invoke(pool, self._nothing)

    def grown(self):
        return max(self.python) - self.python[0], max(self.java) - self.java[0]


@contextmanager
def largest_result(spark, value):
    """Let Spark give up a job whose results are larger than `value` together."""
    conf = spark.sparkContext._jsc.sc().conf()
    conf.set("spark.driver.maxResultSize", value)
    try:
        yield
    finally:
        conf.remove("spark.driver.maxResultSize")


def flat_memory(spark, candidates, cv, megabytes):
    """Run a halving whose first rung leaves so many checkpoints; return what the driver's memory has grown by."""
    halving(HalvingGridSearchCV, 2, 2, sc=spark).fit(data(), y)  # so that what is imported is there
    search = halving(HalvingGridSearchCV, candidates, 2, cv, sc=spark, factor=3, max_resources=3)
    with largest_result(spark, "48m"), Memory(spark) as memory:
        search.fit(data(megabytes), y)
    assert search.fit_counts_["continued"] == (-(-candidates // 3)) * cv
    python, in_java = memory.grown()
    print(f"grown by {python / MB:.0f} MB in Python, {in_java / MB:.0f} MB in Java")
    return python, in_java


@pytest.mark.long
def test_the_checkpoints_of_hundreds_of_trainings_leave_the_driver_s_memory_flat(spark):
    python, in_java = flat_memory(spark, 40, 2, 2)  # 160 MB
    assert python < 80 * MB
    assert in_java < 80 * MB


@pytest.mark.slow
@pytest.mark.timeout(1200)
@pytest.mark.parametrize(("candidates", "cv", "megabytes"), [(100, 3, 2), (200, 5, 5)])
def test_gigabytes_of_checkpoints_leave_the_driver_s_memory_flat(spark, candidates, cv, megabytes):
    python, in_java = flat_memory(spark, candidates, cv, megabytes)
    assert python < 200 * MB
    assert in_java < 200 * MB


@pytest.mark.long
def test_each_rung_s_checkpoints_go_when_the_next_one_has_what_it_needs(spark, tmp_path, monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    kept, fetched = [], []

    def noted(self, fits, deadline, original=Checkpoints.fetch):
        kept.append(spark.sparkContext._jsc.getPersistentRDDs().size())
        path, places = original(self, fits, deadline)
        assert spark.sparkContext._jsc.getPersistentRDDs().size() == 0
        fetched.append([path, len(list(tmp_path.glob("*/*.shared")))])
        return path, places

    monkeypatch.setattr(Checkpoints, "fetch", noted)
    search = halving(HalvingGridSearchCV, 8, 4, sc=spark).fit(data(), y)
    assert_exact(search, 8, 4)
    assert kept[0] == 0
    assert all(kept[1:])
    assert [count for _, count in fetched] == [0, 2, 2, 2], "the data, and what this rung goes on from"
    assert len({path for path, _ in fetched}) == 4
    assert search.fit_counts_["continued"] == (4 + 2 + 1) * 2
    assert spark.sparkContext._jsc.getPersistentRDDs().size() == 0
    assert list(tmp_path.glob("hpt_spark-*")) == []


def lose_all(spark):
    """Let the executors lose what they keep, as one that is gone does."""
    scala = spark.sparkContext._jsc.sc()
    for number in list(spark.sparkContext._jsc.getPersistentRDDs()):
        scala.env().blockManager().master().removeRdd(number, True)


@pytest.mark.long
def test_lost_checkpoints_are_trained_anew(spark, monkeypatch):
    fetch = Checkpoints.fetch

    def lost(self, fits, deadline):
        lose_all(spark)
        return fetch(self, fits, deadline)

    monkeypatch.setattr(Checkpoints, "fetch", lost)
    with pytest.warns(UserWarning, match="4 of 4 checkpoints .* lost with their executors.* trained anew"):
        search = halving(HalvingGridSearchCV, 4, 2, sc=spark).fit(data(), y)
    assert_exact(search, 4, 2)
    assert search.fit_counts_["continued"] == 0


class Works:
    """A task that leaves a mark whenever it works, and yields its numbers with contents of so many bytes."""

    def __init__(self, token, marks):
        self.token, self.marks = token, marks

    def __call__(self, tasks):
        if is_fetched(self.token):
            return
        for sizes in tasks:
            (self.marks / f"{TaskContext.get().partitionId()}-{time.time_ns()}").touch()
            for number, size in sizes:
                yield number, bytes([number]) * size


@pytest.fixture
def kept(spark, tmp_path):
    """The checkpoints of three tasks of two jobs, two in each, and the folder of marks."""
    store = Checkpoints(spark.sparkContext, tmp_path)
    marks = tmp_path / "marks"
    marks.mkdir()
    tasks = [[(number, 1000 + number) for number in (2 * task, 2 * task + 1)] for task in range(3)]
    for of_job, started in enumerate((tasks[:2], tasks[2:])):
        job = SparkJob(spark.sparkContext, started, Works(store.token, marks), "test", keeps=True)
        job.start()
        job.join()
        assert job.failure() is None
        store.jobs.append(job)
        for task, sizes in enumerate(started):
            for number, size in sizes:
                store.note(Fit(number, number, 0), CheckpointPlace(of_job, task, size))
    yield store, marks
    store.forget()


@pytest.mark.parametrize("batch", [1, 2500, 1 << 20])
def test_what_is_asked_for_is_fetched_and_no_task_works_again(kept, monkeypatch, batch):
    monkeypatch.setattr(checkpoints, "BATCH_BYTES", batch)
    store, marks = kept
    wanted = [fit for fit in store.fits if fit.number in (1, 2, 3, 4)]
    path, places = store.fetch(wanted)
    content = Path(path).read_bytes()
    assert set(places) == set(wanted)
    for fit, (offset, size) in places.items():
        assert content[offset : offset + size] == bytes([fit.number]) * (1000 + fit.number)
    assert len(content) == sum(size for _, size in places.values())
    assert len(os.listdir(marks)) == 3
    assert list(store.fits) == []


def test_a_lost_block_costs_no_work_before_it_is_known_who_needs_it(spark, kept):
    store, marks = kept
    lose_all(spark)
    with pytest.warns(UserWarning, match="6 of 6"):
        assert store.fetch(list(store.fits)) == ("", {})
    assert len(os.listdir(marks)) == 3


def test_nothing_is_waited_for_at_the_deadline_nor_warned_of(kept, tmp_path):
    store, _ = kept
    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)  # what cannot be had would be trained anew, but nothing is any more
        assert store.fetch(list(store.fits), deadline=time.monotonic() - 1) == ("", {})
    assert list(tmp_path.glob("*.shared")) == []


@given(st.lists(st.tuples(st.integers(0, 2), st.integers(0, 5), st.integers(0, 2 * checkpoints.BATCH_BYTES))))
def test_batches_are_bounded_and_lose_nothing(places):
    wanted = {Fit(at, at, 0): CheckpointPlace(*place) for at, place in enumerate(places)}
    batches = list(checkpoints._batches(wanted))
    asked = [task for batch in batches for task in batch]
    assert sorted(asked) == sorted({(job, task) for job, task, _ in places})
    for batch in batches:
        together = sum(size for job, task, size in places if (job, task) in batch)
        assert together <= checkpoints.BATCH_BYTES or len(batch) == 1


@contextmanager
def small_files(process, most):
    """Let a process write no larger file, as if its disk were full."""
    before = resource.prlimit(process, resource.RLIMIT_FSIZE)
    resource.prlimit(process, resource.RLIMIT_FSIZE, (most, before[1]))
    try:
        yield
    finally:
        resource.prlimit(process, resource.RLIMIT_FSIZE, before)


@pytest.mark.long
@pytest.mark.skipif(sys.platform != "linux", reason="prlimit is Linux's")
def test_where_an_executor_s_disk_is_full_all_is_trained_anew_with_one_warning(spark):
    halving(HalvingGridSearchCV, 2, 2, sc=spark).fit(data(), y)  # so that the workers are there, without a limit
    pid = spark.sparkContext._jvm.java.lang.ProcessHandle.current().pid()
    search = halving(HalvingGridSearchCV, 8, 3, sc=spark)
    with small_files(pid, MB), warnings.catch_warnings(record=True) as warned:
        warnings.simplefilter("always", UserWarning)
        search.fit(data(2), y)
    told = [str(warning.message) for warning in warned if issubclass(warning.category, UserWarning)]
    assert [text for text in told if "checkpoints" in text] == [
        "the checkpoints of trainings are not kept (File too large): what they trained is trained anew, with the same "
        "scores."
    ]
    assert_exact(search, 8, 3)
    assert search.fit_counts_["continued"] == 0


@pytest.mark.long
@pytest.mark.skipif(sys.platform != "linux", reason="prlimit is Linux's")
def test_where_the_driver_s_disk_is_full_all_is_trained_anew(spark, tmp_path, monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    fetch = Checkpoints.fetch

    def full(self, fits, deadline):
        with small_files(0, MB):
            found = fetch(self, fits, deadline)
        assert len(list(tmp_path.glob("*/*.shared"))) <= 1, "nothing half-written"
        return found

    monkeypatch.setattr(Checkpoints, "fetch", full)
    with pytest.warns(UserWarning, match="4 of 4 checkpoints .*File too large"):
        search = halving(HalvingGridSearchCV, 4, 2, sc=spark).fit(data(0.6), y)
    assert_exact(search, 4, 2)
    assert search.fit_counts_["continued"] == 0
