"""A fit is found again by its candidate and its fold, whichever search of the same context has run it."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn import model_selection
from sklearn.base import BaseEstimator, ClassifierMixin, clone
from sklearn.datasets import make_classification
from sklearn.ensemble import GradientBoostingClassifier
from sklearn.exceptions import FitFailedWarning
from sklearn.linear_model import LogisticRegression
from sklearn.tree import DecisionTreeClassifier

from hpt_spark import (
    GridSearchCV,
    HalvingGridSearchCV,
    OptunaSearchCV,
    RandomizedSearchCV,
    nested_cross_validate,
)
from hpt_spark.errors import InputError
from hpt_spark.search.execution import worker
from tests.property_settings import examples

X, y = make_classification(60, 5, random_state=0)
DEPTHS = st.lists(st.integers(1, 6), min_size=1, max_size=3, unique=True)


def tree():
    return DecisionTreeClassifier(random_state=0)


def theirs(grid, estimator=None, cv=2):
    estimator = tree() if estimator is None else estimator
    return model_selection.GridSearchCV(estimator, grid, cv=cv).fit(X, y)


def assert_same_scores(ours, theirs):
    assert ours.cv_results_["params"] == theirs.cv_results_["params"]
    for name in [name for name in theirs.cv_results_ if name.endswith("_score")]:
        np.testing.assert_array_equal(ours.cv_results_[name], theirs.cv_results_[name])
    assert ours.best_params_ == theirs.best_params_


@pytest.mark.long
@examples(5)
@given(searches=st.lists(DEPTHS, min_size=2, max_size=3))
def test_whatever_is_searched_before_only_what_is_missing_runs(spark, tmp_path_factory, searches):
    journal, known = tmp_path_factory.mktemp("journal"), set()
    for depths in searches:
        grid = {"max_depth": depths}
        ours = GridSearchCV(tree(), grid, cv=2, sc=spark, journal=str(journal)).fit(X, y)
        assert_same_scores(ours, theirs(grid))
        assert ours.fit_counts_["resumed"] == 2 * len(known & set(depths))
        assert ours.fit_counts_["trainings"] == 2 * len(set(depths) - known)
        known |= set(depths)


@pytest.mark.long
def test_another_strategy_finds_the_results_of_a_grid(spark, tmp_path):
    grid = {"max_depth": [1, 2, 3, 4]}
    GridSearchCV(tree(), grid, cv=2, sc=spark, journal=str(tmp_path)).fit(X, y)
    for search in (
        RandomizedSearchCV(tree(), grid, n_iter=3, random_state=0, cv=2),
        OptunaSearchCV(tree(), grid, n_iter=4, batch_size=2, cv=2),
    ):
        search.set_params(sc=spark, journal=str(tmp_path)).fit(X, y)
        assert search.fit_counts_["trainings"] == 0
        expected = dict(zip((1, 2, 3, 4), theirs(grid).cv_results_["mean_test_score"]))
        found = search.cv_results_
        assert [expected[params["max_depth"]] for params in found["params"]] == list(found["mean_test_score"])


@pytest.mark.long
def test_a_path_of_rounds_trains_only_what_is_missing_and_stays_exact(spark, tmp_path):
    estimator = GradientBoostingClassifier(random_state=0)
    for grid, resumed in (({"n_estimators": [3, 9]}, 0), ({"n_estimators": [3, 6, 9, 12]}, 4)):
        ours = GridSearchCV(estimator, grid, cv=2, sc=spark, journal=str(tmp_path)).fit(X, y)
        assert_same_scores(ours, theirs(grid, estimator))
        assert ours.fit_counts_["resumed"] == resumed


@pytest.mark.long
def test_folds_that_agree_are_found_and_others_run(spark, tmp_path):
    splits = list(model_selection.KFold(3).split(X))
    for cv, resumed in ((splits[:2], 0), (splits, 2), (splits[1:], 2)):
        grid = {"max_depth": [2]}
        ours = GridSearchCV(tree(), grid, cv=cv, sc=spark, journal=str(tmp_path)).fit(X, y)
        assert_same_scores(ours, theirs(grid, cv=cv))
        assert ours.fit_counts_["resumed"] == resumed


@pytest.mark.long
def test_halving_has_its_last_rung_from_a_grid(spark, tmp_path):
    grid = {"max_depth": [1, 2, 3, 4]}
    arguments = {"cv": 2, "resource": "min_samples_leaf", "max_resources": 8, "min_resources": 2, "factor": 2}
    plain = HalvingGridSearchCV(tree(), grid, sc=spark, **arguments).fit(X, y)
    last = [{**params, "min_samples_leaf": 8} for params in plain.cv_results_["params"][-1:]]
    last = [{name: [value] for name, value in params.items()} for params in last]
    GridSearchCV(tree(), last, cv=2, sc=spark, journal=str(tmp_path), return_train_score=True).fit(X, y)
    ours = HalvingGridSearchCV(tree(), grid, sc=spark, journal=str(tmp_path), **arguments).fit(X, y)
    assert ours.fit_counts_["resumed"] == 2
    np.testing.assert_array_equal(ours.cv_results_["mean_test_score"], plain.cv_results_["mean_test_score"])


@pytest.mark.long
def test_other_searches_are_read_and_not_written(spark, tmp_path):
    first, run = tmp_path / "first", tmp_path / "run"
    GridSearchCV(tree(), {"max_depth": [1, 2]}, cv=2, sc=spark, journal=str(first)).fit(X, y)
    GridSearchCV(tree(), {"max_depth": [3]}, cv=2, sc=spark, journal=str(run / "journal")).fit(X, y)
    before = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    grid = {"max_depth": [1, 2, 3, 4]}
    for journal in (None, str(tmp_path / "own")):
        search = GridSearchCV(tree(), grid, cv=2, sc=spark, journal=journal, warm_start=[str(first), str(run)])
        assert_same_scores(search.fit(X, y), theirs(grid))
        assert (search.fit_counts_["resumed"], search.fit_counts_["trainings"]) == (6, 2)
    assert {path: path.read_bytes() for path in before} == before
    resumed = GridSearchCV(tree(), grid, cv=2, sc=spark, journal=str(tmp_path / "own")).fit(X, y)
    assert resumed.fit_counts_["resumed"] == 8, "what was read is in the search's own journal"


@pytest.mark.long
@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            {"estimator": LogisticRegression()},
            "is of another search, different in estimator.*; take it out of warm_start",
        ),
        ({"scoring": "neg_log_loss"}, "different in scorer; take it out of warm_start"),
        ({"warm_start": "a text"}, "warm_start='a text' must be a list of folders"),
        ({"warm_start": [""]}, "names no folder of a journal or a run"),
        ({"warm_start": ["missing"]}, "missing is no journal of a search: it has no context.json"),
    ],
)
def test_what_cannot_be_taken_over_is_refused(spark, tmp_path, monkeypatch, change, message):
    monkeypatch.chdir(tmp_path)
    grid = {} if "estimator" in change else {"max_depth": [1]}
    GridSearchCV(tree(), {"max_depth": [1]}, cv=2, sc=spark, journal="first").fit(X, y)
    search = GridSearchCV(tree(), grid, cv=2, sc=spark, warm_start=["first"]).set_params(**change)
    with pytest.raises(InputError, match=message):
        search.fit(X, y)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["first"]


@pytest.mark.usefixtures("no_spark")
def test_outer_folds_take_over_those_of_another_nested_search_and_pass_over_what_is_of_other_data(tmp_path):
    arguments = {"cv": 2, "refit_on": "driver"}
    first = GridSearchCV(tree(), {"max_depth": [1, 2]}, journal=str(tmp_path / "run/journal"), **arguments).fit(X, y)
    expected = nested_cross_validate(first, X, y, cv=3)
    wider = GridSearchCV(tree(), {"max_depth": [1, 2, 3]}, warm_start=[str(tmp_path / "run")], **arguments)
    found = nested_cross_validate(wider, X, y, cv=3, return_estimator=True)
    assert [one.fit_counts_["resumed"] for one in found["estimator"]] == [4, 4, 4]
    wider.set_params(param_grid=first.param_grid, journal=str(tmp_path / "own"))
    np.testing.assert_array_equal(nested_cross_validate(wider, X, y, cv=3)["test_score"], expected["test_score"])
    assert clone(wider).fit(X, y).fit_counts_["resumed"] == 4, "a clone may be of the same data"
    assert clone(wider).fit(X[:50], y[:50]).fit_counts_["resumed"] == 0
    with pytest.raises(InputError, match="different in X, y; take it out of warm_start"):
        wider.set_params(journal=None).fit(X[:50], y[:50])
    with pytest.raises(InputError, match=r"missing is no journal of a search: it has no context\.json"):
        nested_cross_validate(wider.set_params(warm_start=[str(tmp_path / "missing")]), X, y, cv=3)
    assert not (tmp_path / "missing").exists()


class Scaled(ClassifierMixin, BaseEstimator):
    """Predicts by a function that is a parameter."""

    def __init__(self, by=None):
        self.by = by

    def fit(self, X, y):
        self.classes_ = np.unique(y)
        return self

    def predict(self, X):
        return self.by(X[:, 0])


@pytest.mark.long
def test_a_value_with_code_counts_by_what_it_does(spark, tmp_path):
    def by(limit):
        return lambda column: (column > limit).astype(int)

    for limits, resumed in (((0.0, 1.0), 0), ((1.0, 2.0), 2), ((0.0, 2.0), 4)):
        grid = {"by": [by(limit) for limit in limits]}
        ours = GridSearchCV(Scaled(), grid, cv=2, sc=spark, journal=str(tmp_path)).fit(X, y)
        assert_same_scores(ours, theirs(grid, Scaled()))
        assert ours.fit_counts_["resumed"] == resumed


class Fetching(Scaled):
    """Fails for one value, and quotes a credential."""

    def fit(self, X, y):
        if self.by == 2:
            raise OSError("HTTP 403 for https://host/a?sig=S3CRET")
        return super().fit(X, y)

    def predict(self, X):
        return np.zeros(len(X))


def test_a_credential_in_a_journal_of_an_earlier_release_goes_no_further(no_spark, tmp_path, monkeypatch):
    arguments = {"cv": 2, "refit": False}
    with monkeypatch.context() as earlier:
        earlier.setattr(worker, "tidy_reasons", lambda result: None)
        with pytest.warns(FitFailedWarning):
            GridSearchCV(Fetching(), {"by": [1, 2]}, journal=str(tmp_path / "old"), **arguments).fit(X, y)
    records = lambda name: "".join(file.read_text() for file in (tmp_path / name).glob("fits-*.jsonl"))  # noqa: E731
    assert "S3CRET" in records("old"), "as a release has left it that did not mask reasons"
    more = {"journal": str(tmp_path / "new"), "warm_start": [str(tmp_path / "old")]}
    with pytest.warns(FitFailedWarning) as told:
        again = GridSearchCV(Fetching(), {"by": [1, 2]}, **more, **arguments).fit(X, y)
    assert again.fit_counts_["resumed"] == 4
    assert "S3CRET" not in records("new") + "".join(str(one.message) for one in told)
    assert r"https://host/a?***" in records("new")
