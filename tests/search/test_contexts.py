"""Which Spark a search takes, how it is saved and nested, and what it says when Spark is gone."""

from __future__ import annotations

import copy
import importlib.util
import io
import json
import os
import pickle
import re
import subprocess
import sys
import threading
import time
import types
from pathlib import Path

import cloudpickle
import joblib
import numpy as np
import pytest
from py4j.protocol import Py4JJavaError, Py4JNetworkError
from pyspark.sql import SparkSession
from sklearn import model_selection
from sklearn.base import clone
from sklearn.datasets import make_classification
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import hpt_spark
from hpt_spark import GridSearchCV, HalvingGridSearchCV
from hpt_spark.errors import HptSparkError, InputError, MissingDependencyError, SparkEndedError
from hpt_spark.search.execution.spark_job import WorkerDiedError, translate_job_error

sys.path.insert(0, str(Path(__file__).parent))
from misbehaving import Misbehaving

pytestmark = [
    pytest.mark.filterwarnings("ignore::sklearn.exceptions.FitFailedWarning"),
    pytest.mark.filterwarnings("ignore:One or more"),
]

X, y = make_classification(120, 5, random_state=0)
GRID = {"C": [0.1, 1.0]}


def search_of(**arguments):
    return GridSearchCV(LogisticRegression(), GRID, cv=2, **arguments)


# Saved and cloned at any moment


def plain_state(value, known=()):
    """Save as skops and others do: an object by its class and its state, down to values."""
    if any(value is one for one in known):
        return "known"
    known = (*known, value)
    if isinstance(value, (dict, list, tuple)):
        return [plain_state(one, known) for one in (value.values() if isinstance(value, dict) else value)]
    if type(value).__module__.startswith(("hpt_spark", "sklearn")):
        state = value.__getstate__() if hasattr(value, "__getstate__") else dict(vars(value))  # Python 3.10
        return [type(value).__name__, plain_state(state, known)]
    if type(value).__module__.startswith(("_thread", "threading", "pyspark", "py4j")):
        raise TypeError(f"{value!r} has no state to be saved")
    return value


SAVERS = {
    "pickle": lambda search: pickle.loads(pickle.dumps(search)),
    "pickle 2": lambda search: pickle.loads(pickle.dumps(search, protocol=2)),
    "cloudpickle": lambda search: pickle.loads(cloudpickle.dumps(search)),
    "joblib": lambda search: joblib.dump(search, io.BytesIO()),
    "deepcopy": copy.deepcopy,
    "copy": copy.copy,
    "clone": clone,
    "in a pipeline": lambda search: clone(make_pipeline(StandardScaler(), search)),
    "state": plain_state,
}
if importlib.util.find_spec("skops"):
    import skops.io

    SAVERS["skops"] = skops.io.dumps


class Saves:
    """Saves a search again and again in another thread, and where scikit-learn asks the user's code."""

    def __init__(self):
        self.search = None
        self.moments = []
        self.errors = []
        self.ended = threading.Event()

    def save(self, moment):
        if self.search is None:
            return
        self.moments.append(moment)
        for name, saver in SAVERS.items():
            if name == "skops" and moment == "meanwhile":
                continue  # it fails on scikit-learn's own estimators while they are fitted, as in the refit
            try:
                saver(self.search)
            except Exception as error:
                self.errors.append((moment, name, repr(error)))

    def until_ended(self):
        while not self.ended.is_set():
            self.save("meanwhile")

    def __reduce__(self):
        return (Saves, ())


saves = Saves()


class SavingSplitter(model_selection.KFold):
    def split(self, X, y=None, groups=None):
        saves.save("split")
        return super().split(X, y, groups)


def best_and_saved(cv_results):
    saves.save("refit")
    return 0


@pytest.mark.parametrize("kind", ["GridSearchCV", "HalvingGridSearchCV"])
def test_a_search_can_be_saved_and_cloned_at_any_moment_of_its_fit(spark, tmp_path, kind):
    arguments = {"refit": best_and_saved} if kind == "GridSearchCV" else {"min_resources": 60}
    search = getattr(hpt_spark, kind)(
        LogisticRegression(), GRID, cv=SavingSplitter(2), sc=spark.sparkContext, journal=str(tmp_path), **arguments
    )
    saves.__init__()
    saves.search = search
    thread = threading.Thread(target=saves.until_ended)
    thread.start()
    try:
        search.fit(X, y)
    finally:
        saves.ended.set()
        thread.join()
    saves.save("fitted")
    assert not saves.errors, "\n".join(map(str, saves.errors))
    assert {"split", "meanwhile", "fitted"} <= set(saves.moments)
    assert kind != "GridSearchCV" or "refit" in saves.moments
    assert search.sc is spark.sparkContext, "cloning in another thread does not take it away"
    assert clone(search).sc is spark.sparkContext
    loaded = pickle.loads(pickle.dumps(search))
    assert loaded.sc is None
    np.testing.assert_array_equal(loaded.predict(X), search.predict(X))


