"""A fit gets the threads of a Spark task where it would take all cores."""

from __future__ import annotations

import pytest
from lightgbm import LGBMClassifier
from sklearn.datasets import load_iris
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from xgboost import XGBClassifier

from hpt_spark import GridSearchCV
from hpt_spark.search.threads import with_threads, xgboost_threads


@pytest.mark.parametrize(
    ("estimator", "name", "expected"),
    [
        (XGBClassifier(), "n_jobs", 3),
        (XGBClassifier(n_jobs=-1), "n_jobs", 3),
        (XGBClassifier(n_jobs=0), "n_jobs", 3),
        (XGBClassifier(n_jobs=2), "n_jobs", 2),
        (XGBClassifier(nthread=2), "n_jobs", None),
        (LGBMClassifier(n_jobs=None), "n_jobs", 3),
        (RandomForestClassifier(), "n_jobs", None),
        (RandomForestClassifier(n_jobs=-1), "n_jobs", 3),
        (RandomForestClassifier(n_jobs=8), "n_jobs", 8),
        (make_pipeline(StandardScaler(), XGBClassifier()), "xgbclassifier__n_jobs", 3),
    ],
    ids=str,
)
def test_whose_threads_are_set(estimator, name, expected):
    assert with_threads(estimator, 3).get_params()[name] == expected


def test_an_estimator_without_threads_stays_as_it_is():
    scaler = StandardScaler()
    assert with_threads(scaler, 3) is scaler


@pytest.mark.parametrize(
    ("estimator", "candidates", "expected"),
    [
        (XGBClassifier(n_jobs=4), [{}], 4),
        (XGBClassifier(nthread=5), [{}], 5),
        (XGBClassifier(), [{"n_jobs": 2}, {"n_jobs": 6}], 6),
        (make_pipeline(StandardScaler(), XGBClassifier(n_jobs=7)), [{}], 7),
        (XGBClassifier(n_jobs=-1), [{}], 0),
        (LogisticRegression(n_jobs=8), [{}], 0),
    ],
    ids=str,
)
def test_how_many_threads_xgboost_was_told_to_use(estimator, candidates, expected):
    assert xgboost_threads(estimator, candidates) == expected


def test_it_warns_where_xgboost_would_take_fewer_threads_than_it_is_told(spark):
    X, y = load_iris(return_X_y=True)
    search = GridSearchCV(XGBClassifier(n_jobs=3, n_estimators=1), {"max_depth": [1]}, cv=2, sc=spark)
    with pytest.warns(UserWarning, match=r"n_jobs=3 is set, and XGBoost may use 1: .* Set spark.task.cpus=3, or leave"):
        search.fit(X, y)
