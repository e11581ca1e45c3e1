"""One copy of X per node: the workers' memory, page by page."""

from __future__ import annotations

import json
import os
import re
import sys
import time
from pathlib import Path

import cloudpickle
import numpy as np
import pandas as pd
import pytest
from scipy import sparse
from sklearn.base import BaseEstimator, ClassifierMixin

from hpt_spark import GridSearchCV

cloudpickle.register_pickle_by_value(sys.modules[__name__])

ROWS = 20_000
OWN_MEMORY = 150e6  # bytes: Python and what it has imported
ROWS_OF_A_FOLD = 120


def rows_of_all(X):
    """Read all of X, so that its pages count as this process's."""
    arrays = [X.data, X.indices, X.indptr] if sparse.issparse(X) else [np.asarray(X)]
    return float(sum(array.ravel(order="K")[::512].sum() for array in arrays))


def memory_of_this_process():
    """Return the bytes of mapped shared files, this process's share of them, and all else that it holds."""
    found = {"mapped": 0, "share": 0, "own": 0}
    in_file = False
    with open("/proc/self/smaps") as maps:
        for line in maps:
            if re.match(r"[0-9a-f]+-[0-9a-f]+ ", line):
                in_file = line.rstrip().endswith(".shared")
            name, _, value = line.partition(":")
            if name == "Rss" and in_file:
                found["mapped"] += int(value.split()[0]) * 1024
            if name == "Pss":
                found["share" if in_file else "own"] += int(value.split()[0]) * 1024
    return found


class Reading(ClassifierMixin, BaseEstimator):
    """Reads all of X, waits for another process that does the same, and notes the memory of its own.

    A fold's rows are few, so what is measured is X. Where a fit may look at all of X, scikit-learn
    gives it no way; this one reads the process's mapped file through the worker's own evaluation.
    """

    def __init__(self, marks=None, number=0, processes=2):
        self.marks = marks
        self.number = number
        self.processes = processes

    def fit(self, X, y):
        from hpt_spark.search.execution import worker

        rows_of_all(worker._cache._data.X)
        mark = Path(self.marks) / str(os.getpid())
        mark.touch()
        self._wait(lambda: len(list(mark.parent.iterdir())) >= self.processes)
        measured = mark.with_name(f"{mark.name}.json")
        measured.write_text(json.dumps(memory_of_this_process()))
        self._wait(lambda: len(list(mark.parent.glob("*.json"))) >= self.processes)
        self.classes_ = np.unique(y)
        return self

    def predict(self, X):
        return np.zeros(X.shape[0], dtype=int)

    def _wait(self, condition):
        deadline = time.monotonic() + 120
        while not condition():
            if time.monotonic() > deadline:
                raise TimeoutError("the other process did not come")
            time.sleep(0.02)


def matrix(kind, megabytes):
    generator = np.random.default_rng(0)
    if kind == "csr":
        count = int(megabytes * 1e6 / 12)
        columns = generator.integers(0, 5_000, count, dtype=np.int32)
        starts = np.linspace(0, count, ROWS + 1).astype(np.int32)
        return sparse.csr_matrix((generator.random(count), columns, starts), shape=(ROWS, 5_000))
    dense = np.ones((ROWS, int(megabytes * 1e6 / 8 / ROWS)))
    return dense if kind == "dense" else pd.DataFrame(dense)


def searched(context, kind, megabytes, marks, processes=2):
    X = matrix(kind, megabytes)
    y = np.arange(ROWS) % 2
    folds = [(np.arange(start, 200, 2), np.arange(200, 100 + ROWS_OF_A_FOLD)) for start in range(2)]
    grid = {"number": list(range(processes)), "processes": [processes], "marks": [str(marks)]}
    search = GridSearchCV(Reading(), grid, cv=folds, refit=False, error_score="raise", sc=context).fit(X, y)
    assert np.isfinite(search.cv_results_["mean_test_score"]).all()
    return [json.loads(path.read_text()) for path in Path(marks).glob("*.json")]


def assert_held_once(measured, megabytes, nodes=1):
    size = megabytes * 1e6
    for one in measured:
        assert one["mapped"] > 0.95 * size, "it has read all of X"
        assert one["own"] < OWN_MEMORY + size * ROWS_OF_A_FOLD / ROWS, "it has no copy of X"
    assert sum(one["share"] for one in measured) < 1.05 * size * nodes


@pytest.mark.long
@pytest.mark.parametrize("kind", ["csr", "dense", "frame"])
def test_two_workers_hold_one_copy(spark, tmp_path, kind):
    measured = searched(spark, kind, 150, tmp_path)
    assert len(measured) == 2
    assert_held_once(measured, 150)


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["csr", "dense"])
def test_three_gibibytes_from_end_to_end(spark, tmp_path, kind):
    assert_held_once(searched(spark, kind, 3300, tmp_path), 3300)
