"""The row numbers of all folds in one array."""

from __future__ import annotations

import pickle

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn import model_selection
from sklearn.datasets import make_classification
from sklearn.linear_model import LogisticRegression

from hpt_spark.search.execution.node_share import share
from hpt_spark.search.folds import Folds
from tests.property_settings import examples
from tests.search.in_process import GridSearchCV

X, y = make_classification(100, 5, random_state=0)
LOWER, UPPER = np.arange(50), np.arange(50, 100)


def parts_of(numbers):
    return st.sampled_from([numbers, numbers.tolist(), tuple(numbers.tolist()), numbers.astype(np.int32)])


FIRST_ROWS = st.integers(1, 30).flatmap(lambda size: parts_of(np.arange(size)))


@examples(30)
@given(st.lists(st.tuples(FIRST_ROWS, FIRST_ROWS), max_size=6))
def test_folds_are_what_the_splitter_gave(given_folds):
    folds = Folds.of(given_folds, 30)
    assert len(folds) == len(given_folds)
    for (train, test), (expected_train, expected_test) in zip(folds, given_folds, strict=True):
        np.testing.assert_array_equal(train, expected_train)
        np.testing.assert_array_equal(test, expected_test)
    assert folds.most_training_rows == max((len(train) for train, _ in given_folds), default=0)


@pytest.mark.parametrize(
    ("lower", "upper"),
    [
        (range(50), range(50, 100)),
        (slice(0, 50), slice(50, None)),
        (LOWER.tolist(), UPPER.tolist()),
        (np.arange(100) < 50, np.arange(100) >= 50),
        ((np.arange(100) < 50).tolist(), (np.arange(100) >= 50).tolist()),
    ],
    ids=["ranges", "slices", "lists", "masks", "lists of truth values"],
)
def test_cv_may_be_a_list_of_any_kind_of_rows(lower, upper):
    ours = GridSearchCV(LogisticRegression(), {"C": [1.0, 2.0]}, cv=[(lower, upper), (upper, lower)]).fit(X, y)
    expected = model_selection.GridSearchCV(
        LogisticRegression(), {"C": [1.0, 2.0]}, cv=[(LOWER, UPPER), (UPPER, LOWER)]
    ).fit(X, y)
    np.testing.assert_array_equal(ours.cv_results_["mean_test_score"], expected.cv_results_["mean_test_score"])


@pytest.mark.parametrize(
    "part", [np.ones(99, dtype=bool), np.array([100]), np.array([2**32 + 3]), np.array([-101])], ids=str
)
def test_rows_that_are_not_there_are_refused_as_scikit_learn_refuses_them(part):
    with pytest.raises(IndexError):
        LOWER.repeat(2)[part]
    with pytest.raises(IndexError, match="but there are 100"):
        Folds.of([(part, LOWER)], 100)


def test_rows_that_are_no_whole_numbers_are_refused():
    with pytest.raises(IndexError, match="whole numbers or truth values, but cv gave float64"):
        Folds.of([(np.array([0.0, 1.0]), LOWER)], 100)


def test_thousands_of_folds_are_one_mapped_array(tmp_path):
    """LeaveOneOut over 2,000 rows: what is each worker's own stays small."""
    folds = Folds.of(model_selection.LeaveOneOut().split(np.zeros((2000, 1))), 2000)
    assert len(folds) == 2000
    shared = share(folds, tmp_path)
    assert shared.size >= 2000 * 2000 * 4
    loaded = shared.load()
    assert not loaded.rows.flags.writeable  # mapped
    assert len(pickle.dumps(folds, protocol=5, buffer_callback=lambda buffer: buffer.raw().nbytes < 1 << 20)) < 100_000
    np.testing.assert_array_equal(loaded[1999][0], np.arange(1999))
