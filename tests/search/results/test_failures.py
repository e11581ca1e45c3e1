"""A fit that lacked memory may succeed in more of it."""

from __future__ import annotations

import warnings
from pathlib import Path
from traceback import format_exception_only

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression

from hpt_spark import GridSearchCV
from hpt_spark.search.results.failures import may_succeed_elsewhere

X = np.random.default_rng(0).normal(size=(40, 3))
y = (X[:, 0] > 0).astype(int)


class Greedy(LogisticRegression):
    """Asks numpy for more numbers than there are, until a file tells of more memory."""

    def __init__(self, C=1.0, items=1, more_memory=""):
        super().__init__(C=C)
        self.items = items
        self.more_memory = more_memory

    def fit(self, X, y):
        if self.items > 1 and not Path(self.more_memory).exists():
            np.empty(1 << 50)
        return super().fit(X, y)


@pytest.mark.long
def test_a_resumed_search_tries_a_fit_again_that_lacked_memory(spark, tmp_path):
    def searched():
        greedy = Greedy(more_memory=str(tmp_path / "more"))
        search = GridSearchCV(greedy, {"items": [1, 2]}, cv=2, journal=str(tmp_path / "journal"))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return search.fit(X, y)

    first = searched()
    assert np.isnan(first.cv_results_["mean_test_score"]).tolist() == [False, True]
    (tmp_path / "more").touch()
    second = searched()
    assert second.fit_counts_["resumed"] == 2
    assert len(set(second.cv_results_["mean_test_score"])) == 1


@pytest.mark.parametrize(
    ("error", "lacked"),
    [
        (MemoryError(), True),
        (MemoryError("bad allocation"), True),
        (RuntimeError("std::bad_alloc"), True),
        (RuntimeError("no MemoryError"), False),
        (ValueError("gamma=-1"), False),
    ],
)
def test_lack_of_memory_is_told_by_the_last_line(error, lacked):
    reason = "Traceback (most recent call last):\n  raise MemoryError()\n" + "".join(format_exception_only(error))
    assert may_succeed_elsewhere({"fit_error": reason}) is lacked


def test_a_fit_without_an_error_lacked_nothing():
    assert not may_succeed_elsewhere({"fit_error": None})