def test_a_search_is_saved_also_where_its_lock_is_the_callers(spark):
    search = search_of(sc=spark)
    search.journal_lock = threading.Lock()  # which no saver takes
    for saver in SAVERS.values():
        saver(search)
    assert not hasattr(pickle.loads(pickle.dumps(search)).__dict__, "journal_lock")


# Spark that cannot be used

CONNECT_STAND_IN = type("SparkSession", (), {"__module__": "pyspark.sql.connect.session", "sparkContext": None})
OF_CONNECT = "Spark Connect has none"
WRONG = {
    "text": ("local[2]", r"sc= is the text 'local\[2\]' \(a master goes to SparkSession"),
    "secret": ("spark://me:pw@host:7077?sig=1", r"'spark://me:\*\*\*@host:7077'"),
    "empty": ("", "sc= is the text ''"),
    "number": (0, "of type int"),
    "false": (False, "of type bool"),
    "list": ([], "of type list"),
    "array": (np.zeros(2), "of type ndarray"),
    "object": (object(), "of type object"),
    "class": (SparkSession, "the class SparkSession, not an instance"),
    "builder": (SparkSession.builder, "a builder of sessions"),
    "other": (types.SimpleNamespace(sparkContext="local"), "of type SimpleNamespace"),
    "connect": (CONNECT_STAND_IN(), OF_CONNECT),  # stands in for Spark Connect's session
    "connect class": (CONNECT_STAND_IN, OF_CONNECT),
}


@pytest.mark.parametrize("name", WRONG)
def test_what_is_no_spark_is_refused_in_one_sentence_before_any_file_is_touched(spark, tmp_path, name):
    given, message = WRONG[name]
    with pytest.raises(InputError, match=message) as error:
        search_of(sc=given, journal=str(tmp_path / "journal")).fit(X, y)
    assert "\n" not in str(error.value)
    assert "pw" not in str(error.value)
    assert not (tmp_path / "journal").exists()


def test_what_has_a_spark_context_is_taken(spark):
    streaming = types.SimpleNamespace(sparkContext=spark.sparkContext)
    for given in (spark, spark.sparkContext, spark.newSession(), streaming, None):
        assert search_of(sc=given).fit(X, y).best_score_ > 0


def test_spark_connect_is_refused_also_where_no_session_is_given(spark, monkeypatch):
    monkeypatch.setenv("SPARK_CONNECT_MODE_ENABLED", "1")
    for given in (None, spark.sparkContext):
        with pytest.raises(InputError, match=OF_CONNECT):
            search_of(sc=given).fit(X, y)


def test_without_pyspark_a_search_tells_the_way_to_install_it(monkeypatch):
    monkeypatch.delitem(sys.modules, "hpt_spark.search.execution.spark_job")
    monkeypatch.setitem(sys.modules, "pyspark", None)
    with pytest.raises(MissingDependencyError, match=r"pip install 'hpt-spark\[spark\]'"):
        search_of().fit(X, y)


# A search around a search, or within one


@pytest.mark.parametrize("backend", ["loky", "multiprocessing"])
def test_in_another_process_the_context_is_said_to_stay_where_it_is(spark, backend):
    with joblib.parallel_backend(backend), pytest.raises(ValueError, match=r"SparkContext stays(.|\n)*n_jobs=None"):
        model_selection.cross_val_score(search_of(), X, y, cv=2, n_jobs=2)


def test_in_a_spark_task_too(spark):
    search = search_of()

    def told(_):
        try:
            search.fit(X, y)
        except InputError as error:
            return str(error)

    (said,) = spark.sparkContext.parallelize([0], 1).map(told).collect()
    assert "a SparkContext stays in the process that started it" in said


@pytest.mark.parametrize("wrap", [lambda inner: inner, lambda inner: make_pipeline(StandardScaler(), inner)])
def test_a_search_within_a_search_is_refused(spark, tmp_path, wrap):
    outer = GridSearchCV(wrap(search_of()), {}, sc=spark, journal=str(tmp_path / "journal"))
    with pytest.raises(InputError, match=r"is a search on Spark itself.*SparkContext stays.*scikit-learn's own"):
        outer.fit(X, y)
    assert not (tmp_path / "journal").exists()


def test_what_is_not_fitted_again_may_hold_a_search(spark):
    frozen = pytest.importorskip("sklearn.frozen").FrozenEstimator(search_of(sc=spark).fit(X, y))
    pipeline = make_pipeline(StandardScaler(with_mean=False, with_std=False), frozen)
    ours = GridSearchCV(pipeline, {"standardscaler__copy": [True]}, cv=2, sc=spark).fit(X, y)
    theirs = model_selection.GridSearchCV(pipeline, {"standardscaler__copy": [True]}, cv=2).fit(X, y)
    assert ours.best_score_ == theirs.best_score_


