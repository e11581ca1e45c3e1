"""What a worker keeps between its tasks, and what it makes of exceptions."""

import warnings
import weakref

import numpy as np
import pytest
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.datasets import make_classification
from sklearn.exceptions import FitFailedWarning
from sklearn.pipeline import make_pipeline
from xgboost import XGBClassifier

from hpt_spark.search.execution.rows import FoldRows
from hpt_spark.search.results.reasons import MOST_CHARACTERS
from tests.search.in_process import GridSearchCV
from tests.search.misbehaving import SpeechlessError

X, y = make_classification(60, 5, random_state=0)


def test_a_fold_is_gone_before_the_next_one_is_cut(monkeypatch):
    cut, folds, alive = FoldRows.own_train, [], []

    def watched(rows, estimator):
        alive.append(sum(fold() is not None for fold in folds))
        folds.append(weakref.ref(rows))
        return cut(rows, estimator)

    monkeypatch.setattr(FoldRows, "own_train", watched)
    search = GridSearchCV(XGBClassifier(n_jobs=1), {"n_estimators": [1, 2], "max_depth": [2, 3]}, cv=3).fit(X, y)
    assert alive == [0, 0, 0], "two folds' rows and matrices were in memory at the same time"
    assert (search.groups, search.built) == (6, 3)


class Raises(TransformerMixin, BaseEstimator):
    """A step that raises what it is told."""

    def __init__(self, error=None):
        self.error = error

    def fit(self, X, y=None):
        if self.error is not None:
            raise self.error
        return self

    def transform(self, X):
        return X


def searched(error, **arguments):
    estimator = make_pipeline(Raises(), XGBClassifier(n_jobs=1))
    grid = {"raises__error": [None, error], "xgbclassifier__n_estimators": [1, 2]}
    return GridSearchCV(estimator, grid, cv=2, refit=False, **arguments).fit(X, y)


def test_an_exception_whose_text_raises_is_one_failed_training():
    with pytest.warns(FitFailedWarning, match="<exception str|<unprintable"):
        search = searched(SpeechlessError())
    assert np.isnan(search.cv_results_["mean_test_score"]).tolist() == [False, False, True, True]
    with pytest.raises(SpeechlessError):
        searched(SpeechlessError(), error_score="raise")


def test_an_exception_of_megabytes_is_told_in_short():
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        searched(ValueError("1 2 3, " * 10**6))
    (failed,) = (str(one.message) for one in told if "fits failed" in str(one.message))
    assert "ValueError: 1 2 3" in failed
    assert "is left out]" in failed
    assert len(failed) < 2 * MOST_CHARACTERS
