"""The search on a standalone cluster: two nodes, and everything that can die there dies."""

from __future__ import annotations

import os
import pickle
import random
import signal
import sys
import threading
import time
import zipfile
from pathlib import Path

import cloudpickle
import numpy as np
import pytest
from sklearn import model_selection
from sklearn.experimental import enable_halving_search_cv  # noqa: F401
from xgboost import XGBClassifier

from hpt_spark import GridSearchCV, HalvingGridSearchCV
from hpt_spark.config.sections import SparkSection
from hpt_spark.errors import HptSparkError
from hpt_spark.search.execution import refit_job
from hpt_spark.search.execution.checkpoints import Checkpoints
from hpt_spark.search.execution.spark_runner import SparkRunner
from hpt_spark.search.planning import memory_limit
from hpt_spark.spark.session import spark_session
from tests.search import misbehaving, searching, standalone
from tests.search.misbehaving import Misbehaving, fits_marked
from tests.search.scores import scores_of, split_scores
from tests.search.searching import X, y
from tests.waiting import wait_until

cloudpickle.register_pickle_by_value(misbehaving)
cloudpickle.register_pickle_by_value(sys.modules[__name__])
pytestmark = [
    pytest.mark.cluster,
    pytest.mark.filterwarnings("ignore::sklearn.exceptions.FitFailedWarning"),
    pytest.mark.filterwarnings("ignore:One or more"),
]


@pytest.fixture(scope="module")
def cluster(tmp_path_factory):
    with standalone.Cluster(tmp_path_factory.mktemp("cluster")) as running:
        yield running


@pytest.fixture(scope="module")
def context(cluster):
    """Spark on the cluster, with a temporary folder of the driver that the nodes do not see."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("tempfile.tempdir", str(cluster.hidden))
        patch.setenv("PYSPARK_PYTHON", sys.executable)
        settings = SparkSection(**cluster.settings())
        with spark_session("cluster tests", settings) as session:
            yield session.sparkContext


def searched(context, grid, marks, cv=2, **arguments):
    grids = [{**one, "marks": [str(marks)]} for one in grid]
    return GridSearchCV(Misbehaving(), grids, cv=cv, refit=False, sc=context, **arguments).fit(X, y)


def expected(numbers, cv=2):
    grid = {"number": list(numbers)}
    return split_scores(model_selection.GridSearchCV(Misbehaving(), grid, cv=cv, refit=False).fit(X, y))


class Mapping(XGBClassifier):
    """Notes which shared file its process has mapped."""

    def __init__(self, marks=None, **params):
        super().__init__(**params)
        self.marks = marks

    def fit(self, X, y):
        with open("/proc/self/maps") as maps:
            files = {line.split()[-1] for line in maps if line.rstrip().endswith(".shared")}
        with open(os.path.join(self.marks, f"maps-{os.getpid()}-{time.time_ns()}"), "w") as mark:
            mark.write("\n".join(files))
        time.sleep(0.2)
        return super().fit(X, y)


def files_on_nodes(cluster):
    return [path for number in range(2) for path in cluster.node(number).rglob("*.shared*")]


def bytes_in_use(context):
    """Return how much of the executors' storage memory holds blocks."""
    states = context._jsc.sc().getExecutorMemoryStatus().values().iterator()
    total = 0
    while states.hasNext():
        state = states.next()
        total += state._1() - state._2()
    return total


def assert_nothing_is_left(cluster, context, before):
    # In the background, if fits were cut short.
    wait_until(lambda: files_on_nodes(cluster) == [], said=lambda: files_on_nodes(cluster))
    assert not [path for path in cluster.hidden.rglob("*") if path.name.endswith(".shared")]
    assert os.listdir(context._temp_dir) == [], "broadcasts of the driver"
    wait_until(lambda: bytes_in_use(context) < before + (1 << 20))  # blocks of the executors


def large(rows=40_000, columns=20):
    generator = np.random.default_rng(0)
    data = generator.normal(size=(rows, columns))
    return data, (data[:, 0] + generator.normal(size=rows) > 0).astype(int)


def test_the_file_is_written_once_per_node_and_gone_at_the_end(cluster, context, marks):
    data, target = large()
    before = bytes_in_use(context)
    estimator = Mapping(seed=0, n_jobs=1, marks=str(marks), n_estimators=2)
    grid = {"max_depth": list(range(1, 9))}
    ours = GridSearchCV(estimator, grid, cv=2, refit=False, sc=context).fit(data, target)
    mapped = [path.read_text() for path in marks.glob("maps-*")]
    theirs = model_selection.GridSearchCV(estimator, grid, cv=2, refit=False).fit(data, target)
    np.testing.assert_array_equal(split_scores(ours), split_scores(theirs))
    assert len(mapped) == 16
    assert len(set(mapped)) == 2, "one file for each node"
    assert [sum(str(cluster.node(number)) in file for file in set(mapped)) for number in range(2)] == [1, 1]
    assert len({path.name.split("-")[1] for path in marks.glob("maps-*")}) > 2, "more processes than nodes"
    assert_nothing_is_left(cluster, context, before)


