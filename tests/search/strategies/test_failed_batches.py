"""A batch of which all fits have failed ends no search that has scores, or that proposes more."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.datasets import make_classification
from sklearn.exceptions import FitFailedWarning
from sklearn.model_selection import RepeatedStratifiedKFold, cross_val_score
from sklearn.tree import DecisionTreeClassifier
from xgboost import XGBClassifier

from hpt_spark import GridSearchCV, OptunaSearchCV, RandomizedSearchCV
from hpt_spark.errors import HptSparkError
from hpt_spark.search.results.failures import timed_out
from hpt_spark.search.strategies.batches import _Drawn
from tests.search.without_spark import Scheduler

X, y = make_classification(90, 5, flip_y=0.2, random_state=0)
ROUNDS = {"max": 6, "step": 1, "early_stopping_rounds": 2}
pytestmark = [
    pytest.mark.usefixtures("no_spark"),
    pytest.mark.filterwarnings("ignore::sklearn.exceptions.FitFailedWarning", "ignore:One or more"),
]


class Failing(ClassifierMixin, BaseEstimator):
    """A tree, unless it is bad."""

    def __init__(self, bad=0, depth=1):
        self.bad = bad
        self.depth = depth

    def fit(self, X, y):
        if self.bad:
            raise ValueError(f"bad {self.bad}")
        self.tree_ = DecisionTreeClassifier(max_depth=self.depth, random_state=0).fit(X, y)
        self.classes_ = self.tree_.classes_
        return self

    def predict(self, X):
        return self.tree_.predict(X)


def one_score(estimator, X, y):
    return float((estimator.predict(X) == y).mean())


def two_scores(estimator, X, y):
    return {"right": one_score(estimator, X, y), "wrong": 1 - one_score(estimator, X, y)}


def booster():
    return XGBClassifier(n_jobs=1, max_depth=2, random_state=0)


def stop_after(rounds, monkeypatch):
    """Let each fit with more rounds be one that had no time for them."""
    run = Scheduler.run

    def stopping(self, evaluation, fits):
        def is_long(fit):
            return evaluation.candidates[fit.candidate]["n_estimators"] > rounds

        for results in run(self, evaluation, fits):
            yield [(fit, timed_out(evaluation, fit) if is_long(fit) else result) for fit, result in results]

    monkeypatch.setattr(Scheduler, "run", stopping)


@pytest.mark.parametrize(
    ("scoring", "refit"),
    [(None, True), (one_score, True), (two_scores, "right"), (["accuracy", "neg_log_loss"], "accuracy")],
)
def test_a_rung_without_a_score_leaves_those_before_it(monkeypatch, scoring, refit):
    arguments = {
        "cv": 2,
        "rounds": ROUNDS,
        "scoring": scoring,
        "refit": refit,
        "refit_on": "driver",
        "max_fit_time": 9.0,
    }
    whole = GridSearchCV(booster(), {"learning_rate": [0.01, 0.02]}, **arguments).fit(X, y)
    stop_after(2, monkeypatch)
    with pytest.warns(FitFailedWarning, match="All the 8 fits of a batch failed, the first with: FitTimeout"):
        search = GridSearchCV(booster(), {"learning_rate": [0.01, 0.02]}, **arguments).fit(X, y)
    mean = f"mean_test_{refit if isinstance(refit, str) else 'score'}"
    assert search.cv_results_["params"] == whole.cv_results_["params"][:8]
    np.testing.assert_array_equal(search.cv_results_[mean][:4], whole.cv_results_[mean][:4])
    assert np.isnan(search.cv_results_[mean][4:]).all()
    assert search.best_params_["n_estimators"] <= 2


def test_a_first_rung_without_a_score_is_scikit_learns_error(monkeypatch):
    stop_after(0, monkeypatch)
    with pytest.raises(ValueError, match=r"(?s)All the 8 fits failed\.\nIt is very likely that your model"):
        GridSearchCV(booster(), {"learning_rate": [0.01, 0.02]}, cv=2, rounds=ROUNDS, max_fit_time=9.0).fit(X, y)


@pytest.mark.parametrize("scoring", [one_score, two_scores])
@pytest.mark.parametrize("seed", range(3))
def test_a_function_tells_its_metrics_when_a_fit_has_a_score(scoring, seed):
    name = "right" if scoring is two_scores else "score"
    search = OptunaSearchCV(
        Failing(),
        {"bad": [1, 0], "depth": [1, 2]},
        n_iter=4,
        batch_size=1,
        random_state=seed,
        cv=2,
        scoring=scoring,
        refit="right" if scoring is two_scores else True,
        refit_on="driver",
        return_train_score=True,
    ).fit(X, y)
    columns = ("params", f"mean_test_{name}", f"mean_train_{name}")
    for params, mean, train in zip(*(search.cv_results_[column] for column in columns)):
        if params["bad"]:
            assert np.isnan(mean)
            assert np.isnan(train)
        else:
            assert mean == cross_val_score(Failing(**params), X, y, cv=2).mean()
    assert search.best_params_["bad"] == 0


@pytest.mark.parametrize("error_score", [np.nan, 0.0])
@pytest.mark.parametrize("size", [1, 2])
def test_a_batch_of_failures_in_a_race(error_score, size):
    folds = RepeatedStratifiedKFold(n_splits=3, n_repeats=2, random_state=0)
    search = OptunaSearchCV(
        Failing(),
        {"bad": [0, 1, 2, 3, 4, 5], "depth": [1, 2]},
        n_iter=10,
        batch_size=size,
        cv=folds,
        race={"burn_in": 2, "alpha": 0.3},
        error_score=error_score,
        refit_on="driver",
    ).fit(X, y)
    bad = np.array([params["bad"] > 0 for params in search.cv_results_["params"]])
    np.testing.assert_array_equal(search.cv_results_["mean_test_score"][bad], np.full(bad.sum(), error_score))
    assert set(search.cv_results_["n_splits_done"][bad]) == {2, 6}
    assert search.cv_results_["n_splits_done"][search.best_index_] == 6
    assert search.best_params_["bad"] == 0


def stopped_after(fits, monkeypatch):
    """Let the time be up when so many fits have run."""
    run, left = Scheduler.run, [fits]

    def stopping(self, evaluation, fits):
        for results in run(self, evaluation, fits):
            yield results
            left[0] -= 1
            if not left[0]:
                return

    monkeypatch.setattr(Scheduler, "run", stopping)


@pytest.mark.parametrize("bad", [[0, 1], [1, 0]])
def test_who_has_failed_is_not_the_best_of_a_search_that_was_ended(bad, monkeypatch):
    stopped_after(5, monkeypatch)
    search = GridSearchCV(Failing(), {"bad": bad}, cv=3, max_time=99.0, refit_on="driver")
    if bad == [1, 0]:
        with pytest.raises(HptSparkError, match="after 5 of 6 fits, before any candidate had a score"):
            search.fit(X, y)
        return
    with pytest.warns(UserWarning, match="1 of 6 fits are missing"):
        search.fit(X, y)
    assert search.best_params_ == {"bad": 0}


def test_a_failed_one_counts_with_the_score_that_it_was_given(monkeypatch):
    stopped_after(5, monkeypatch)
    search = GridSearchCV(Failing(), {"bad": [1, 0]}, cv=3, max_time=99.0, refit=False, error_score=0.0)
    with pytest.warns(UserWarning, match="1 of 6 fits are missing"):
        search.fit(X, y)
    assert search.best_score_ == 0.0


def test_a_search_that_was_ended_after_a_batch_of_failures_has_no_best(monkeypatch):
    stopped_after(3, monkeypatch)
    arguments = {"n_iter": 4, "batch_size": 1, "random_state": 0, "cv": 2, "max_time": 99.0, "refit_on": "driver"}
    with pytest.raises(ValueError, match=r"All the 2 fits failed"):
        OptunaSearchCV(Failing(), {"bad": [1, 2], "depth": [1, 2]}, **arguments).fit(X, y)


@pytest.mark.parametrize("signal", [KeyboardInterrupt, SystemExit])
def test_a_signal_between_two_batches_ends_with_what_there_is(signal, monkeypatch):
    ask, asked = _Drawn.ask, []

    def ask_twice(self, number):
        asked.append(number)
        if len(asked) > when:
            raise signal
        return ask(self, number)

    monkeypatch.setattr(_Drawn, "ask", ask_twice)
    arguments = {"n_iter": 4, "batch_size": 1, "no_improvement": 9, "random_state": 0, "cv": 2, "refit_on": "driver"}
    when = 2
    search = RandomizedSearchCV(Failing(), {"depth": [1, 2, 3, 4]}, **arguments).fit(X, y)
    assert search.incomplete_
    assert search.end_reason_ == "The search was interrupted (Ctrl-C, SIGTERM or SIGHUP)."
    assert len(search.cv_results_["params"]) == 2
    assert search.best_estimator_.depth == search.best_params_["depth"]
    asked.clear()
    when = 0
    with pytest.raises(signal):
        RandomizedSearchCV(Failing(), {"depth": [1, 2, 3, 4]}, **arguments).fit(X, y)
