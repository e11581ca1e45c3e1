"""Random generators as parameters: only scikit-learn's own code draws from them."""

from __future__ import annotations

from contextlib import contextmanager

import numpy as np
import pytest
from sklearn import model_selection
from sklearn.datasets import make_classification
from sklearn.pipeline import make_pipeline
from xgboost import XGBClassifier

from hpt_spark import GridSearchCV
from hpt_spark.search.followers.follower import SearchFollower
from tests.search.scores import assert_same_scores

X, y = make_classification(90, 6, random_state=0)


class Tracking:
    """Reads the parameters, as a history does."""

    @contextmanager
    def follow(self, search, X, y, journal):
        search.estimator.get_params()
        yield SearchFollower()


@pytest.mark.parametrize("generator_of", [np.random.RandomState, np.random.default_rng])
@pytest.mark.parametrize("prefix", ["", "xgbclassifier__"])
def test_a_generator_of_xgboosts_gives_scikit_learns_scores(no_spark, generator_of, prefix):
    def fitted(search_class, **more):
        generator = generator_of(0)
        booster = XGBClassifier(n_jobs=1, subsample=0.5, random_state=generator)
        grid = {f"{prefix}n_estimators": [3, 6]}
        search = search_class(make_pipeline(booster) if prefix else booster, grid, cv=3, **more)
        search.fit(X, y).fit(X, y)  # the second time with what the first has left
        return search, generator.random()

    ours, drawn_next = fitted(GridSearchCV, refit_on="driver", tracking=Tracking())
    theirs, expected_next = fitted(model_selection.GridSearchCV)
    assert_same_scores(ours, theirs)
    assert drawn_next == expected_next
    np.testing.assert_array_equal(ours.predict_proba(X), theirs.predict_proba(X))
