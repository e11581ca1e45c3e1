"""Fits that kill what they run in, in a local master: one row each, and nothing else is lost."""

from __future__ import annotations

import os
import signal
import sys

import cloudpickle
import numpy as np
import pytest
from sklearn import model_selection
from sklearn.datasets import make_classification
from xgboost import XGBClassifier

from hpt_spark import GridSearchCV, HalvingGridSearchCV
from hpt_spark.errors import HptSparkError
from tests.search.misbehaving import Misbehaving, UnfriendlyError, fits_marked
from tests.search.scores import split_scores

cloudpickle.register_pickle_by_value(sys.modules[__name__])
pytestmark = [
    pytest.mark.filterwarnings("ignore::sklearn.exceptions.FitFailedWarning"),
    pytest.mark.filterwarnings("ignore:One or more"),
]

X, y = make_classification(120, 5, n_informative=4, n_redundant=0, n_classes=3, random_state=0)


def expected(numbers, cv):
    search = model_selection.GridSearchCV(Misbehaving(), {"number": list(numbers)}, cv=cv, refit=False).fit(X, y)
    return split_scores(search)


def searched(spark, grid, marks, cv=2, **arguments):
    grids = [{**one, "marks": [str(marks)]} for one in grid]
    return GridSearchCV(Misbehaving(), grids, cv=cv, refit=False, sc=spark, **arguments).fit(X, y)


WAYS_TO_DIE = {
    "killed": "was ended by SIGKILL",
    "segfaults": "was ended by SIGSEGV",
    "aborts": "was ended by SIGABRT",
    "exits": "ended with exit code 3",
    "leaves": "ended with exit code 4",
    "orphans": "was ended by SIGKILL",
}


@pytest.mark.long
def test_each_way_to_die_is_one_failed_row_with_its_reason(spark, marks):
    deadly = list(WAYS_TO_DIE)
    grid = [{"number": [number], "how": [how]} for number, how in enumerate(deadly)]
    grid += [{"number": list(range(10, 16))}]
    with pytest.warns(match="fits failed out of") as warned:
        search = searched(spark, grid, marks)
    text = "\n".join(str(warning.message) for warning in warned)
    for reason in WAYS_TO_DIE.values():
        assert f"its process {reason}" in text
    assert np.isnan(split_scores(search)[: len(deadly)]).all()
    np.testing.assert_array_equal(split_scores(search)[len(deadly) :], expected(range(10, 16), 2))
    counts = fits_marked(marks)
    assert {counts[number] for number in range(10, 16)} == {2}, "a death costs no other fit"
    assert {counts[number] for number in range(len(deadly))} == {4}, "each deadly fit is tried twice"


@pytest.mark.parametrize(
    "how",
    [
        *("killed", "worker"),
        *(pytest.param(how, marks=pytest.mark.process) for how in ("segfaults", "exits", "orphans", "daemon")),
    ],
)
def test_what_dies_once_is_tried_again(spark, marks, how):
    search = searched(spark, [{"number": list(range(8)), "how": [f"{how}-once"]}], marks)
    np.testing.assert_array_equal(split_scores(search), expected(range(8), 2))
    # Spark gives the job up when a worker dies, and the fits in flight are repeated: two at a time here.
    assert sum(fits_marked(marks).values()) <= 8 * 2 + 1 + (2 if how in ("worker", "daemon") else 0)


@pytest.mark.process
def test_ten_deadly_candidates_of_a_hundred_cost_no_other_fit(spark, marks):
    deadly = list(range(0, 100, 10))
    well = [number for number in range(100) if number % 10]
    ways = [{"number": deadly[at::3], "how": [how]} for at, how in enumerate(("killed", "segfaults", "exits"))]
    search = searched(spark, [*ways, {"number": well}], marks)
    np.testing.assert_array_equal(split_scores(search)[len(deadly) :], expected(well, 2))
    assert np.isnan(split_scores(search)[: len(deadly)]).all()
    counts = fits_marked(marks)
    assert {counts[number] for number in well} == {2}
    assert {counts[number] for number in deadly} == {4}


