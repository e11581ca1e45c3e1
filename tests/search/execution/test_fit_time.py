"""Fits that take longer than ``max_fit_time``: each is one failed fit with its reason, and no other is lost."""

from __future__ import annotations

import sys
import time

import cloudpickle
import numpy as np
import pytest
from sklearn import model_selection
from sklearn.datasets import make_classification
from xgboost import XGBClassifier

from hpt_spark import GridSearchCV
from hpt_spark.errors import HptSparkError, InputError
from tests.search.misbehaving import Misbehaving, fits_marked
from tests.search.scores import split_scores

cloudpickle.register_pickle_by_value(sys.modules[__name__])
pytestmark = [
    pytest.mark.filterwarnings("ignore::sklearn.exceptions.FitFailedWarning"),
    pytest.mark.filterwarnings("ignore:One or more"),
]

X, y = make_classification(120, 5, n_informative=4, n_redundant=0, n_classes=3, random_state=0)
LIMIT = 1.5


def search_of(spark, grid, **arguments):
    return GridSearchCV(Misbehaving(), grid, cv=2, refit=False, sc=spark, **arguments)


@pytest.mark.long
def test_what_hangs_is_a_failed_fit_with_its_reason_which_a_higher_limit_tries_again(spark, marks, tmp_path):
    hanging = {"number": [0], "how": ["hangs-once"], "marks": [str(marks)]}
    grid = [hanging, {"number": [1, 2, 3], "marks": [str(marks)]}]
    journal = str(tmp_path / "journal")
    with pytest.warns(match=r"FitTimeout: the fit of .* on fold [01] took longer than max_fit_time=1\.5 seconds"):
        search = search_of(spark, grid, max_fit_time=LIMIT, journal=journal).fit(X, y)
    scores = split_scores(search)
    plain = model_selection.GridSearchCV(Misbehaving(), {"number": [0, 1, 2, 3]}, cv=2, refit=False).fit(X, y)
    assert np.isnan(scores[0]).sum() == 1
    np.testing.assert_array_equal(scores[1:], split_scores(plain)[1:])
    assert fits_marked(marks) == {0: 2, 1: 2, 2: 2, 3: 2}, "it is not tried again, and costs no other fit"
    assert search.cv_results_["mean_fit_time"][0] >= LIMIT / 2
    for limit in (LIMIT, 1.0):
        again = search_of(spark, grid, max_fit_time=limit, journal=journal).fit(X, y)
        np.testing.assert_array_equal(split_scores(again), scores)
    assert again.fit_counts_["resumed"] == 8
    longer = search_of(spark, grid, journal=journal).fit(X, y)
    assert longer.fit_counts_["resumed"] == 7
    np.testing.assert_array_equal(split_scores(longer), split_scores(plain))


@pytest.mark.long
def test_error_score_counts_for_it(spark):
    grid = {"how": ["fits", "sleeps"]}
    search = search_of(spark, grid, max_fit_time=LIMIT, error_score=-1.0).fit(X, y)
    assert split_scores(search)[1].tolist() == [-1.0, -1.0]
    with pytest.raises(HptSparkError, match=r"FitTimeout: the fit of .*sleeps.* took longer than"):
        search_of(spark, {"how": ["sleeps"]}, max_fit_time=0.5, error_score="raise").fit(X, y)


class SlowFor:
    """A scorer that takes its time with a model of so many rounds."""

    def __init__(self, rounds):
        self.rounds = rounds

    def __call__(self, estimator, X, y):
        if estimator.n_estimators == self.rounds:
            time.sleep(60)
        return float(estimator.predict_proba(X)[:, 0].sum())


@pytest.mark.long
def test_of_a_shared_training_only_the_slow_candidate_is_lost(spark):
    grid = {"n_estimators": [2, 4, 6]}
    estimator = XGBClassifier(seed=0, n_jobs=1)
    search = GridSearchCV(estimator, grid, cv=2, scoring=SlowFor(4), refit=False, sc=spark, max_fit_time=LIMIT).fit(
        X, y
    )
    harmless = model_selection.GridSearchCV(estimator, grid, cv=2, scoring=SlowFor(-1), refit=False).fit(X, y)
    np.testing.assert_array_equal(split_scores(search)[[0, 2]], split_scores(harmless)[[0, 2]])
    assert np.isnan(split_scores(search)[1]).all()


@pytest.mark.parametrize("seconds", [0, -1, "soon", True, np.nan, np.inf])
def test_what_is_no_time_is_refused(spark, seconds):
    with pytest.raises(InputError, match=r"max_fit_time=.* must be a number of seconds above 0, or None for no limit"):
        search_of(spark, {"number": [1]}, max_fit_time=seconds).fit(X, y)
