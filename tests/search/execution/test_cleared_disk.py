"""A driver's folder that somebody clears while its search runs, as tmpwatch and systemd-tmpfiles do."""

from __future__ import annotations

import shutil
import sys
import tempfile
from pathlib import Path

import cloudpickle
import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression

from hpt_spark import GridSearchCV
from hpt_spark.errors import HptSparkError
from hpt_spark.search.dataset import Dataset
from hpt_spark.search.execution.runner import Runner

cloudpickle.register_pickle_by_value(sys.modules[__name__])

X = np.random.default_rng(0).normal(size=(60, 3))
y = (X[:, 0] > 0).astype(int)


class Clears(LogisticRegression):
    """Deletes what the drivers have in a folder, where it is told to."""

    def __init__(self, C=1.0, cleared=""):
        super().__init__(C=C)
        self.cleared = cleared

    def fit(self, X, y):
        for file in Path(self.cleared).glob("hpt_spark-*/*.shared") if self.cleared else ():
            file.unlink(missing_ok=True)
        return super().fit(X, y)


def test_no_fit_is_blamed_for_data_that_somebody_has_deleted(spark, tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    grid = {"C": [1.0, 2.0, 3.0], "cleared": [str(tmp_path)]}
    search = GridSearchCV(Clears(), grid, cv=4, refit=False, sc=spark)
    with pytest.raises(HptSparkError, match=r"data of the search were deleted while it ran \(.*\.shared\): .* TMPDIR"):
        search.fit(X, y)


def test_the_data_are_written_anew_where_they_are_gone_before_they_are_needed_again(monkeypatch):
    monkeypatch.setattr(Runner, "__abstractmethods__", frozenset())
    runner = Runner({"spark.master": "local[2]"})
    data = Dataset(X, y, {}, {})
    first = runner._shared_data(data)
    assert runner._shared_data(data) is first
    shutil.rmtree(runner._folder)
    np.testing.assert_array_equal(runner._shared_data(data).load().X, X)
    runner._held.close()
    assert not runner._folder.exists()
