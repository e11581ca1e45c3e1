"""Why a search has ended: one sentence in its results, for every kind of search and every end."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
from scipy import stats
from sklearn import model_selection
from sklearn.datasets import make_classification
from sklearn.dummy import DummyClassifier
from sklearn.model_selection import RepeatedStratifiedKFold
from sklearn.tree import DecisionTreeClassifier
from xgboost import XGBClassifier

from hpt_spark import (
    GridSearchCV,
    HalvingGridSearchCV,
    OptunaSearchCV,
    RandomizedSearchCV,
    nested_cross_validate,
)
from hpt_spark.errors import InputError
from hpt_spark.search.results.end_reason import EndReason, as_sentence
from hpt_spark.search.results.failures import TIMED_OUT
from hpt_spark.tuning import joblib_backend
from hpt_spark.tuning.outer_folds import score_outer_folds
from hpt_spark.tuning.roles import RowRoles
from tests.search.scores import scores_of
from tests.search.without_spark import Scheduler

pytestmark = pytest.mark.usefixtures("no_spark")
X, y = make_classification(60, 5, n_informative=3, flip_y=0.2, random_state=0)
TREE, DUMMY = DecisionTreeClassifier(random_state=0), DummyClassifier()
DEPTHS = {"max_depth": [1, 2, 3]}
SEEDS = {"random_state": stats.randint(0, 10**6)}
FOLDS = RepeatedStratifiedKFold(n_splits=3, n_repeats=2, random_state=0)
LEAVES = {"min_samples_leaf": stats.randint(1, 30)}
DRIVER = {"refit_on": "driver"}
BOOSTER = XGBClassifier(n_jobs=1, learning_rate=1.0, max_depth=3, random_state=0)


def unscored(estimator, X, y):
    return np.nan


ENDS = {
    "grid": (lambda: GridSearchCV(TREE, DEPTHS, cv=2, **DRIVER), "All 3 candidates were evaluated."),
    "random": (
        lambda: RandomizedSearchCV(TREE, DEPTHS, n_iter=2, cv=2, random_state=0, **DRIVER),
        "All 2 candidates were evaluated.",
    ),
    "halving": (
        lambda: HalvingGridSearchCV(TREE, DEPTHS, cv=2, min_resources=20, random_state=0, **DRIVER),
        "All 2 rungs were evaluated.",
    ),
    "optuna": (
        lambda: OptunaSearchCV(DUMMY, SEEDS, n_iter=3, batch_size=2, cv=2, **DRIVER),
        "All 3 candidates were evaluated.",
    ),
    "no improvement": (
        lambda: OptunaSearchCV(DUMMY, SEEDS, n_iter=9, batch_size=2, no_improvement=3, cv=2, **DRIVER),
        "4 candidates in a row were no better than the best before (no_improvement=3), after 6 of 9 candidates.",
    ),
    "no improvement of what is drawn": (
        lambda: RandomizedSearchCV(DUMMY, SEEDS, n_iter=9, batch_size=1, no_improvement=2, cv=2, **DRIVER),
        "2 candidates in a row were no better than the best before (no_improvement=2), after 3 of 9 candidates.",
    ),
    "no score at all": (
        lambda: RandomizedSearchCV(
            DUMMY, SEEDS, n_iter=9, batch_size=1, no_improvement=2, cv=2, scoring=unscored, refit=False
        ),
        "None of the first 2 candidates has a score (no_improvement=2), after 2 of 9 candidates.",
    ),
    "one candidate without a score": (
        lambda: RandomizedSearchCV(
            DUMMY, SEEDS, n_iter=9, batch_size=1, no_improvement=1, cv=2, scoring=unscored, refit=False
        ),
        "The first one has no score (no_improvement=1), after 1 of 9 candidates.",
    ),
    "one candidate that is no better": (
        lambda: RandomizedSearchCV(DUMMY, SEEDS, n_iter=9, batch_size=1, no_improvement=1, cv=2, **DRIVER),
        "1 candidate was no better than the best before (no_improvement=1), after 2 of 9 candidates.",
    ),
    "used up": (
        lambda: OptunaSearchCV(TREE, DEPTHS, n_iter=9, batch_size=2, cv=2, **DRIVER),
        "Optuna proposes nothing new after 3 candidates of n_iter=9: the space is used up.",
    ),
    "rounds": (
        lambda: GridSearchCV(BOOSTER, {"max_depth": [1, 2]}, cv=2, rounds={"max": 4}, **DRIVER),
        "The curves of all 2 settings were evaluated.",
    ),
    "early stopping": (
        lambda: GridSearchCV(
            BOOSTER, {"gamma": [0, 99]}, cv=2, rounds={"max": 9, "step": 1, "early_stopping_rounds": 2}, **DRIVER
        ),
        "The curves of all 2 settings were evaluated; 2 of 2 curves stopped early (early_stopping_rounds).",
    ),
    "race": (
        lambda: GridSearchCV(
            TREE, {"min_samples_leaf": [1, 25]}, cv=FOLDS, race={"burn_in": 2, "alpha": 0.3}, **DRIVER
        ),
        "All 2 candidates were evaluated; the race left out 3 of 12 fits.",
    ),
    "failures": (
        lambda: GridSearchCV(DUMMY, {"strategy": ["prior", "no such"]}, cv=2, **DRIVER),
        "All 2 candidates were evaluated; 2 of 4 fits failed.",
    ),
    "joblib": (lambda: joblib_backend.GridSearchCV(TREE, DEPTHS, cv=2), "All 3 candidates were evaluated."),
    "joblib's failures": (
        lambda: joblib_backend.GridSearchCV(DUMMY, {"strategy": ["prior", "no such"]}, cv=2),
        "All 2 candidates were evaluated; 2 of 4 fits failed.",
    ),
    "joblib's halving": (
        lambda: joblib_backend.HalvingGridSearchCV(TREE, DEPTHS, cv=2, min_resources=20, random_state=0),
        "All 2 rungs were evaluated.",
    ),
}


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", ENDS)
def test_the_results_say_why_the_search_ended(name):
    make, sentence = ENDS[name]
    search = make().fit(X, y)
    assert search.end_reason_ == sentence
    assert not getattr(search, "incomplete_", False)


class EndsAt(Scheduler):
    """Ends when so many trainings have run, as Spark's does at its deadline; or is interrupted then."""

    left, interrupted = 0, False

    def run(self, evaluation, fits):
        for results in super().run(evaluation, fits):
            yield results
            EndsAt.left -= 1
            if EndsAt.left <= 0:
                if EndsAt.interrupted:
                    raise KeyboardInterrupt
                return