def test_what_a_node_could_not_delete_goes_with_the_next_search(cluster, context, marks, monkeypatch):
    before = bytes_in_use(context)
    with monkeypatch.context() as patch:  # as where a node has lost its executor at the end of a search
        patch.setattr(SparkRunner, "_tidy_up", lambda runner, work: None)
        searched(context, [{"number": [1]}], marks)
    assert files_on_nodes(cluster)
    searched(context, [{"number": [2]}], marks)
    assert_nothing_is_left(cluster, context, before)


def test_nothing_is_left_after_an_error_or_ctrl_c(cluster, context, marks):
    data, target = large()
    before = bytes_in_use(context)
    grid = [{"number": [0, 1], "marks": [str(marks)]}, {"how": ["fails"], "marks": [str(marks)]}]
    with pytest.raises(ValueError, match="no good"):
        GridSearchCV(Misbehaving(), grid, cv=2, refit=False, error_score="raise", sc=context).fit(data, target)
    assert_nothing_is_left(cluster, context, before)

    grid = [{"number": list(range(4)), "marks": [str(marks)]}, {"how": ["sleeps"], "marks": [str(marks)]}]
    interrupt = threading.Timer(15, os.kill, (os.getpid(), signal.SIGINT))
    interrupt.start()
    with pytest.warns(UserWarning, match="ended early"):
        search = GridSearchCV(Misbehaving(), grid, cv=2, refit=False, sc=context).fit(data, target)
    assert search.incomplete_
    assert_nothing_is_left(cluster, context, before)
    wait_until(lambda: not [p for p in cluster.processes("fits") if p.cpu_percent(0.1) > 90])


def test_each_way_to_die_is_one_failed_row(context, marks):
    deadly = ["killed", "segfaults", "exits", "executor"]
    grid = [{"number": [number], "how": [how]} for number, how in enumerate(deadly)]
    search = searched(context, [*grid, {"number": list(range(10, 18))}], marks)
    assert np.isnan(split_scores(search)[:4]).all()
    np.testing.assert_array_equal(split_scores(search)[4:], expected(range(10, 18)))
    counts = fits_marked(marks)
    assert min(counts[number] for number in range(3)) == 4
    # Only what was in flight on a lost executor is repeated.
    assert sum(counts[number] for number in (0, 1, 2, *range(10, 18))) <= 3 * 4 + 16 + counts[3]


# The daemon is the last: a worker that has lost it goes on, and no process above it is the executor any more.
@pytest.mark.parametrize("how", ["worker", "executor", "daemon"])
def test_what_dies_once_costs_the_fits_in_flight(context, marks, how):
    search = searched(context, [{"number": list(range(12)), "how": [f"{how}-once"]}], marks)
    np.testing.assert_array_equal(split_scores(search), expected(range(12)))
    assert sum(fits_marked(marks).values()) <= 24 + 4


def kill_at_random(cluster, context, marks, seed, deaths):
    chance = random.Random(seed)
    stop = threading.Event()
    killed = []

    def kill():
        while len(killed) < deaths and not stop.wait(chance.uniform(0.5, 2)):
            kind = chance.choice(["executor", "daemon", "worker", "fits"])
            processes = cluster.processes(kind)
            if processes and fits_marked(marks):
                standalone.kill(chance.choice(processes))
                killed.append(kind)

    killer = threading.Thread(target=kill)
    killer.start()
    try:
        search = searched(context, [{"number": list(range(40)), "how": ["naps"]}], marks, cv=3)
    finally:
        stop.set()
        killer.join()
    assert killed
    np.testing.assert_array_equal(split_scores(search), expected(range(40), cv=3))
    # An executor has two tasks in flight, each of at most ten naps: it is to take a second.
    assert sum(fits_marked(marks).values()) <= 120 + 20 * len(killed)


def test_random_processes_of_the_cluster_are_killed(cluster, context, marks):
    kill_at_random(cluster, context, marks, seed=0, deaths=3)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(1, 7))
def test_many_random_processes_of_the_cluster_are_killed(cluster, context, marks, seed):
    kill_at_random(cluster, context, marks, seed, deaths=6)


def test_a_module_that_the_executors_lack_is_named_and_can_be_sent_later(context, tmp_path, monkeypatch):
    monkeypatch.setattr(sys, "path", [str(tmp_path), *sys.path])
    code = "from sklearn.dummy import DummyClassifier\nclass Ours(DummyClassifier):\n    pass\n"
    (tmp_path / "late_on_cluster.py").write_text(code)
    from late_on_cluster import Ours

    search = GridSearchCV(Ours(), {"strategy": ["prior", "uniform"]}, cv=2, sc=context)
    told = (
        "^the executors cannot import the module late_on_cluster: send it with spark-submit --py-files or sc.addPyFile"
    )
    with pytest.raises(HptSparkError, match=told):
        search.fit(X, y)
    with zipfile.ZipFile(tmp_path / "sent.zip", "w") as archive:
        archive.writestr("late_on_cluster.py", code)
    context.addPyFile(str(tmp_path / "sent.zip"))
    assert search.fit(X, y).best_score_ > 0


