"""Executors that come while the first fits still run get fits of their own at once."""

from __future__ import annotations

import os
import sys
import time

import cloudpickle
import numpy as np
import pytest
from sklearn.dummy import DummyClassifier

from hpt_spark import GridSearchCV
from hpt_spark.search.execution.spark_runner import SparkRunner
from tests.search.searching import X, y

cloudpickle.register_pickle_by_value(sys.modules[__name__])
ONE_FOLD = [(np.arange(80), np.arange(80, 120))]


class Meeting(DummyClassifier):
    """Is fitted when another process has begun a fit, too; fails where none does."""

    def __init__(self, number=0, folder=""):
        super().__init__()
        self.number = number
        self.folder = folder

    def fit(self, X, y):
        with open(os.path.join(self.folder, str(os.getpid())), "w"):
            pass
        until = time.monotonic() + 30
        while len(os.listdir(self.folder)) < 2:
            if time.monotonic() > until:
                raise TimeoutError("no other process has begun a fit")
            time.sleep(0.05)
        return super().fit(X, y)


@pytest.mark.long
@pytest.mark.timeout(300)
def test_no_slot_that_comes_later_waits_for_the_end_of_the_first_fit(spark, marks, monkeypatch):
    def slots(_):
        return 2 if os.listdir(marks) else 1  # the second comes when the first fit has begun

    monkeypatch.setattr(SparkRunner, "planned_slots", property(slots))
    grid = {"number": list(range(10)), "folder": [str(marks)]}
    search = GridSearchCV(Meeting(), grid, cv=ONE_FOLD, refit=False, error_score="raise", sc=spark).fit(X, y)
    assert np.isfinite(search.cv_results_["mean_test_score"]).all()