@pytest.mark.parametrize("interrupted", [False, True], ids=["time", "signal"])
@pytest.mark.parametrize(
    ("make", "trainings", "rest"),
    [
        (lambda: GridSearchCV(TREE, DEPTHS, cv=2, max_time=7.5, **DRIVER), 5, "1 of 6 fits are missing"),
        (
            lambda: HalvingGridSearchCV(TREE, DEPTHS, cv=2, min_resources=20, random_state=0, max_time=7.5, **DRIVER),
            7,
            "1 of 8 fits are missing",
        ),
        (
            lambda: OptunaSearchCV(TREE, DEPTHS, n_iter=3, batch_size=1, cv=2, max_time=7.5, **DRIVER),
            3,
            "1 of 4 fits are missing",
        ),
        (
            lambda: GridSearchCV(TREE, {"max_depth": [1, 2]}, cv=FOLDS, race={"alpha": 0.01}, max_time=7.5, **DRIVER),
            11,
            "1 of 12 fits are missing",
        ),
    ],
    ids=["grid", "halving", "optuna", "race"],
)
def test_what_ends_a_search_early_is_said(monkeypatch, make, trainings, rest, interrupted):
    from hpt_spark.search import evaluator

    monkeypatch.setattr(evaluator, "Scheduler", EndsAt)
    monkeypatch.setattr(EndsAt, "left", trainings)
    monkeypatch.setattr(EndsAt, "interrupted", interrupted)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        search = make().fit(X, y)
    assert search.incomplete_
    by_time = "The time was up (max_time=7.5 seconds)"
    by_signal = "The search was interrupted (Ctrl-C, SIGTERM or SIGHUP)"
    assert search.end_reason_ == f"{by_signal if interrupted else by_time}; {rest}."


def test_fits_that_took_too_long_are_counted():
    end = EndReason()
    end.take([{"fit_error": f"{TIMED_OUT} the fit took longer"}, {"fit_error": "ValueError"}, {"fit_error": None}])
    said = as_sentence(end.clauses(1))
    assert said == "The only candidate was evaluated; 2 of 3 fits failed, 1 of them at max_fit_time."


