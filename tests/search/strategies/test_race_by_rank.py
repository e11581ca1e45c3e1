"""Races that keep the best few after some folds: who is kept, and that each row is scikit-learn's."""

from __future__ import annotations

import math
from unittest import mock

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import model_selection
from sklearn.datasets import make_classification
from sklearn.tree import DecisionTreeClassifier
from xgboost import XGBClassifier

from hpt_spark import GridSearchCV, OptunaSearchCV
from hpt_spark.errors import HptSparkError, InputError
from hpt_spark.search.evaluation import Evaluation
from hpt_spark.search.followers.follower import SearchFollower
from hpt_spark.search.journal.journal import Journal
from hpt_spark.search.strategies.race import Race
from hpt_spark.search.strategies.race_rules import RankRules
from tests.search.strategies.test_race import (
    FOLDS,
    GRID,
    TABLES,
    TREE,
    assert_like,
    evaluation_of,
    expected,
    run,
    wanted_folds,
)

X, y = make_classification(120, 6, flip_y=0.1, random_state=0)


def folds_by_hand(table, trainings, factor, burn_in):
    """Return how many folds each candidate gets, from the rule alone."""
    candidates, folds = table.shape
    done, end = np.full(candidates, burn_in), burn_in
    left = sorted(set(trainings))
    while end < folds:
        best = {}
        for training in left:
            means = [table[one, :end].mean() for one in range(candidates) if trainings[one] == training]
            best[training] = max((mean for mean in means if not math.isnan(mean)), default=-math.inf)
        if any(mean > -math.inf for mean in best.values()):
            ranked = sorted(left, key=lambda training: (-best[training], training))[: math.ceil(len(left) / factor)]
            left = sorted(training for training in ranked if best[training] > -math.inf)
        end = folds if len(left) == 1 else min(folds, math.ceil(end * factor))
        done[np.isin(trainings, left)] = end
    return done


