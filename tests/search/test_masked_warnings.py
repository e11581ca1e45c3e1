"""A warning of a fit, a scorer or a refit shows no credential that it quotes."""

from __future__ import annotations

import warnings

import cloudpickle
import pytest
from sklearn.dummy import DummyClassifier

from hpt_spark.search.execution.refit import Refitted, outcome
from hpt_spark.tuning.joblib_backend import _run_timed
from tests.search.in_process import GridSearchCV

URI = "https://host/weights?sig=SECRET"
MASKED = "https://host/weights?***"
X, y = [[0.0], [1.0]] * 4, [0, 1] * 4


def failing(estimator, X, y):
    raise ValueError(f"cannot read {URI} today")


def test_of_a_scorer_that_fails():
    with pytest.warns(UserWarning, match="Scoring failed") as told:
        GridSearchCV(DummyClassifier(), {}, scoring=failing, cv=2, refit=False).fit(X, y)
    texts = "".join(str(one.message) for one in told)
    assert f"cannot read {MASKED} today" in texts
    assert "SECRET" not in texts


def test_of_a_fit_by_joblib():
    def function():
        warnings.warn(f"slow: {URI}", UserWarning, stacklevel=2)
        return {}

    with pytest.warns(UserWarning, match="slow") as told:
        _run_timed(function)
    assert [str(one.message) for one in told] == [f"slow: {MASKED}"]


def test_of_a_refit(tmp_path):
    model = tmp_path / "model"
    model.write_bytes(cloudpickle.dumps("a model"))
    own = RuntimeWarning("slow")
    ended = Refitted(
        None, "", "", [(UserWarning(f"slow: {URI}"), UserWarning, "a.py", 1), (own, RuntimeWarning, "a.py", 2)]
    )
    with pytest.warns(Warning, match="slow") as told:
        assert outcome(ended, model, "Model") == "a model"
    assert [str(one.message) for one in told] == [f"slow: {MASKED}", "slow"]
    assert told[1].message is own
