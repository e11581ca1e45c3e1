"""Out-of-fold predictions of a search in several evaluations: one array, of one shape and of one kind."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.datasets import make_classification
from sklearn.linear_model import LogisticRegression, SGDClassifier
from sklearn.model_selection import KFold, cross_val_predict
from sklearn.pipeline import Pipeline
from sklearn.svm import SVC, LinearSVC
from sklearn.tree import DecisionTreeClassifier

from hpt_spark import GridSearchCV, OptunaSearchCV, RandomizedSearchCV
from hpt_spark.errors import InputError
from tests.search.strategies.test_failed_batches import ROUNDS, booster, stop_after

X, y = make_classification(120, 5, n_informative=4, n_redundant=0, n_classes=4, random_state=0)
CV = KFold(3, shuffle=True, random_state=0)
BATCHES = {"batch_size": 1, "cv": CV, "random_state": 0, "refit_on": "driver", "keep_oof": "all"}
FITS, FAILS, PREDICTS_NOT = range(3)  # values of `bad`
pytestmark = [
    pytest.mark.usefixtures("no_spark"),
    pytest.mark.filterwarnings("ignore::sklearn.exceptions.FitFailedWarning", "ignore:One or more"),
    pytest.mark.filterwarnings("ignore:The out-of-fold predictions of 3 of 3 fits are missing"),
]


class Failing(ClassifierMixin, BaseEstimator):
    """A tree that has no score, or no probabilities, if it is bad."""

    def __init__(self, bad=FITS, depth=1):
        self.bad = bad
        self.depth = depth

    def fit(self, X, y):
        if self.bad == FAILS:
            raise ValueError("bad")
        self.tree_ = DecisionTreeClassifier(max_depth=self.depth, random_state=0).fit(X, y)
        self.classes_ = self.tree_.classes_
        return self

    def predict(self, X):
        return self.tree_.predict(X)

    def predict_proba(self, X):
        if self.bad == PREDICTS_NOT:
            raise RuntimeError("bad")
        return self.tree_.predict_proba(X)


def one_by_one(estimator, grids, **arguments):
    """Return a search whose batches are the only candidate of each grid."""
    return RandomizedSearchCV(estimator, grids, n_iter=len(grids), no_improvement=10, **{**BATCHES, **arguments})


def assert_predictions(search):
    """Assert that each row of `cv_results_` has its own predictions, or NaN where it has failed."""
    assert search.oof_predictions_.shape == (len(search.cv_results_["params"]), 120, 4)
    for params, found in zip(search.cv_results_["params"], search.oof_predictions_):
        if params["bad"]:
            assert np.isnan(found).all()
        else:
            expected = cross_val_predict(Failing(**params), X, y, cv=CV, method="predict_proba")
            np.testing.assert_array_equal(found, expected.astype(np.float32))


@pytest.mark.parametrize("bad", [FAILS, PREDICTS_NOT], ids=["no fit", "no predictions"])
@pytest.mark.parametrize("order", ["good good bad", "bad good good", "good bad good", "bad bad good bad"])
def test_a_batch_without_predictions_has_those_of_the_others_in_their_places(bad, order, tmp_path):
    grids = [
        {"bad": [bad if word == "bad" else FITS], "depth": [depth]} for depth, word in enumerate(order.split(), start=1)
    ]
    search = one_by_one(Failing(), grids, journal=str(tmp_path))
    for resumed in (0, 3 * len(grids)):
        search.fit(X, y)
        assert search.fit_counts_["resumed"] == resumed
        assert [params["depth"] for params in search.cv_results_["params"]] == list(range(1, len(grids) + 1))
        assert_predictions(search)


@pytest.mark.parametrize("seed", range(4))
def test_a_batch_of_failures_that_optuna_proposes(seed):
    search = OptunaSearchCV(Failing(), {"bad": [FAILS, FITS], "depth": [1, 2]}, n_iter=4, **BATCHES)
    assert_predictions(search.set_params(random_state=seed).fit(X, y))


def test_the_best_candidate_without_predictions_is_nan_by_rows_and_classes():
    search = one_by_one(Failing(), [{"bad": [PREDICTS_NOT], "depth": [3]}, {"bad": [FITS]}], keep_oof="best").fit(X, y)
    assert search.best_index_ == 0
    assert search.oof_predictions_.shape == (120, 4)
    assert np.isnan(search.oof_predictions_).all()


def test_a_rung_of_rounds_without_a_score_leaves_the_predictions_before_it(monkeypatch):
    def searched(**arguments):
        search = GridSearchCV(booster(), {"learning_rate": [0.01, 0.02]}, cv=CV, rounds=ROUNDS, refit_on="driver")
        return search.set_params(keep_oof="all", **arguments).fit(X, y)

    whole = searched()
    stop_after(2, monkeypatch)
    cut = searched(max_fit_time=9.0)
    assert cut.oof_predictions_.shape == (8, 120, 4)
    np.testing.assert_array_equal(cut.oof_predictions_[:4], whole.oof_predictions_[:4])
    assert np.isnan(cut.oof_predictions_[4:]).all()


@pytest.mark.parametrize(
    ("estimator", "grids"),
    [
        (Pipeline([("clf", LogisticRegression())]), [{"clf": [LogisticRegression()]}, {"clf": [LinearSVC()]}]),
        (Pipeline([("clf", LogisticRegression())]), [{"clf": [LinearSVC()]}, {"clf": [LogisticRegression()]}]),
        (SGDClassifier(random_state=0), [{"loss": ["hinge"]}, {"loss": ["log_loss"]}]),
    ],
    ids=["probabilities first", "margins first", "by a parameter"],
)
def test_a_batch_that_predicts_another_way_is_refused_before_it_is_fitted(estimator, grids, tmp_path):
    said = "one kind of prediction for all candidates, but some predict by decision_function and some by predict_proba;"
    with pytest.raises(InputError, match=said):
        one_by_one(estimator, grids, journal=str(tmp_path)).fit(X, y)
    assert len(list(tmp_path.glob("fits-*.jsonl"))) == 3, "the fits of the first batch"


def test_a_batch_whose_predictions_have_another_shape_is_refused_by_its_row():
    grids = [{"decision_function_shape": ["ovr"]}, {"decision_function_shape": ["ovo"]}]
    said = r"predictions of one shape, but those of candidate 1 on fold 0 have the shape \(40, 6\); leave keep_oof out"
    with pytest.raises(InputError, match=said):
        one_by_one(SVC(), grids).fit(X, y)