def test_one_is_no_plural():
    end = EndReason()
    end.take_curves(1, 0)
    assert as_sentence(end.clauses(4)) == "The curve of the only setting was evaluated."
    assert as_sentence(EndReason().clauses(2, 1)) == "The only rung was evaluated."


def test_no_time_is_blamed_where_there_was_no_limit(monkeypatch):
    from hpt_spark.search import evaluator

    monkeypatch.setattr(evaluator, "Scheduler", EndsAt)
    monkeypatch.setattr(EndsAt, "left", 5)
    with pytest.warns(UserWarning, match="ended early"):
        search = GridSearchCV(TREE, DEPTHS, cv=2, refit=False).fit(X, y)
    assert search.end_reason_ == "The search ended before all fits had run; 1 of 6 fits are missing."


@pytest.mark.parametrize("interrupted", [False, True], ids=["time", "signal"])
@pytest.mark.filterwarnings("ignore")
def test_the_outer_folds_are_left_out_for_the_reason_that_ended_their_search(monkeypatch, caplog, interrupted):
    from hpt_spark.search import evaluator

    search = GridSearchCV(TREE, DEPTHS, cv=2, max_time=7.5, **DRIVER).fit(X, y)
    monkeypatch.setattr(evaluator, "Scheduler", EndsAt)
    monkeypatch.setattr(EndsAt, "left", 11)  # in the second outer fold
    monkeypatch.setattr(EndsAt, "interrupted", interrupted)
    monkeypatch.setattr("hpt_spark.tuning.outer_folds.searches_at_once", lambda *_: 1)
    score_outer_folds(search, (X, y, {}), 2, RowRoles())
    by_signal = "the search was interrupted (Ctrl-C, SIGTERM or SIGHUP)"
    why = by_signal if interrupted else "the time was up (max_time=7.5 seconds)"
    left_out = f"the outer folds are left out this time: {why}"
    assert search.end_reason_ == f"All 3 candidates were evaluated; {left_out}."
    assert left_out in caplog.messages
    assert search.incomplete_


def test_each_outer_fold_says_why_its_search_ended():
    found = nested_cross_validate(GridSearchCV(TREE, DEPTHS, cv=2, **DRIVER), X, y, cv=2)
    assert found["end_reason"] == ["All 3 candidates were evaluated."] * 2


# --- a randomized search that may end without improvement ---


def test_what_is_drawn_in_batches_has_the_rows_of_scikit_learns_draw():
    space = {"max_depth": [1, 2, 3, 5], "min_samples_leaf": stats.randint(1, 20)}
    arguments = {"n_iter": 7, "cv": 2, "random_state": 3, "refit": False}
    theirs = model_selection.RandomizedSearchCV(TREE, space, **arguments).fit(X, y)
    whole = RandomizedSearchCV(TREE, space, no_improvement=99, batch_size=3, **arguments, **DRIVER).fit(X, y)
    found, expected = scores_of(whole), scores_of(theirs)
    assert list(found) == list(expected)
    for name in expected:
        np.testing.assert_array_equal(found[name], expected[name], err_msg=name)
    cut = RandomizedSearchCV(TREE, space, no_improvement=2, batch_size=1, **arguments, **DRIVER).fit(X, y)
    means = list(theirs.cv_results_["mean_test_score"])
    ends = next(n for n in range(3, 8) if max(means[: n - 2]) >= max(means[n - 2 : n]))
    assert scores_of(cut)["params"] == scores_of(theirs)["params"][:ends]


def test_all_is_drawn_before_the_first_fit_draws_from_the_same_numbers():
    tree = DecisionTreeClassifier(max_features=1)  # without a seed, as the search
    np.random.seed(0)
    theirs = model_selection.RandomizedSearchCV(tree, LEAVES, n_iter=4, cv=2, refit=False).fit(X, y)
    np.random.seed(0)
    ours = RandomizedSearchCV(tree, LEAVES, n_iter=4, cv=2, refit=False, no_improvement=99, batch_size=1).fit(X, y)
    assert ours.cv_results_["params"] == theirs.cv_results_["params"]


def test_a_batch_size_that_does_nothing_is_refused():
    with pytest.raises(InputError, match="batch_size=3 has no effect without no_improvement="):
        RandomizedSearchCV(TREE, DEPTHS, batch_size=3, **DRIVER).fit(X, y)
    with pytest.raises(InputError, match="no_improvement=0 must be a number of candidates"):
        RandomizedSearchCV(TREE, DEPTHS, no_improvement=0, **DRIVER).fit(X, y)
