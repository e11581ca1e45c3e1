"""How the tests compare the scores of two searches."""

from __future__ import annotations

from typing import Any

import numpy as np


def scores_of(search: Any) -> dict[str, Any]:
    """Return ``cv_results_`` without the times."""
    return {name: values for name, values in search.cv_results_.items() if not name.endswith("_time")}


def split_scores(search: Any) -> np.ndarray:
    """Return the scores of the splits, a row for each candidate."""
    names = sorted(name for name in search.cv_results_ if name.startswith("split"))
    return np.column_stack([search.cv_results_[name] for name in names])


def assert_same_scores(ours: Any, theirs: Any) -> None:
    """Hold ``cv_results_`` of two searches to be the same, to the last bit and in the same order, but for the times."""
    assert list(ours.cv_results_) == list(theirs.cv_results_)
    for name, expected in theirs.cv_results_.items():
        found = ours.cv_results_[name]
        if name.endswith("_time"):
            assert found.shape == expected.shape
        elif name == "params":
            assert found == expected
        else:
            assert found.dtype == expected.dtype
            np.testing.assert_array_equal(found, expected, err_msg=name)
