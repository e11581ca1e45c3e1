"""The refit on an executor: the model that the driver would have, and every way in which it can fail."""

from __future__ import annotations

import copy
import gc
import os
import pickle
import signal
import sys
import threading
import time
import warnings
from pathlib import Path

import cloudpickle
import numpy as np
import pandas as pd
import pytest
from scipy import sparse
from sklearn import model_selection
from sklearn.base import BaseEstimator, ClassifierMixin, clone
from sklearn.datasets import make_classification
from sklearn.ensemble import RandomForestClassifier
from sklearn.exceptions import ConvergenceWarning, NotFittedError
from sklearn.experimental import enable_halving_search_cv  # noqa: F401
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from threadpoolctl import threadpool_limits
from xgboost import XGBClassifier

import hpt_spark
from hpt_spark import GridSearchCV, HalvingGridSearchCV, RandomizedSearchCV
from hpt_spark.errors import HptSparkError, InputError, SparkEndedError
from hpt_spark.search.execution import refit_job
from hpt_spark.search.execution.spark_job import WorkerDiedError

sys.path.insert(0, str(Path(__file__).parent.parent))
from misbehaving import Misbehaving, UnfriendlyError, fits_marked

cloudpickle.register_pickle_by_value(sys.modules[__name__])

X, y = make_classification(300, 12, n_informative=6, n_classes=3, random_state=0)
X_XGB = sparse.csr_matrix(X.astype(np.float32))
WEIGHTS = np.linspace(0.1, 3.0, len(y))
# Each with one thread on the driver, as a Spark task has here.
PROBLEMS = {
    "xgboost": (XGBClassifier(seed=0, n_jobs=1, subsample=0.5), {"n_estimators": [5, 10], "max_depth": [2]}, X_XGB),
    "frame": (
        XGBClassifier(seed=0, n_jobs=1),
        {"max_depth": [2, 3], "n_estimators": [5]},
        pd.DataFrame(X).add_prefix("c"),
    ),
    "pipeline": (
        make_pipeline(StandardScaler(copy=False), LogisticRegression()),
        {"logisticregression__C": [0.1, 1.0]},
        X,
    ),
    "forest": (RandomForestClassifier(random_state=0), {"n_estimators": [5, 10]}, X),
}


def fit_both(spark, estimator, grid, X, y, fit_params=None, kind="GridSearchCV", **arguments):
    """Return our search and scikit-learn's, both fitted to rows of their own."""
    searches = [getattr(hpt_spark, kind)(clone(estimator), grid, sc=spark, **arguments)]
    searches.append(getattr(model_selection, kind)(clone(estimator), grid, **arguments))
    return [search.fit(copy.deepcopy(X), y.copy(), **(fit_params or {})) for search in searches]


@pytest.fixture
def ran_in(monkeypatch):
    """Where each refit was asked to run."""
    calls = []
    original = refit_job.refit_on_executor

    def counted(runner, refit):
        calls.append(type(refit.estimator).__name__)
        return original(runner, refit)

    monkeypatch.setattr(refit_job, "refit_on_executor", counted)
    return calls


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("name", PROBLEMS)
def test_a_model_predicts_what_the_drivers_would_to_the_last_bit(spark, ran_in, name, weighted):
    estimator, grid, rows = PROBLEMS[name]
    if weighted and name == "pipeline":
        params = {"logisticregression__sample_weight": WEIGHTS}
    else:
        params = {"sample_weight": WEIGHTS} if weighted else {}
    ours, theirs = fit_both(spark, estimator, grid, rows, y, params, cv=2)
    assert ran_in == [type(estimator).__name__]
    # The scaler writes into what it predicts, too.
    assert np.array_equal(ours.predict_proba(copy.deepcopy(rows)), theirs.predict_proba(copy.deepcopy(rows)))
    assert ours.best_params_ == theirs.best_params_
    assert str(ours.best_estimator_.get_params()) == str(theirs.best_estimator_.get_params())
    assert type(ours.best_estimator_) is type(theirs.best_estimator_)
    assert getattr(ours, "feature_names_in_", []) is not None
    assert list(getattr(ours, "feature_names_in_", [])) == list(getattr(theirs, "feature_names_in_", []))
    assert ours.n_features_in_ == theirs.n_features_in_
    assert ours.refit_time_ > 0


