"""The search classes: scores equal to scikit-learn's to the last bit, less work, and nothing lost."""

from __future__ import annotations

import os
import pickle
import signal
import sys
import time

import cloudpickle
import numpy as np
import pytest
from hypothesis import HealthCheck, given
from hypothesis import strategies as st
from scipy import sparse
from sklearn import model_selection
from sklearn.base import BaseEstimator, ClassifierMixin, clone
from sklearn.datasets import make_classification
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from xgboost import XGBClassifier, XGBRegressor

from hpt_spark import GridSearchCV, HalvingGridSearchCV, RandomizedSearchCV
from hpt_spark.errors import HptSparkError, InputError
from hpt_spark.spark_sklearn import GridSearchCV as OldGridSearchCV
from tests.property_settings import examples
from tests.search.grids import XGB_GRIDS
from tests.search.scores import assert_same_scores

# The workers cannot import this file.
cloudpickle.register_pickle_by_value(sys.modules[__name__])

X, y = make_classification(240, 8, n_informative=5, n_classes=3, random_state=0)


def both(spark, estimator, grid, data=X, target=y, **arguments):
    ours = GridSearchCV(estimator, grid, sc=spark.sparkContext, **arguments).fit(data, target)
    theirs = model_selection.GridSearchCV(estimator, grid, **arguments).fit(data, target)
    assert_same_scores(ours, theirs)
    return ours


def test_a_group_is_trained_once_and_a_fold_is_cut_once_per_worker(spark):
    grid = {"n_estimators": [3, 6, 9], "max_depth": [2, 3], "subsample": [0.5, 1.0]}
    search = both(
        spark,
        XGBClassifier(seed=0, n_jobs=1),
        grid,
        cv=3,
        scoring=["neg_log_loss", "accuracy"],
        refit="accuracy",
        return_train_score=True,
    )
    assert search.fit_counts_["fits"] == 36
    assert search.fit_counts_["trainings"] == 12
    assert search.fit_counts_["fold_slices"] == search.fit_counts_["matrices"] <= 3 * 2
    assert search.best_estimator_.n_estimators == search.best_params_["n_estimators"]


@examples(6, suppress_health_check=list(HealthCheck))
@given(grid=XGB_GRIDS, as_sparse=st.booleans(), regression=st.booleans())
def test_any_grid_of_xgboost_gives_scikit_learns_scores(spark, grid, as_sparse, regression):
    data = sparse.csr_matrix(np.where(np.abs(X) > 0.7, X, 0), dtype=np.float32) if as_sparse else X
    estimator = XGBRegressor(n_jobs=1) if regression else XGBClassifier(seed=3, n_jobs=1)
    both(spark, estimator, grid, data=data, cv=2)


@pytest.mark.parametrize(
    ("params", "shared"),
    [
        ({}, True),
        ({"tree_method": "exact"}, True),
        ({"booster": "dart"}, False),
        ({"booster": "gblinear"}, False),
        ({"random_state": 5}, True),
        ({"process_type": "update"}, False),
        ({"callbacks": [object()]}, False),
        ({"early_stopping_rounds": 2}, False),
        ({"objective": lambda labels, scores: (scores, scores)}, False),
    ],
)
def test_what_may_share_a_group(params, shared):
    from hpt_spark.search.boosting.staged import staged

    assert (staged(XGBClassifier(**params), {}, 100) is not None) is shared
    assert staged(XGBClassifier(**params), {"eval_set": [(X, y)]}, 100) is None
    assert staged(XGBClassifier(**params), {"xgb_model": "model.ubj"}, 100) is None


def test_a_generator_as_random_state_forbids_sharing():
    from hpt_spark.search.boosting.staged import staged

    assert staged(XGBClassifier(random_state=np.random.RandomState(0)), {}, 100) is None


def test_sample_weights_are_cut_like_the_rows(spark):
    weights = np.random.default_rng(0).random(len(y))
    estimator, grid = XGBClassifier(seed=0, n_jobs=1), {"n_estimators": [2, 5]}
    ours = GridSearchCV(estimator, grid, cv=3, sc=spark).fit(X, y, sample_weight=weights)
    theirs = model_selection.GridSearchCV(estimator, grid, cv=3).fit(X, y, sample_weight=weights)
    assert_same_scores(ours, theirs)
    assert ours.fit_counts_["trainings"] == 3


@pytest.mark.long
def test_pipelines_randomized_halving_and_old_interface(spark):
    pipeline = make_pipeline(StandardScaler(), LogisticRegression())
    grid = {"logisticregression__C": [0.01, 0.1, 1.0]}
    both(spark, pipeline, grid, cv=model_selection.KFold(3, shuffle=True, random_state=1))
    ours = RandomizedSearchCV(pipeline, grid, n_iter=2, random_state=0, cv=3, sc=spark).fit(X, y)
    theirs = model_selection.RandomizedSearchCV(pipeline, grid, n_iter=2, random_state=0, cv=3).fit(X, y)
    assert_same_scores(ours, theirs)
    halving = {"factor": 2, "random_state": 0, "cv": 3}
    ours = HalvingGridSearchCV(pipeline, grid, sc=spark, **halving).fit(X, y)
    assert_same_scores(ours, model_selection.HalvingGridSearchCV(pipeline, grid, **halving).fit(X, y))
    old = OldGridSearchCV(spark.sparkContext, LogisticRegression(), {"C": [1.0]}).fit(X, y)
    assert old.score(X, y) == LogisticRegression().fit(X, y).score(X, y)


