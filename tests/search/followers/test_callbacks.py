"""scikit-learn's callbacks of fits: their begin is told when it is seen, never after the fact."""

from __future__ import annotations

import sys
import time
from pathlib import Path
from types import SimpleNamespace

import cloudpickle
import numpy as np
import pytest
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.datasets import make_classification

from hpt_spark import GridSearchCV
from hpt_spark.search.dataset import NO_DATA
from hpt_spark.search.evaluation import Fit
from hpt_spark.search.execution.begun import BegunFits, note_begun
from hpt_spark.search.followers.callbacks import Callbacks

cloudpickle.register_pickle_by_value(sys.modules[__name__])
X, y = make_classification(40, 4, random_state=0)


class Waits(ClassifierMixin, BaseEstimator):
    """Notes when its fit begins, and waits in it for so many seconds."""

    def __init__(self, folder="", seconds=0.0):
        self.folder = folder
        self.seconds = seconds

    def fit(self, X, y):
        Path(self.folder, f"{time.time_ns()}").touch()
        time.sleep(self.seconds)
        self.classes_ = np.unique(y)
        return self

    def predict(self, X):
        return np.zeros(len(X), int)


class Recorded:
    """A callback that notes what it is told, and when."""

    def __init__(self):
        self.told = []

    def setup(self, estimator, context):
        pass

    def teardown(self, estimator, context):
        pass

    def on_fit_task_begin(self, estimator, context):
        self.told.append(("begin", self.name(context), time.time()))

    def on_fit_task_end(self, estimator, context):
        self.told.append(("end", self.name(context), time.time()))

    @staticmethod
    def name(context):
        names = []
        while context is not None:
            names.append((context.task_name, context.task_id))
            context = context.parent
        return tuple(reversed(names))


@pytest.fixture
def recorded():
    pytest.importorskip("sklearn.callback", reason="scikit-learn has callbacks from 1.9 on")
    return Recorded()


def searched(spark, recorded, seconds, folder):
    search = GridSearchCV(Waits(str(folder)), {"seconds": seconds}, cv=2, refit=False, sc=spark)
    search.set_callbacks(recorded).fit(X, y)
    leaves = {name for _, name, _ in recorded.told}
    deepest = max(map(len, leaves))
    return [(what, name, at) for what, name, at in recorded.told if len(name) == deepest]


@pytest.mark.long
def test_a_fit_s_begin_is_told_while_it_runs(spark, recorded, tmp_path):
    searched(spark, Recorded(), [0.0], tmp_path)  # so that the workers are there
    told = searched(spark, recorded, [3.0], tmp_path)
    begins = {name: at for what, name, at in told if what == "begin"}
    ends = {name: at for what, name, at in told if what == "end"}
    assert len(begins) == len(ends) == 2
    assert all(ends[name] - begins[name] > 1.5 for name in begins)


def test_the_begin_comes_once_and_before_the_end_also_of_a_short_fit(spark, recorded, tmp_path):
    # The equal candidate has no fit of its own, but begins and ends as scikit-learn's does.
    told = searched(spark, recorded, [0.0, 0.01, 0.02, 0.02], tmp_path)
    for name in {name for _, name, _ in told}:
        assert [what for what, of, _ in told if of == name] == ["begin", "end"]
    assert len(told) == 2 * 8


def test_a_begin_that_nobody_saw_is_left_out(spark, recorded, tmp_path, monkeypatch):
    """As on a cluster, whose workers cannot write into the driver's folder."""
    monkeypatch.setattr(BegunFits, "tell", lambda self: None)
    told = searched(spark, recorded, [0.0, 0.01], tmp_path)
    assert [what for what, _, _ in told] == ["end"] * 4


def test_a_fit_that_is_tried_again_neither_begins_nor_ends_again():
    called = []

    class Context:
        def call_on_fit_task_begin(self, **arguments):
            called.append(("begin", arguments["estimator"]))

        def call_on_fit_task_end(self, **arguments):
            called.append(("end", arguments["estimator"]))

    callbacks = Callbacks()
    assert not callbacks
    callbacks.add(0, 1, Context(), "search")
    assert callbacks
    evaluation = SimpleNamespace(data=NO_DATA)
    for fit in (Fit(1, 0, 1), Fit(1, 0, 1), Fit(0, 0, 0)):
        callbacks.began(evaluation, fit)
        callbacks.ended(evaluation, fit)
    assert called == [("begin", "search"), ("end", "search")]


def test_what_workers_note_is_told_once_in_their_order(tmp_path):
    told = []
    begun = BegunFits(tmp_path / "begun", told.append)
    begun.tell()
    note_begun(begun.path, [Fit(3, 1, 1), Fit(1, 0, 1)])
    with open(begun.path, "ab") as file:
        file.write(b"7 3")  # a line that is just being written
    begun.tell()
    assert told == [Fit(3, 1, 1), Fit(1, 0, 1)]
    with open(begun.path, "ab") as file:
        file.write(b" 2\n")
    begun.tell()
    begun.tell()
    assert told[2:] == [Fit(7, 3, 2)]
    note_begun(str(tmp_path / "gone"), [Fit(0, 0, 0)])
    assert not (tmp_path / "gone").exists()