def test_threads_are_those_of_a_task_and_the_parameters_those_of_the_user(spark):
    search = GridSearchCV(TellsThreads(), {"number": [1]}, cv=2, sc=spark).fit(X, y)
    assert search.best_estimator_.used_ == 1
    assert search.best_estimator_.n_jobs == -1
    driver = GridSearchCV(TellsThreads(), {"number": [1]}, cv=2, sc=spark, refit_on="driver").fit(X, y)
    assert driver.best_estimator_.used_ == -1


def test_where_it_ran(spark):
    grid = {"number": [1]}
    search = GridSearchCV(TellsThreads(), grid, cv=2, sc=spark).fit(X, y)
    assert search.best_estimator_.pid_ != os.getpid()
    search.set_params(refit_on="driver").fit(X, y)
    assert search.best_estimator_.pid_ == os.getpid()
    with pytest.raises(InputError, match=r"refit_on='moon' is not known; it must be 'executor' or 'driver'"):
        search.set_params(refit_on="moon").fit(X, y)


class TellsThreads(ClassifierMixin, BaseEstimator):
    def __init__(self, number=0, n_jobs=-1):
        self.number = number
        self.n_jobs = n_jobs

    def fit(self, X, y):
        self.classes_, self.used_, self.pid_ = np.unique(y), self.n_jobs, os.getpid()
        return self

    def predict(self, X):
        return np.full(len(X), self.classes_[0])


@pytest.mark.parametrize("kind", ["RandomizedSearchCV", "HalvingGridSearchCV", "HalvingRandomSearchCV"])
@pytest.mark.parametrize("resource", ["n_samples", "n_estimators"])
def test_each_class_refits_what_scikit_learns_would(spark, ran_in, kind, resource):
    arguments = {"cv": 2, "random_state": 0}
    grid = {"max_depth": [1, 2, 3], "learning_rate": [0.1, 0.5]}
    if kind == "RandomizedSearchCV":
        arguments["n_iter"] = 2
    else:
        arguments |= {"factor": 2, "resource": resource}
        arguments |= {"max_resources": 8, "min_resources": 2} if resource == "n_estimators" else {"min_resources": 60}
    estimator = XGBClassifier(seed=0, n_jobs=1, n_estimators=4)
    ours, theirs = fit_both(spark, estimator, grid, X_XGB, y, kind=kind, **arguments)
    assert len(ran_in) == 1
    assert np.array_equal(ours.predict_proba(X_XGB), theirs.predict_proba(X_XGB))


def least_trees(results):
    return int(np.argmin(results["param_n_estimators"].astype(int)))


@pytest.mark.parametrize("refit", ["neg_log_loss", least_trees])
def test_the_candidate_is_the_one_that_refit_names(spark, ran_in, refit):
    estimator, grid, rows = PROBLEMS["xgboost"]
    ours, theirs = fit_both(spark, estimator, grid, rows, y, cv=2, scoring=["accuracy", "neg_log_loss"], refit=refit)
    assert len(ran_in) == 1
    assert ours.best_params_ == theirs.best_params_
    assert np.array_equal(ours.predict_proba(rows), theirs.predict_proba(rows))
    with pytest.raises(ValueError, match="For multi-metric scoring"):
        GridSearchCV(estimator, grid, scoring=["accuracy", "neg_log_loss"], sc=spark).fit(rows, y)


def test_without_a_target(spark):
    from sklearn.cluster import KMeans

    ours, theirs = (
        module.GridSearchCV(KMeans(n_init=1, random_state=0), {"n_clusters": [2, 3]}, cv=2, **arguments).fit(X)
        for module, arguments in ((hpt_spark, {"sc": spark}), (model_selection, {}))
    )
    assert np.array_equal(ours.predict(X), theirs.predict(X))


def test_what_a_fit_writes_into_large_rows_is_its_own(spark):
    rows = np.random.default_rng(0).normal(size=(20_000, 10))
    target = (rows[:, 0] > 0).astype(int)
    before = rows.copy()
    estimator = make_pipeline(StandardScaler(copy=False), LogisticRegression())
    search = GridSearchCV(estimator, {"logisticregression__C": [1.0]}, cv=2, sc=spark).fit(rows, target)
    assert np.array_equal(rows, before)
    with threadpool_limits(limits=1):  # as a task has: a sum by two is another one in its last bit
        theirs = clone(estimator).fit(before.copy(), target)
    assert np.array_equal(search.predict_proba(before.copy()), theirs.predict_proba(before.copy()))


