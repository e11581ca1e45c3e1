"""Warnings of fits: the driver's filters of them, and the credentials that they quote."""

from __future__ import annotations

import os
import sys
import types
import warnings

import cloudpickle
import pytest
from sklearn.dummy import DummyClassifier
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression

from hpt_spark.search.evaluation import evaluation_of
from hpt_spark.search.execution.node_share import share
from hpt_spark.search.execution.refit import Refitted, outcome
from hpt_spark.tuning.joblib_backend import _run_timed
from tests.search.in_process import GridSearchCV

URI = "https://host/weights?sig=SECRET"
MASKED = "https://host/weights?***"
X, y = [[0.0], [1.0]] * 4, [0, 1] * 4


def failing(estimator, X, y):
    raise ValueError(f"cannot read {URI} today")


def test_a_scorer_that_fails_shows_no_credential():
    with pytest.warns(UserWarning, match="Scoring failed") as told:
        GridSearchCV(DummyClassifier(), {}, scoring=failing, cv=2, refit=False).fit(X, y)
    texts = "".join(str(one.message) for one in told)
    assert f"cannot read {MASKED} today" in texts
    assert "SECRET" not in texts


def test_a_fit_by_joblib_shows_no_credential():
    def function():
        warnings.warn(f"slow: {URI}", UserWarning, stacklevel=2)
        return {}

    with pytest.warns(UserWarning, match="slow") as told:
        _run_timed(os.getpid(), function)
    assert [str(one.message) for one in told] == [f"slow: {MASKED}"]


def test_a_refit_shows_no_credential(tmp_path):
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


class LaidOutError(Exception):
    pass


class Search(GridSearchCV):
    """Lays out its fits and runs none."""

    def _run_fits(self, delayed_fits):
        self.laid_out, _ = evaluation_of(delayed_fits)
        raise LaidOutError


@pytest.fixture
def category(monkeypatch):
    """A category of a module that only the driver has."""
    module = types.ModuleType("only_on_the_driver")
    exec("class OwnWarning(UserWarning): pass", vars(module))
    monkeypatch.setitem(sys.modules, module.__name__, module)
    return module.OwnWarning


def test_a_filter_of_a_category_that_executors_lack_is_left_out_there(category, monkeypatch, tmp_path):
    search = Search(LogisticRegression(), {"C": [1.0]}, cv=2)
    with warnings.catch_warnings():
        warnings.simplefilter("error", ConvergenceWarning)
        warnings.simplefilter("ignore", category)
        with pytest.raises(LaidOutError):
            search.fit([[0], [1], [0], [1]], [0, 1, 0, 1])
    filters = search.laid_out.warning_filters
    assert [one[2] for one in filters[:2]] == [category, ConvergenceWarning]
    shared = share(filters, tmp_path)
    assert cloudpickle.loads(cloudpickle.dumps(filters)) == filters
    monkeypatch.delitem(sys.modules, category.__module__)
    assert shared.load() == filters[1:]