def test_a_candidate_that_is_a_search_fails_with_its_reason(spark):
    pipeline = make_pipeline(StandardScaler(), LogisticRegression())
    grid = {"logisticregression": [LogisticRegression(), search_of()]}
    with pytest.warns(match="a SparkContext stays in the process"):
        search = GridSearchCV(pipeline, grid, cv=2, sc=spark).fit(X, y)
    assert np.isnan(search.cv_results_["mean_test_score"]).tolist() == [False, True]


def sub_folders(journal):
    return sorted(path for path in journal.iterdir() if path.is_dir())


@pytest.mark.parametrize("jobs", [None, 2])
def test_each_outer_fold_has_a_folder_of_its_own_in_the_journal_and_resumes_from_it(spark, tmp_path, jobs):
    search, theirs = (
        search_of(sc=spark, journal=str(tmp_path)),
        model_selection.GridSearchCV(LogisticRegression(), GRID, cv=2),
    )
    arguments = {"cv": 3, "return_estimator": True, "error_score": "raise"}
    with joblib.parallel_backend("threading"):
        first = model_selection.cross_validate(search, X, y, n_jobs=jobs, **arguments)
        folders = sub_folders(tmp_path)
        second = model_selection.cross_validate(search, X, y, n_jobs=jobs, **arguments)
    expected = model_selection.cross_validate(theirs, X, y, **arguments)
    for found in (first, second):
        np.testing.assert_array_equal(found["test_score"], expected["test_score"])
    assert len(folders) == 3
    assert sub_folders(tmp_path) == folders
    assert [one.fit_counts_["resumed"] for one in first["estimator"]] == [0, 0, 0]
    assert [one.fit_counts_["resumed"] for one in second["estimator"]] == [4, 4, 4]
    assert not list(tmp_path.rglob("lock*"))


def test_an_outer_search_over_parameters_of_the_inner_one_keeps_them_apart(spark, tmp_path):
    outer = {"param_grid": {"cv": [2, 3], "estimator__fit_intercept": [True, False]}, "cv": 2, "error_score": "raise"}
    ours = model_selection.GridSearchCV(search_of(sc=spark, journal=str(tmp_path)), **outer).fit(X, y)
    theirs = model_selection.GridSearchCV(model_selection.GridSearchCV(LogisticRegression(), GRID), **outer).fit(X, y)
    np.testing.assert_array_equal(ours.cv_results_["mean_test_score"], theirs.cv_results_["mean_test_score"])
    assert len(sub_folders(tmp_path)) == 4 * 2 + 1, "a folder for each candidate and fold, and for the refit"


def test_halving_keeps_all_its_rungs_in_the_folder_of_the_outer_fold(spark, tmp_path):
    search = HalvingGridSearchCV(
        LogisticRegression(), {"C": [0.1, 1.0, 10.0]}, factor=2, cv=2, min_resources=20, random_state=0, sc=spark
    )
    search.journal = str(tmp_path)
    model_selection.cross_val_score(search, X, y, cv=2, error_score="raise")
    assert [len(list(folder.glob("evaluation-?.json"))) for folder in sub_folders(tmp_path)] == [2, 2]


def test_the_same_search_with_other_data_is_still_refused(spark, tmp_path):
    search = search_of(sc=spark, journal=str(tmp_path)).fit(X, y)
    assert sub_folders(tmp_path) == []
    with pytest.raises(InputError, match="is of another search, different in X"):
        search.fit(X + 1, y)
    with pytest.raises(InputError, match="is of another search, different in X"):
        copy.deepcopy(search).fit(X + 1, y)
    # To begin with, a clone has no journal; then it is a search as any other.
    fresh = clone(search_of(sc=spark)).set_params(journal=str(tmp_path))
    with pytest.raises(InputError, match="is of another search, different in X"):
        fresh.fit(X + 1, y)


# Spark that ends meanwhile