def test_data_are_shipped_once(spark, monkeypatch):
    from hpt_spark.search.execution import spark_runner

    written = []
    original = spark_runner.share
    monkeypatch.setattr(
        spark_runner, "share", lambda value, folder: (written.append(type(value).__name__), original(value, folder))[1]
    )
    params = {"sample_weight": WEIGHTS}
    GridSearchCV(XGBClassifier(seed=0, n_jobs=1), {"n_estimators": [2]}, cv=2, sc=spark).fit(X_XGB, y, **params)
    assert written == ["Dataset", "Evaluation", "Refit"]


# --- the way of the model ---


def settings_of(spark, monkeypatch, **conf):
    """Let searches see other settings of Spark than it has."""
    from hpt_spark.search.execution.spark_runner import SparkRunner

    original = SparkRunner.__init__

    def changed(self, context):
        original(self, context)
        self._conf.update({name.replace("_", "."): value for name, value in conf.items()})

    monkeypatch.setattr(SparkRunner, "__init__", changed)


@pytest.mark.parametrize("most", ["1000000b", "64k", "0"])
def test_a_model_larger_than_one_job_may_bring(spark, monkeypatch, most):
    settings_of(spark, monkeypatch, spark_driver_maxResultSize=most)
    brought = []
    original = refit_job._Model._fetch

    def counted(self, start):
        pieces = original(self, start)
        brought.append(sum(len(piece.content) for piece in pieces if isinstance(piece.content, bytes)))
        return pieces

    monkeypatch.setattr(refit_job._Model, "_fetch", counted)
    search = GridSearchCV(Large(), {"size": [1_000_000]}, cv=2, sc=spark).fit(X, y)
    assert np.array_equal(search.best_estimator_.values_, np.random.default_rng(0).normal(size=125_000))
    assert sum(brought) > 1_000_000
    limit = {"1000000b": 250_000, "64k": 16_384, "0": 64 << 20}[most]
    assert max(brought) <= limit
    assert (len(brought) > 3) == (most != "0")


