"""The refit on an executor: the model that the driver would have."""

from __future__ import annotations

import copy
import gc
import os
import pickle
import sys
import time

import cloudpickle
import numpy as np
import pandas as pd
import pytest
from catboost import CatBoostClassifier
from pyspark import StorageLevel
from scipy import sparse
from sklearn import model_selection
from sklearn.base import BaseEstimator, ClassifierMixin, clone
from sklearn.datasets import make_classification
from sklearn.ensemble import RandomForestClassifier
from sklearn.experimental import enable_halving_search_cv  # noqa: F401
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from threadpoolctl import threadpool_limits
from xgboost import XGBClassifier

import hpt_spark
from hpt_spark import GridSearchCV, HalvingGridSearchCV, RandomizedSearchCV
from hpt_spark.errors import InputError
from hpt_spark.search.execution import refit_job
from tests.search.misbehaving import Misbehaving

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

    def counted(context, refit, *more):
        calls.append(type(refit.estimator).__name__)
        return original(context, refit, *more)

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


@pytest.mark.long
def test_a_model_whose_copies_have_its_parameters_alone(spark, ran_in):
    estimator = CatBoostClassifier(5, thread_count=1, verbose=0, allow_writing_files=False)
    ours, theirs = fit_both(spark, estimator, {"depth": [2, 3]}, X, y, cv=2)
    assert ran_in == ["CatBoostClassifier"]
    assert np.array_equal(ours.predict_proba(X), theirs.predict_proba(X))


@pytest.mark.long
def test_threads_are_those_of_a_task_and_the_parameters_those_of_the_user(spark):
    search = GridSearchCV(TellsThreads(), {"number": [1]}, cv=2, sc=spark).fit(X, y)
    assert search.best_estimator_.used_ == 1
    assert search.best_estimator_.n_jobs == -1
    driver = GridSearchCV(TellsThreads(), {"number": [1]}, cv=2, sc=spark, refit_on="driver").fit(X, y)
    assert driver.best_estimator_.used_ == -1


@pytest.mark.long
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


@pytest.mark.long
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


@pytest.mark.long
@pytest.mark.parametrize("refit", ["neg_log_loss", least_trees])
def test_the_candidate_is_the_one_that_refit_names(spark, ran_in, refit):
    estimator, grid, rows = PROBLEMS["xgboost"]
    ours, theirs = fit_both(spark, estimator, grid, rows, y, cv=2, scoring=["accuracy", "neg_log_loss"], refit=refit)
    assert len(ran_in) == 1
    assert ours.best_params_ == theirs.best_params_
    assert np.array_equal(ours.predict_proba(rows), theirs.predict_proba(rows))
    with pytest.raises(ValueError, match="For multi-metric scoring"):
        GridSearchCV(estimator, grid, scoring=["accuracy", "neg_log_loss"], sc=spark).fit(rows, y)


@pytest.mark.long
def test_without_a_target(spark):
    from sklearn.cluster import KMeans

    ours, theirs = (
        module.GridSearchCV(KMeans(n_init=1, random_state=0), {"n_clusters": [2, 3]}, cv=2, **arguments).fit(X)
        for module, arguments in ((hpt_spark, {"sc": spark}), (model_selection, {}))
    )
    assert np.array_equal(ours.predict(X), theirs.predict(X))


@pytest.mark.long
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


@pytest.mark.long
def test_rows_of_an_array_that_lies_by_columns_are_summed_as_on_the_driver(spark):
    rows = np.asfortranarray(np.random.default_rng(0).normal(size=(3_000, 20)))[:2_000]
    target = np.random.default_rng(1).normal(size=2_000)
    search = GridSearchCV(Ridge(), {"alpha": [1.0]}, cv=2, sc=spark).fit(rows, target)
    with threadpool_limits(limits=1):
        assert np.array_equal(search.best_estimator_.coef_, Ridge().fit(rows, target).coef_)


def test_data_are_shipped_once(spark, monkeypatch):
    from hpt_spark.search.execution import runner

    written = []
    original = runner.share
    monkeypatch.setattr(
        runner, "share", lambda value, folder: (written.append(type(value).__name__), original(value, folder))[1]
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


@pytest.mark.long
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


@pytest.mark.long
def test_a_model_that_is_trained_anew_meanwhile_is_fetched_anew(spark, monkeypatch):
    settings_of(spark, monkeypatch, spark_driver_maxResultSize="64k")
    original, lost = refit_job._Model._fetch, []

    def losing(self, start):
        if len(lost) == 3:  # between two jobs of the fetching
            self._training.kept.unpersist(blocking=True)
            self._training.kept.persist(StorageLevel.DISK_ONLY)
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


@pytest.mark.long
def test_all_fits_from_the_journal_and_the_refit_still_on_an_executor(spark, ran_in, tmp_path):
    for _ in range(2):
        search = RandomizedSearchCV(
            TellsThreads(), {"number": [1, 2]}, n_iter=2, cv=2, sc=spark, journal=str(tmp_path / "journal")
        ).fit(X, y)
    assert search.fit_counts_["resumed"] == 4
    assert ran_in == ["TellsThreads"] * 2
    assert search.best_estimator_.pid_ != os.getpid()


@pytest.mark.long
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