def test_a_fitted_search_can_be_cloned_and_pickled(spark):
    search = GridSearchCV(LogisticRegression(), {"C": [1.0]}, cv=2, sc=spark.sparkContext).fit(X, y)
    assert clone(search).sc is spark.sparkContext
    loaded = pickle.loads(pickle.dumps(search))
    np.testing.assert_array_equal(loaded.predict(X), search.predict(X))
    assert loaded.sc is None


class Misbehaving(ClassifierMixin, BaseEstimator):
    """Fits, fails or dies as its parameter says."""

    def __init__(self, how="fits", marks=None):
        self.how = how
        self.marks = marks

    def fit(self, X, y):
        if self.marks:
            with open(os.path.join(self.marks, f"{self.how}-{time.time_ns()}-{os.getpid()}"), "w"):
                pass
        if self.how == "dies":
            os.kill(os.getpid(), signal.SIGKILL)
        if self.how == "fails":
            raise ValueError("no good")
        if self.how == "sleeps":
            time.sleep(30)
        if self.how == "interrupts" and not os.path.exists(os.path.join(self.marks, "second")):
            journal = os.path.join(os.path.dirname(self.marks), "journal")
            while not any(name.endswith(".jsonl") for name in os.listdir(journal)):
                time.sleep(0.1)  # until a fit that is well has arrived
            raise RuntimeError("stopped here")
        self.classes_ = np.unique(y)
        return self

    def predict(self, X):
        return np.full(len(X), self.classes_[0])


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.FitFailedWarning", "ignore:One or more")
def test_a_fit_that_kills_its_worker_is_one_failed_row(spark):
    search = GridSearchCV(Misbehaving(), {"how": ["fits", "dies", "fails"]}, cv=2, sc=spark).fit(X, y)
    means = search.cv_results_["mean_test_score"]
    assert means[0] > 0
    assert np.isnan(means[1:]).all()
    assert search.best_params_ == {"how": "fits"}


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.FitFailedWarning")
def test_a_search_in_which_every_fit_kills_its_worker_fails(spark):
    with pytest.raises(ValueError, match=r"killed its Python worker(.|\n)*memoryOverhead"):
        GridSearchCV(Misbehaving(), {"how": ["dies"]}, cv=2, sc=spark).fit(X, y)


def test_error_score_raise_raises_the_fits_own_error(spark):
    with pytest.raises(ValueError, match="no good"):
        GridSearchCV(Misbehaving(), {"how": ["fits", "fails"]}, cv=2, error_score="raise", sc=spark).fit(X, y)


@pytest.mark.long
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.FitFailedWarning", "ignore:One or more")
def test_a_search_that_runs_out_of_time_ends_with_what_it_has(spark, tmp_path):
    GridSearchCV(Misbehaving(), {"how": ["fits"]}, cv=2, sc=spark).fit(X, y)  # the workers are there
    search = GridSearchCV(Misbehaving(), {"how": ["fits", "sleeps"]}, cv=2, max_time=4, sc=spark)
    with pytest.warns(UserWarning, match="ended early: 2 of 4 fits are missing"):
        search.fit(X, y)
    assert search.incomplete_
    assert search.best_params_ == {"how": "fits"}
    for journal, way_on in (
        (None, "Give it more time"),
        (str(tmp_path), "The same search, started again, goes on from"),
    ):
        too_short = GridSearchCV(Misbehaving(), {"how": ["sleeps"]}, cv=2, max_time=1, sc=spark, journal=journal)
        with pytest.raises(HptSparkError, match=f"before any candidate had a score on all its folds: .*{way_on}"):
            too_short.fit(X, y)


def test_a_search_goes_on_from_its_journal(spark, tmp_path):
    marks, journal = tmp_path / "marks", str(tmp_path / "journal")
    marks.mkdir()
    grid = {"how": ["fits", "interrupts"], "marks": [str(marks)]}
    arguments = {"cv": 2, "error_score": "raise", "refit": False, "journal": journal, "sc": spark}
    with pytest.raises(RuntimeError, match="stopped here"):
        GridSearchCV(Misbehaving(), grid, **arguments).fit(X, y)
    assert not [name for name in os.listdir(journal) if name.startswith("lock")]
    (marks / "second").touch()
    search = GridSearchCV(Misbehaving(), grid, **arguments).fit(X, y)
    assert search.fit_counts_["resumed"] >= 1
    assert search.fit_counts_["trainings"] == 4 - search.fit_counts_["resumed"]
    theirs = model_selection.GridSearchCV(Misbehaving(), grid, cv=2, refit=False).fit(X, y)
    assert_same_scores(search, theirs)

    other = {**arguments, "cv": 3}
    assert GridSearchCV(Misbehaving(), grid, **other).fit(X, y).fit_counts_["resumed"] == 0
    assert GridSearchCV(Misbehaving(), grid, **arguments).fit(X, y).fit_counts_["resumed"] == 4
    with pytest.raises(InputError, match=r"different in X, y;"):
        GridSearchCV(Misbehaving(), grid, **arguments).fit(X + 1, (y + 1) % 3)


def test_nothing_is_left_behind_and_nothing_of_the_callers_is_changed(spark, tmp_path, monkeypatch):
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr("tempfile.tempdir", None)
    data, target = X.copy(), y.copy()
    splitter = model_selection.ShuffleSplit(2, random_state=np.random.RandomState(3))
    estimator = XGBClassifier(n_jobs=1)
    GridSearchCV(estimator, {"n_estimators": [2, 3]}, cv=splitter, sc=spark).fit(data, target)
    np.testing.assert_array_equal(data, X)
    np.testing.assert_array_equal(target, y)
    assert estimator.get_params() == XGBClassifier(n_jobs=1).get_params()
    assert not [name for name in os.listdir(tmp_path) if name.startswith("hpt_spark")]
