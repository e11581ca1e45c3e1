"""scikit-learn's checks of an estimator, for the search classes."""

from __future__ import annotations

import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.utils.estimator_checks import parametrize_with_checks

from hpt_spark import GridSearchCV, OptunaSearchCV

pytestmark = [pytest.mark.long, pytest.mark.usefixtures("spark")]


@parametrize_with_checks(
    [
        GridSearchCV(LogisticRegression(), {"C": [0.1, 1.0]}, cv=2, error_score="raise", keep_oof="best"),
        OptunaSearchCV(LogisticRegression(), {"C": [0.1, 1.0]}, n_iter=2, cv=2, random_state=0, error_score="raise"),
    ]
)
def test_scikit_learns_check(estimator, check):
    check(estimator)