class Large(TellsThreads):
    def __init__(self, size=0):
        self.size = size

    def fit(self, X, y):
        self.classes_ = np.unique(y)
        self.values_ = np.random.default_rng(0).normal(size=self.size // 8)
        return self


def test_a_model_that_is_trained_anew_meanwhile_is_fetched_anew(spark, monkeypatch):
    settings_of(spark, monkeypatch, spark_driver_maxResultSize="64k")
    original, lost = refit_job._Model._fetch, []

    def losing(self, start):
        if len(lost) == 3:  # between two jobs of the fetching
            self._pieces.unpersist(blocking=True)
            self._pieces.persist(refit_job.StorageLevel.DISK_ONLY)
        lost.append(1)
        return original(self, start)

    monkeypatch.setattr(refit_job._Model, "_fetch", losing)
    search = GridSearchCV(Large(), {"size": [1_000_000]}, cv=2, sc=spark).fit(X, y)
    assert np.array_equal(search.best_estimator_.values_, np.random.default_rng(0).normal(size=125_000))


def test_nothing_is_left_behind(spark, tmp_path, monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    from pyspark import SparkFiles

    before = set(os.listdir(SparkFiles.getRootDirectory()))
    GridSearchCV(XGBClassifier(seed=0, n_jobs=1), {"n_estimators": [2]}, cv=2, sc=spark).fit(X_XGB, y)
    assert list(tmp_path.iterdir()) == []
    assert set(os.listdir(SparkFiles.getRootDirectory())) == before
    gc.collect()
    assert spark.sparkContext._jsc.getPersistentRDDs().size() == 0


# --- what goes wrong ---


@pytest.fixture
def marks(tmp_path):
    folder = tmp_path / "marks"
    folder.mkdir()
    return folder


class MisbehavesInRefit(Misbehaving):
    """Misbehaving where it gets all rows."""

    def fit(self, X, y):
        how, self.how = self.how, self.how if len(y) == 300 else "fits"
        try:
            return super().fit(X, y)
        finally:
            self.how = how

    def _unpicklable(self):
        self.lock_ = threading.Lock()

    def _unreadable(self):
        self.odd_ = Unreadable()

    def _prints(self):
        print("refitted")

    def _warns(self):
        warnings.warn("not converged", ConvergenceWarning, stacklevel=1)


class Unreadable:
    def __reduce__(self):
        return (_fails_to_load, ())


def _fails_to_load():
    raise ValueError("no way back")


def refitted(spark, how, marks, **arguments):
    grid = {"number": [1], "how": [how], "marks": [str(marks)]}
    return GridSearchCV(MisbehavesInRefit(), grid, cv=2, sc=spark, **arguments).fit(X, y)


@pytest.mark.parametrize("how", ["killed", "segfaults", "exits", "leaves"])
def test_a_refit_that_kills_its_process_is_tried_again_and_then_told(spark, marks, how):
    with pytest.raises(
        HptSparkError, match=r"the refit of MisbehavesInRefit killed its Python worker.*refit_on=\"driver\""
    ):
        refitted(spark, how, marks)
    assert sum(fits_marked(marks).values()) == 2 + 2
    assert fits_of_all_rows(marks) == 2


@pytest.mark.parametrize("how", ["killed", "segfaults", "worker", "daemon"])
def test_a_refit_that_is_killed_once_is_done_again(spark, marks, how):
    search = refitted(spark, f"{how}-once", marks)
    # A worker that has lost its daemon may well go on.
    assert fits_of_all_rows(marks) in ((1, 2) if how == "daemon" else (2,))
    expected = Misbehaving(number=1).fit(X, y)
    assert np.array_equal(search.predict(X), expected.predict(X))


def fits_of_all_rows(marks):
    return sum(name.split("-")[1] == "300" for name in os.listdir(marks) if not name.startswith("first"))


def test_an_error_is_the_one_that_the_fit_has_raised(spark, marks):
    with pytest.raises(ValueError, match=r"^no good$") as raised:
        refitted(spark, "fails", marks)
    assert "in _fails\n" in str(raised.value.__cause__), "the traceback there"
    with pytest.raises(RuntimeError, match="UnfriendlyError: 1 and 2"):
        refitted(spark, "raises", marks)
    assert UnfriendlyError(1, 2).args == ("1 and 2",)


def test_a_search_whose_refit_has_failed_is_as_scikit_learns(spark, marks):
    grid = {"number": [1], "how": ["fails"], "marks": [str(marks)]}
    searches = [
        module.GridSearchCV(MisbehavesInRefit(), grid, cv=2, **arguments)
        for module, arguments in ((hpt_spark, {"sc": spark}), (model_selection, {}))
    ]
    for search in searches:
        with pytest.raises(ValueError, match="no good"):
            search.fit(X, y)
    ours, theirs = searches
    assert {name for name in vars(ours) if name.endswith("_")} == {name for name in vars(theirs) if name.endswith("_")}
    with pytest.raises(NotFittedError):
        ours.best_estimator_.predict_proba(X) if hasattr(ours.best_estimator_, "predict_proba") else _not_fitted(ours)


def _not_fitted(search):
    assert not hasattr(search.best_estimator_, "classes_")
    raise NotFittedError


@pytest.mark.parametrize(
    ("how", "reason"), [("unpicklable", "TypeError: cannot pickle"), ("unreadable", "ValueError: no way back")]
)
def test_a_model_that_cannot_travel_is_told_with_the_way_out(spark, marks, how, reason):
    with pytest.raises(
        InputError, match=rf'the refitted MisbehavesInRefit cannot travel.*{reason}.*refit_on="driver"'
    ) as told:
        refitted(spark, how, marks)
    assert "\n" not in str(told.value)
    assert hasattr(refitted(spark, how, marks, refit_on="driver").best_estimator_, "classes_")


def test_what_it_prints_and_warns_of_is_seen_on_the_driver(spark, marks, capsys):
    refitted(spark, "prints", marks)
    assert capsys.readouterr().out == "refitted\n"
    with pytest.warns(ConvergenceWarning, match="not converged"):
        refitted(spark, "warns", marks)
    with warnings.catch_warnings():
        warnings.simplefilter("error", ConvergenceWarning)
        with pytest.raises(ConvergenceWarning, match="not converged"):
            refitted(spark, "warns", marks)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        refitted(spark, "warns", marks)


def test_ctrl_c_ends_a_refit_and_frees_its_slot(spark, marks):
    def interrupt():
        deadline = time.monotonic() + 60
        while not fits_of_all_rows(marks) and time.monotonic() < deadline:
            time.sleep(0.05)
        os.kill(os.getpid(), signal.SIGINT)

    threading.Thread(target=interrupt, daemon=True).start()
    started = time.monotonic()
    with pytest.raises(KeyboardInterrupt):
        refitted(spark, "sleeps", marks)
    assert time.monotonic() - started < 50
    assert refitted(spark, "fits", marks).best_estimator_.number == 1


def test_a_cancelled_refit_is_one_sentence_and_the_journal_goes_on(spark, marks, tmp_path):
    def cancel():
        deadline = time.monotonic() + 60
        while not fits_of_all_rows(marks) and time.monotonic() < deadline:
            time.sleep(0.05)
        spark.sparkContext.cancelAllJobs()

    threading.Thread(target=cancel, daemon=True).start()
    arguments = {"journal": str(tmp_path / "journal")}
    with pytest.raises(SparkEndedError, match=r"cancelled.*goes on from the journal"):
        refitted(spark, "sleeps-once", marks, **arguments)
    again = refitted(spark, "sleeps-once", marks, **arguments)
    assert again.fit_counts_["resumed"] == 2
    assert again.best_estimator_.number == 1


def test_a_worker_that_always_dies_is_told(spark, marks, monkeypatch):
    def dying(self, start):
        raise WorkerDiedError(0, "Python worker exited unexpectedly")

    monkeypatch.setattr(refit_job._Model, "_fetch", dying)
    with pytest.raises(HptSparkError, match=r"killed its Python worker.*exited unexpectedly"):
        refitted(spark, "fits", marks)


# --- the search as an object ---


def test_a_search_is_saved_and_cloned_after_its_refit(spark):
    search = GridSearchCV(XGBClassifier(seed=0, n_jobs=1), {"n_estimators": [2]}, cv=2, sc=spark).fit(X_XGB, y)
    for other in (pickle.loads(pickle.dumps(search)), copy.copy(search), copy.deepcopy(search)):
        assert np.array_equal(other.predict_proba(X_XGB), search.predict_proba(X_XGB))
        assert other.refit_on == "executor"
    cloned = clone(search.set_params(refit_on="driver"))
    assert cloned.refit_on == "driver"
    assert not hasattr(cloned, "best_estimator_")
    del search.best_estimator_
    assert not hasattr(search, "best_estimator_")
    with pytest.raises(AttributeError):
        del search.best_estimator_


def test_without_refit_there_is_none(spark, ran_in):
    search = GridSearchCV(LogisticRegression(), {"C": [1.0]}, cv=2, refit=False, sc=spark).fit(X, y)
    assert ran_in == []
    assert not hasattr(search, "best_estimator_")


def test_all_fits_from_the_journal_and_the_refit_still_on_an_executor(spark, ran_in, tmp_path):
    for _ in range(2):
        search = RandomizedSearchCV(
            TellsThreads(), {"number": [1, 2]}, n_iter=2, cv=2, sc=spark, journal=str(tmp_path / "journal")
        ).fit(X, y)
    assert search.fit_counts_["resumed"] == 4
    assert ran_in == ["TellsThreads"] * 2
    assert search.best_estimator_.pid_ != os.getpid()


def test_a_search_that_ended_early_is_refitted_on_an_executor(spark, ran_in):
    grid = {"number": list(range(6))}
    search = HalvingGridSearchCV(
        SleepsInRungs(), grid, max_time=8, sc=spark, factor=2, random_state=0, cv=2, min_resources=75
    ).fit(X, y)
    assert search.incomplete_
    assert len(ran_in) == 1
    assert search.best_estimator_.classes_.tolist() == [0, 1, 2]


class SleepsInRungs(Misbehaving):
    def fit(self, X, y):
        if 60 < len(y) < 300:
            time.sleep(60)
        return super().fit(X, y)
