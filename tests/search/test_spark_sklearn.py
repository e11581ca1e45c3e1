"""spark-sklearn's interface: its defaults, and where the arguments of ``fit`` may be given."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn import model_selection
from sklearn.base import clone
from sklearn.datasets import make_classification
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GroupKFold

from hpt_spark.spark_sklearn import GridSearchCV, RandomizedSearchCV
from tests.search.scores import assert_same_scores

pytestmark = pytest.mark.usefixtures("no_spark")

X, y = make_classification(60, 5, random_state=0)
WEIGHTS = np.random.default_rng(0).random(60)
GRID = {"C": [0.1, 1.0]}
DEFAULTS = {"n_jobs": 1, "iid": True, "refit": True, "cv": None, "error_score": "raise", "return_train_score": True}

both_searches = pytest.mark.parametrize(
    ("old", "plain", "more"),
    [
        (GridSearchCV, model_selection.GridSearchCV, {}),
        (RandomizedSearchCV, model_selection.RandomizedSearchCV, {"n_iter": 2, "random_state": 0}),
    ],
    ids=["grid", "randomized"],
)


@both_searches
def test_a_search_has_the_defaults_of_spark_sklearn(old, plain, more):
    search = old(None, LogisticRegression(), GRID)
    assert {name: getattr(search, name) for name in DEFAULTS} == DEFAULTS


@both_searches
@pytest.mark.parametrize("of_constructor", [None, {"sample_weight": WEIGHTS}, {"sample_weight": np.ones(60)}])
def test_arguments_of_fit_come_with_the_constructor_or_the_call_which_wins(old, plain, more, of_constructor):
    search = clone(old(None, LogisticRegression(), GRID, fit_params=of_constructor, refit=False, **more))
    search.fit(X, y, sample_weight=WEIGHTS)
    expected = plain(LogisticRegression(), GRID, refit=False, return_train_score=True, **more)
    assert_same_scores(search, expected.fit(X, y, sample_weight=WEIGHTS))


@both_searches
@pytest.mark.parametrize("by_position", [True, False])
def test_groups_may_be_given_by_position_and_beside_others(old, plain, more, by_position):
    groups = np.arange(60) % 3
    search = old(None, LogisticRegression(), GRID, fit_params={"sample_weight": WEIGHTS}, cv=GroupKFold(3), **more)
    search.set_params(refit=False)
    search.fit(X, y, groups) if by_position else search.fit(X, y, groups=groups)
    expected = plain(LogisticRegression(), GRID, cv=GroupKFold(3), refit=False, return_train_score=True, **more)
    assert_same_scores(search, expected.fit(X, y, groups=groups, sample_weight=WEIGHTS))