@pytest.mark.parametrize("with_journal", [True, False])
@pytest.mark.parametrize("how", ["all jobs", "job", "stage"])
def test_a_job_that_somebody_cancels_is_told_and_the_search_goes_on_later(spark, tmp_path, how, with_journal):
    context, marks, journal = spark.sparkContext, tmp_path / "marks", str(tmp_path / "journal")
    marks.mkdir()

    def cancel():
        while len(list(marks.iterdir())) < 3:
            time.sleep(0.05)
        tracker = context.statusTracker()
        job = max(tracker.getActiveJobsIds())  # jobs of one search may overlap
        if how == "all jobs":
            context.cancelAllJobs()
        elif how == "job":
            context._jsc.sc().cancelJob(job, "killed via the Web UI")
        else:
            context._jsc.sc().cancelStage(tracker.getJobInfo(job).stageIds[0], "killed via the Web UI")

    grid = {"number": list(range(40)), "how": ["naps"], "marks": [str(marks)]}
    arguments = {"cv": 2, "refit": False, "sc": spark, **({"journal": journal} if with_journal else {})}
    thread = threading.Thread(target=cancel)
    thread.start()
    way_on = f"goes on from the journal {re.escape(journal)}" if with_journal else "With a folder as journal="
    try:
        with pytest.raises(HptSparkError, match=rf"the search was cancelled( \([^()]*\))?\. .*{way_on}") as error:
            GridSearchCV(Misbehaving(), grid, **arguments).fit(X, y)
    finally:
        thread.join()
    assert not re.search(r"\n|\.java|SQLSTATE|Exception", str(error.value))
    if how == "all jobs" and with_journal:
        search = GridSearchCV(Misbehaving(), {**grid, "how": ["naps"]}, **arguments).fit(X, y)
        assert search.fit_counts_["resumed"] + search.fit_counts_["trainings"] == 80
        theirs = model_selection.GridSearchCV(Misbehaving(), {"number": list(range(40))}, cv=2, refit=False).fit(X, y)
        np.testing.assert_array_equal(search.cv_results_["mean_test_score"], theirs.cv_results_["mean_test_score"])


class ToldError(Py4JJavaError):
    """A failure of the JVM whose text is known."""

    def __init__(self, text):
        Exception.__init__(self, text)

    def __str__(self):
        return (
            f"An error occurred while calling o1.x.\n: org.apache.spark.SparkException: {self.args[0]}\n\tat A.b(C:1)"
        )


@pytest.mark.parametrize(
    ("error", "kind", "message"),
    [
        (ToldError("Job 3 cancelled as part of cancellation of all jobs"), SparkEndedError, "cancelled (as part of"),
        (ToldError("[SPARK_JOB_CANCELLED] Job 3 cancelled  SQLSTATE: XXKDA"), SparkEndedError, "search was cancelled."),
        (
            ToldError("Job 3 cancelled because killed via the Web UI"),
            SparkEndedError,
            "(because killed via the Web UI).",
        ),
        (ToldError("Job 3 cancelled because SparkContext was shut down"), SparkEndedError, "Spark was stopped"),
        (
            ToldError("Job aborted due to stage failure: Master removed our application: KILLED"),
            SparkEndedError,
            "stopped",
        ),
        (Py4JNetworkError("Answer from Java side is empty"), SparkEndedError, "Spark was stopped"),
        (ConnectionRefusedError(111, "Connection refused"), SparkEndedError, "Spark was stopped"),
        (ToldError("Task 7 in stage 1.0 failed: Python worker exited unexpectedly"), WorkerDiedError, "exited"),
        (
            ToldError("Total size is bigger than allowed"),
            HptSparkError,
            "failed: org.apache.spark.SparkException: Total size",
        ),
        (
            ToldError("x\nModuleNotFoundError: No module named 'late4.a'"),
            HptSparkError,
            "late4.a: send it with spark-submit",
        ),
        (
            ToldError("x\nAttributeError: Can't get attribute 'E' on <module 'm' from '/x.py'>"),
            HptSparkError,
            "m than the dr",
        ),
    ],
)
def test_a_failed_job_is_told_in_a_sentence(error, kind, message):
    told = translate_job_error(error, is_local=False)
    assert type(told) is kind
    assert message in str(told)
    assert "\n" not in str(told)
    assert "at A.b" not in str(told)


def test_spark_that_is_stopped_or_killed_is_told_and_a_new_one_goes_on(tmp_path):
    script = Path(__file__).with_name("stopping.py")
    answer = subprocess.run(
        [sys.executable, script, tmp_path], capture_output=True, text=True, timeout=280, check=False, cwd="/"
    )
    assert answer.returncode == 0, answer.stderr
    told = json.loads(answer.stdout.splitlines()[-1])
    stopped = "Spark was stopped before the search had ended. The same search, started again, goes on from the journal"
    for how in ("stop", "java stop"):
        assert told[how].startswith(f"SparkEndedError: {stopped}")
        assert told[f"{how}, journal"] == 0, "nothing is left of the lock"
    unusable = "InputError: the SparkContext of the search is stopped; start Spark again"
    for how in ("context", "session", "context beside an active one", "java stopped, none given"):
        assert told[f"stopped {how}"].startswith(unusable), told
    assert told["stopped files"] == []
    assert told["none"].startswith("InputError: there is no active SparkContext")
    assert 0 < told["resumed"] < told["fits"]
    assert told["equal"]
    assert told["killed"].startswith(f"SparkEndedError: {stopped}")
    assert told["killed before"].startswith(unusable)
    assert os.listdir(tmp_path)