class DeadlyFor:
    """A scorer that kills the process of a model with so many rounds."""

    def __init__(self, rounds, sent=signal.SIGKILL):
        self.rounds = rounds
        self.sent = sent

    def __call__(self, estimator, X, y):
        if estimator.n_estimators == self.rounds:
            os.kill(os.getpid(), self.sent)
        return float(estimator.predict_proba(X)[:, 0].sum())


@pytest.mark.long
@pytest.mark.parametrize("sent", [signal.SIGKILL, pytest.param(signal.SIGSEGV, marks=pytest.mark.process)])
def test_of_a_shared_training_only_the_deadly_candidate_is_lost(spark, sent):
    grid = {"n_estimators": [2, 4, 6], "max_depth": [2, 3]}
    estimator = XGBClassifier(seed=0, n_jobs=1)
    search = GridSearchCV(estimator, grid, cv=2, scoring=DeadlyFor(4, sent), refit=False, sc=spark).fit(X, y)
    harmless = model_selection.GridSearchCV(estimator, grid, cv=2, scoring=DeadlyFor(-1), refit=False).fit(X, y)
    is_deadly = search.cv_results_["param_n_estimators"] == 4
    assert np.isnan(split_scores(search)[is_deadly]).all()
    np.testing.assert_array_equal(split_scores(search)[~is_deadly], split_scores(harmless)[~is_deadly])


@pytest.mark.process
def test_a_search_in_which_every_fit_dies_fails(spark, marks):
    with pytest.raises(ValueError, match=r"killed its Python worker(.|\n)*memoryOverhead"):
        searched(spark, [{"number": [0], "how": ["killed"]}], marks)
    with pytest.raises(ValueError, match=r"killed its Python worker(.|\n)*fault of native code"):
        searched(spark, [{"number": [0], "how": ["segfaults"]}], marks)
    with pytest.raises(HptSparkError, match="killed its Python worker"):
        searched(spark, [{"number": [0], "how": ["killed"]}, {"number": [1]}], marks, error_score="raise")


def test_an_exception_that_cannot_travel_is_told_all_the_same(spark, marks):
    with pytest.raises(RuntimeError, match="UnfriendlyError: 1 and 2"):
        searched(spark, [{"number": [0], "how": ["raises"]}], marks, error_score="raise")
    search = searched(spark, [{"number": [0], "how": ["raises"]}, {"number": [1]}], marks)
    np.testing.assert_array_equal(split_scores(search)[1:], expected([1], 2))
    assert UnfriendlyError(1, 2).args == ("1 and 2",)


@pytest.mark.process
def test_halving_that_runs_out_of_time_keeps_its_finished_rungs(spark, marks):
    grid = {"number": list(range(6)), "marks": [str(marks)]}
    halving = {"factor": 2, "random_state": 0, "cv": 2, "min_resources": 30}
    whole = model_selection.HalvingGridSearchCV(Misbehaving(), grid, **halving).fit(X, y)
    # Fits of the second rung have more rows, and take too long.
    search = HalvingGridSearchCV(SleepsFrom(rows=20), grid, max_time=20, sc=spark, **halving).fit(X, y)
    assert search.incomplete_
    assert search.n_iterations_ == 1
    assert (search.n_resources_, search.n_candidates_) == (whole.n_resources_[:1], whole.n_candidates_[:1])
    assert search.n_remaining_candidates_ == whole.n_candidates_[1]
    assert search.n_possible_iterations_ == whole.n_possible_iterations_
    assert search.n_required_iterations_ == whole.n_required_iterations_
    first_rung = whole.cv_results_["iter"] == 0
    np.testing.assert_array_equal(split_scores(search), split_scores(whole)[first_rung])


class SleepsFrom(Misbehaving):
    """Misbehaving that sleeps where it has more than `rows` rows to learn from."""

    def __init__(self, number=0, how="fits", marks=None, rows=0):
        super().__init__(number, how, marks)
        self.rows = rows

    def fit(self, X, y):
        if self.rows < len(y) < 100:  # but not in the refit
            self._sleeps()
        return super().fit(X, y)