@settings(max_examples=80)
@given(
    table=TABLES, burn_in=st.integers(1, 3), factor=st.sampled_from([1.5, 2, 3]), shared=st.booleans(), data=st.data()
)
def test_the_best_few_of_those_that_are_left_get_the_next_folds(table, burn_in, factor, shared, data):
    candidates, folds = table.shape
    trainings = np.array([number // 2 if shared else number for number in range(candidates)])
    waves, results = run(Race(RankRules(factor, burn_in), "score"), table, trainings)
    done = (~np.array([bool(one.get("skipped")) for one in results]).reshape(table.shape)).sum(axis=1)
    by_hand = folds_by_hand(table, trainings, factor, burn_in)
    is_whole = np.isfinite(table).all(axis=1)
    if is_whole[by_hand == folds].any() or not is_whole.any():
        assert done.tolist() == by_hand.tolist()
    else:  # all that were left have failed late: others have taken their place
        assert is_whole[done == folds].any()
    known = data.draw(st.lists(st.sampled_from(evaluation_of(table).fits), max_size=12))
    again, same = run(Race(RankRules(factor, burn_in), "score"), table, trainings, known)
    assert [set(wave) for wave in again] == [set(wave) for wave in waves], "what a journal has changes no decision"
    assert [one.get("skipped") for one in same] == [one.get("skipped") for one in results]


@pytest.mark.parametrize("factor", [1e308, 10**400], ids=["float", "int"])
def test_of_an_absurd_factor_the_best_one_stays(factor):
    waves, _ = run(Race(RankRules(factor, 2), "score"), np.array([[0.5] * 4, [0.7] * 4, [0.6] * 4]), [0, 1, 2])
    assert [{fit.candidate for fit in wave} for wave in waves] == [{0, 1, 2}, {1}]


def test_of_a_factor_next_to_one_each_fold_is_a_decision():
    assert RankRules(1 + 1e-12, 2).next_end(2) == 3, "else the race never ends"


def test_a_candidate_is_ranked_among_those_of_the_batches_before():
    race = Race(RankRules(3), "score")
    run(race, np.array([[0.8, 0.8, 0.8, 0.8]]), [0])
    waves, _ = run(race, np.array([[0.7] * 4, [0.6] * 4]), [0, 1])
    assert [len(wave) for wave in waves] == [2], "one of three stays, and that is the one before"
    waves, _ = run(race, np.array([[0.7] * 4, [0.9] * 4]), [0, 1])
    assert [len(wave) for wave in waves] == [2, 2, 1]
    waves, _ = run(race, np.array([[0.75] * 4]), [0])
    assert [len(wave) for wave in waves] == [1], "of six, two stay, and these are better"
    waves, _ = run(race, np.array([[0.85] * 4]), [0])
    assert [len(wave) for wave in waves] == [1, 2], (
        "the second of seven after one fold; of three after three, one stays"
    )


def test_one_of_a_batch_gets_all_folds_as_long_as_none_has():
    race = Race(RankRules(3), "score")
    run(race, np.array([[0.9, 0.9, np.nan, 0.9], [0.8, np.nan, 0.8, 0.8]]), [0, 1])
    waves, _ = run(race, np.array([[0.7] * 4, [0.6] * 4]), [0, 1])
    assert [{fit.candidate for fit in wave} for wave in waves] == [{0, 1}, {0}]


def test_the_search_is_scikit_learns_but_for_the_folds_that_are_skipped(spark, tmp_path):
    theirs = expected(refit=False)
    arguments = {"cv": FOLDS, "race": {"factor": 3}, "sc": spark, "journal": str(tmp_path), "refit": False}
    search = GridSearchCV(TREE, GRID, **arguments).fit(X, y)
    done = search.cv_results_["n_splits_done"]
    assert sorted(done) == [1] * 6 + [3] * 2 + [6]
    first = theirs.cv_results_["split0_test_score"]
    assert set(np.flatnonzero(done > 1)) == set(np.argsort(-first, kind="stable")[:3])
    assert_like(search, theirs)
    assert search.fit_counts_["trainings"] == 6 + 2 * 3 + 6
    assert search.end_reason_ == "All 9 candidates were evaluated; the race left out 36 of 54 fits."
    assert wanted_folds(tmp_path) == done.tolist()


@pytest.mark.long
@pytest.mark.parametrize("sampling", [{}, {"subsample": 0.7}], ids=["whole rows", "drawn rows"])
def test_whole_curves_race(spark, sampling):
    estimator, rates = XGBClassifier(seed=0, n_jobs=1, max_depth=2, **sampling), [1e-4, 0.1, 0.4, 1.0]
    arguments = {"rounds": {"max": 6, "step": 2}, "race": {"factor": 2}, "scoring": "neg_log_loss", "cv": 4}
    search = GridSearchCV(estimator, {"learning_rate": rates}, sc=spark, **arguments).fit(X, y)
    grid = {"learning_rate": rates, "n_estimators": [2, 4, 6]}
    theirs = model_selection.GridSearchCV(estimator, grid, scoring="neg_log_loss", cv=4, refit=False).fit(X, y)
    found, whole = search.cv_results_, theirs.cv_results_
    assert found["params"] == whole["params"]
    best_of_fold = whole["split0_test_score"].reshape(4, 3).max(axis=1)
    done = found["n_splits_done"].reshape(4, 3)
    assert set(np.flatnonzero(done[:, 0] > 1)) == set(np.argsort(-best_of_fold)[:2])
    assert (done == done[:, :1]).all()
    for fold in range(4):
        has_it = fold < found["n_splits_done"]
        np.testing.assert_array_equal(
            found[f"split{fold}_test_score"][has_it], whole[f"split{fold}_test_score"][has_it]
        )
    assert search.fit_counts_["trainings"] == 4 + 2 + 1 * 2


@pytest.mark.long
def test_optuna_races_by_rank(spark):
    arguments = {"n_iter": 6, "batch_size": 3, "cv": FOLDS, "race": {"factor": 3}, "random_state": 0}
    search = OptunaSearchCV(DecisionTreeClassifier(random_state=0), GRID, sc=spark, refit=False, **arguments).fit(X, y)
    done = search.cv_results_["n_splits_done"]
    assert (done[:3] == 6).sum() == 1
    assert (done[3:] == 6).sum() <= 1, "two of four places are left after one fold, and one of three after three"
    best = search.cv_results_["mean_test_score"][done == 6].max()
    assert search.best_score_ == best


class State(SearchFollower):
    def state_changed(self, state):
        self.state = state


@pytest.mark.usefixtures("no_spark")
def test_equal_candidates_take_one_place_and_are_counted_each():
    grid = {"max_depth": [2, 2, 1, 1]}
    search = GridSearchCV(TREE, grid, cv=FOLDS, race={"factor": 3}, refit=False)
    follower = State()
    search.followers = [follower]
    search.fit(X, y)
    done = search.cv_results_["n_splits_done"]
    assert sorted(done.tolist()) == [1, 1, 6, 6]
    assert search.fit_counts_["trainings"] == 1 + 6
    assert follower.state.fits_done == follower.state.fits == done.sum()


@pytest.mark.long
@pytest.mark.usefixtures("no_spark")
def test_what_a_journal_has_of_folds_that_the_race_leaves_out_is_predicted_nowhere(tmp_path):
    arguments = {"cv": FOLDS, "refit": False, "keep_oof": "all"}
    GridSearchCV(TREE, GRID, journal=str(tmp_path), **arguments).fit(X, y)
    unbroken = GridSearchCV(TREE, GRID, race={"factor": 3}, **arguments).fit(X, y)
    resumed = GridSearchCV(TREE, GRID, race={"factor": 3}, journal=str(tmp_path), **arguments).fit(X, y)
    assert resumed.fit_counts_["trainings"] == 0
    np.testing.assert_array_equal(resumed.oof_predictions_, unbroken.oof_predictions_)


@pytest.mark.usefixtures("no_spark")
def test_the_journal_is_told_of_what_is_new_alone(tmp_path, monkeypatch):
    describe = mock.Mock()
    monkeypatch.setattr(Journal, "describe", describe)
    GridSearchCV(TREE, GRID, cv=FOLDS, race={"factor": 3}, refit=False, journal=str(tmp_path)).fit(X, y)
    told = [call.args[3] for call in describe.call_args_list if len(call.args) > 3]
    assert len(told) == 3, "after none, one and three folds"
    assert told[0] == [6] * 9
    assert told[0] != told[1] != told[2]


@pytest.mark.usefixtures("no_spark")
def test_what_interrupts_a_decision_leaves_no_best_candidate_without_all_folds(monkeypatch):
    monkeypatch.setattr(RankRules, "stay", mock.Mock(side_effect=KeyboardInterrupt))
    with pytest.raises(HptSparkError, match="before any candidate had a score on all its folds"):
        GridSearchCV(TREE, GRID, cv=FOLDS, race={"factor": 3}, refit=False).fit(X, y)


def test_each_candidate_is_looked_at_a_few_times(monkeypatch):
    counted = mock.Mock(side_effect=Evaluation.fits.fget)
    monkeypatch.setattr(Evaluation, "fits", property(counted))
    run(Race(RankRules(3), "score"), np.random.default_rng(0).random((50, 6)), range(50))
    assert counted.call_count < 20, "else its work is quadratic"


@pytest.mark.parametrize(
    ("race", "said"),
    [
        ({"factor": 1}, "race: factor=1 must be a number above 1"),
        ({"factor": math.nan}, "factor=nan must be a number above 1"),
        ({"factor": "3"}, "factor='3' must be a number above 1"),
        ({"factor": 3, "alpha": 0.1}, "or of burn_in and factor, such as {'factor': 3, 'burn_in': 1}"),
        ({"factor": 3, "burn_in": 0}, "race: burn_in=0 must be a number of folds, 1 or more"),
        ({"factor": 3, "burn_in": 6}, "burn_in=6 of 6 folds leaves no fold to save"),
    ],
    ids=str,
)
def test_what_cannot_be_is_told_in_one_sentence(no_spark, race, said):
    with pytest.raises(InputError, match=said):
        GridSearchCV(TREE, GRID, cv=FOLDS, race=race, refit_on="driver").fit(X, y)
