"""The driver's filters of warnings in the processes of the fits."""

from __future__ import annotations

import sys
import types
import warnings

import cloudpickle
import pytest
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression

from hpt_spark.search.evaluation import evaluation_of
from hpt_spark.search.execution.node_share import share
from tests.search.in_process import GridSearchCV


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
