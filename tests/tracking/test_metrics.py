"""The names of metrics, held against MLflow's own check of them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from mlflow.utils.validation import _validate_metric_name

from hpt_spark.tracking.requests import LONGEST_NAME, known_name, peaks_of
from hpt_spark.tracking.sweep import Row

PIECES = st.sampled_from(["/", ".", "..", "a", "é", ":", "\n", "@", " "])


@given(st.text(max_size=300) | st.lists(PIECES, max_size=8).map("".join))
def test_mlflow_takes_every_name(name):
    known = known_name(name)
    _validate_metric_name(known)
    assert len(known) <= LONGEST_NAME


@pytest.mark.parametrize(
    ("folds", "peak"), [([3, 3, 2], (20, -0.2)), ([2, 1, 1], (10, -0.3)), ([None] * 3, (30, -0.1))]
)
def test_the_peak_of_a_curve_is_that_of_the_points_with_most_folds(folds, peak):
    rows = [Row(at, 10 * (at + 1), 3) for at in range(3)]
    for row, mean, done in zip(rows, (-0.3, -0.2, -0.1), folds):
        row.columns = {"mean_test_score": mean} | ({} if done is None else {"n_splits_done": done})
    (found,) = peaks_of(rows)
    assert (found.key, found.step, found.value) == ("best_mean_test_score", *peak)


@pytest.mark.parametrize(
    ("name", "known"),
    [
        ("neg_log_loss", "neg_log_loss"),
        ("mean_test_of/each", "mean_test_of/each"),
        ("mean_test_a//b", "mean_test_a__b"),
        ("a/../b", "a_.._b"),
        ("../score", "__score"),
        (".hidden", ".hidden"),
        ("R@5", "R_5"),
    ],
)
def test_a_name_keeps_what_mlflow_takes_of_it(name, known):
    assert known_name(name) == known
