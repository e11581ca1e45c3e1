"""scikit-learn's own search on the processes of one machine."""

from __future__ import annotations

import warnings

import pytest
from sklearn.datasets import make_classification
from sklearn.tree import DecisionTreeClassifier

from hpt_spark.tuning import joblib_backend

X, y = make_classification(80, 5, random_state=0)


def test_results_are_taken_to_their_end_also_where_there_are_none():
    search = joblib_backend.GridSearchCV(DecisionTreeClassifier(), {"max_depth": [1, 2]}, cv=iter(()), n_jobs=2)
    with warnings.catch_warnings(record=True) as warned, pytest.raises(ValueError, match="No fits were performed"):
        warnings.simplefilter("always")
        search.fit(X, y)
    assert [str(one.message) for one in warned] == []  # joblib tells of tasks that it has cancelled