@pytest.mark.parametrize("where", ["local[1]", "local[2]", "cluster"])
def test_scores_are_the_same_wherever_the_search_runs(cluster, tmp_path, where, request):
    plan = searching.plan_of(tmp_path, "GridSearchCV", how="xgboost")
    if where == "cluster":
        search = searching.run(plan, request.getfixturevalue("context"))
        found = scores_of(search)
    else:
        process = searching.started(plan, where, {"spark.ui.enabled": "false"})
        assert process.wait(timeout=200) == 0, (tmp_path / "plan.log").read_text()
        found, _, _ = pickle.loads(Path(plan["out"]).read_bytes())
    for jobs in (1, 2):
        theirs = scores_of(searching.search_of(plan, model_selection, n_jobs=jobs).fit(X, y))
        assert list(found) == list(theirs)
        for name, values in theirs.items():
            np.testing.assert_array_equal(found[name], values, err_msg=name)


class Large(Misbehaving):
    """Misbehaving with a model of some megabytes."""

    def fit(self, X, y):
        self.values_ = np.random.default_rng(self.number).normal(size=500_000)
        return super().fit(X, y)


def refitted(context, marks, how="fits"):
    grid = {"number": [3], "how": [how], "marks": [str(marks)]}
    return GridSearchCV(Large(), grid, cv=2, sc=context).fit(X, y).best_estimator_


@pytest.fixture
def fetches(monkeypatch):
    """Let a model come in many jobs; what is in `fetches` is called before the job of its number."""
    before: dict[int, object] = {}
    jobs: list[int] = []
    original = refit_job._Model._fetch

    def counted(self, start):
        before.pop(len(jobs), lambda: None)()
        jobs.append(1)
        return original(self, start)

    monkeypatch.setattr(refit_job._Model, "_fetch", counted)
    monkeypatch.setattr(memory_limit, "BYTES_PER_JOB", 400_000)
    return before, jobs


def test_a_model_comes_back_from_another_node(cluster, context, marks, fetches):
    before = bytes_in_use(context)
    model = refitted(context, marks)
    np.testing.assert_array_equal(model.values_, np.random.default_rng(3).normal(size=500_000))
    assert len(fetches[1]) > 10
    assert_nothing_is_left(cluster, context, before)
    assert not [path for number in range(2) for path in cluster.node(number).rglob("*.model")]


@pytest.mark.parametrize("how", ["executor-once", "worker-once"])
def test_a_refit_that_loses_what_it_runs_in_is_done_again(context, marks, how, fetches):
    model = refitted(context, marks, how)
    np.testing.assert_array_equal(model.predict(X), Misbehaving(3).fit(X, y).predict(X))


def test_an_executor_that_is_lost_while_its_model_is_fetched(cluster, context, marks, fetches):
    def lose():
        for process in cluster.processes("executor"):
            standalone.kill(process)

    fetches[0][5] = lose
    model = refitted(context, marks)
    np.testing.assert_array_equal(model.values_, np.random.default_rng(3).normal(size=500_000))
    refits = [path for path in marks.iterdir() if path.name.split("-")[1] == str(len(y))]
    assert len(refits) > 1, "the model had to be trained again"


def test_halving_goes_on_from_checkpoints_that_lie_on_the_nodes(context, monkeypatch):
    left = []

    def noted(self, fits, deadline, original=Checkpoints.fetch):
        path, places = original(self, fits, deadline)
        left.append((len(places), path and os.path.getsize(path)))
        return path, places

    monkeypatch.setattr(Checkpoints, "fetch", noted)
    grid = {"learning_rate": [0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7]}
    how = {"resource": "n_estimators", "min_resources": 2, "max_resources": 16, "factor": 2, "cv": 2, "random_state": 0}
    estimator = XGBClassifier(random_state=0, n_jobs=1)
    ours = HalvingGridSearchCV(estimator, grid, sc=context, refit=False, **how).fit(X, y)
    theirs = model_selection.HalvingGridSearchCV(estimator, grid, refit=False, **how).fit(X, y)
    np.testing.assert_array_equal(ours.cv_results_["mean_test_score"], theirs.cv_results_["mean_test_score"])
    assert ours.fit_counts_["continued"] == sum(count for count, _ in left) == (4 + 2 + 1) * 2
    assert left[0] == (0, "")
    assert all(size > 0 for _, size in left[1:])
    assert context._jsc.getPersistentRDDs().size() == 0
