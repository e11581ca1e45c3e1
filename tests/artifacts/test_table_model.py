"""The model of a table: what it says of rows that its estimator refuses."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.sparse import csr_matrix
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.tree import DecisionTreeRegressor

from hpt_spark.artifacts.table_model import TableModel
from hpt_spark.errors import InputError
from hpt_spark.tables.encoding import ColumnCode, TableEncoding

ENCODING = TableEncoding((ColumnCode("a", "number", ("",)), ColumnCode("c", "text", ("p", "q"))), "nan", False)
X, y = np.array([[1.0, 0, 1], [2, 1, 0], [3, 0, 0], [4, 1, 0]]), np.array([0, 1, 0, 1])


@pytest.mark.parametrize("form", [np.asarray, csr_matrix])
def test_missing_numbers_that_the_estimator_refuses_are_told_by_column(form):
    model = TableModel(LogisticRegression().fit(form(X), y), "classification", ["no", "yes"], ENCODING)
    np.testing.assert_array_equal(model.outputs_of(form(X))["yes"], model.estimator.predict_proba(form(X))[:, 1])
    lacking = X.copy()
    lacking[2, 0] = np.nan
    with pytest.raises(
        InputError, match=r"^LogisticRegression does not predict these rows \(Input X contains NaN\): .* in a; correct"
    ):
        model.outputs_of(form(lacking))


def test_a_notebook_is_told_so_as_well():
    model = TableModel(LogisticRegression().fit(X, y), "classification", ["no", "yes"], ENCODING)
    for predict in (model.predict, model.predict_proba):
        assert len(predict({"a": [1.0, 2.0], "c": ["p", "q"]})) == 2
        with pytest.raises(InputError, match=r"Input X contains NaN\): .* in a; correct"):
            predict({"a": [1.0, None], "c": ["p", "q"]})


def test_numbers_that_the_estimator_cannot_hold_are_told_by_column():
    model = TableModel(DecisionTreeRegressor().fit(X, y), "regression", [], ENCODING)
    large = X.copy()
    large[0, 0] = large[1, 2] = -1e39
    with (
        np.errstate(over="ignore"),
        pytest.raises(
            InputError, match=r"^DecisionTreeRegressor .*too large for dtype.*: .* beyond 3.4e\+38 in a, c=q; "
        ),
    ):
        model.outputs_of(large)


def test_what_the_estimator_takes_is_predicted_and_any_other_error_stays_its_own():
    model = TableModel(HistGradientBoostingClassifier().fit(X, y), "classification", ["no", "yes"], ENCODING)
    assert model.outputs_of(np.full((1, 3), np.nan)).num_rows == 1
    for rows in (np.ones((1, 4)), np.full((1, 4), np.nan)):
        with pytest.raises(ValueError, match="expecting 3 features"):
            model.outputs_of(rows)
