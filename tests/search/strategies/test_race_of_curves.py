"""Races of curves that stop: which points get which folds, and that each score is that of a plain fit."""

from __future__ import annotations

import warnings
from collections import defaultdict
from types import SimpleNamespace
from unittest import mock

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from sklearn import model_selection
from sklearn.ensemble import RandomForestClassifier
from sklearn.metrics import log_loss

from hpt_spark import OptunaSearchCV
from hpt_spark.search.boosting.xgboost import XGBoost
from hpt_spark.search.strategies.proposals import Proposals
from hpt_spark.search.strategies.race import Race
from hpt_spark.search.strategies.race_rules import RankRules, TTestRules
from hpt_spark.search.strategies.rounds import Rounds
from tests.search.strategies.curves_by_hand import (
    FOLDS,
    POINTS,
    RATES,
    ROUNDS,
    X,
    assert_like_plain_fits,
    booster,
    folds_by_hand,
    plain_scores,
    search_of,
    y,
)
from tests.search.strategies.test_race import evaluation_of


@pytest.mark.usefixtures("no_spark")
@pytest.mark.parametrize(
    "rules",
    [
        pytest.param(RankRules(2), marks=pytest.mark.long),
        pytest.param(RankRules(3), marks=pytest.mark.long),
        pytest.param(RankRules(3, 2), marks=pytest.mark.long),
        TTestRules(2, 0.2),
    ],
    ids=str,
)
def test_curves_race_and_stop_by_the_mean_over_the_folds_that_they_have(plain, rules):
    race = {name: getattr(rules, name) for name in ("burn_in", "factor", "alpha") if hasattr(rules, name)}
    search = search_of(race=race, refit=True)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        search.set_params(refit_on="driver").fit(X, y)
    by_hand = folds_by_hand(plain, rules, 2, goes_on=True)
    assert {0, rules.burn_in, 5} <= set(by_hand.ravel())
    assert_like_plain_fits(search, plain, by_hand)
    if rules.burn_in > 1:
        assert search.fit_counts_["continued"] > 0  # after one fold, nearly every curve has come to its end
    assert search.fit_counts_["skipped"] == (5 - by_hand).sum()
    assert "the race left out" in search.end_reason_
    stopped = (by_hand[:, -1] == 0).sum()
    assert f"{stopped} of 12 curves stopped early" in search.end_reason_


@pytest.mark.long
@pytest.mark.usefixtures("no_spark")
@pytest.mark.parametrize("burn_in", [1, 2])
@pytest.mark.parametrize("stops", [True, False])
def test_curves_that_cannot_go_on_exactly_stop_on_their_first_fold(monkeypatch, burn_in, stops):
    monkeypatch.setattr(XGBoost, "may_continue", lambda *given: False)
    monkeypatch.setattr(XGBoost, "may_stop", stops)
    plain, rules = plain_scores(subsample=0.7), RankRules(3, burn_in)
    race = {"factor": 3, "burn_in": burn_in}
    search = search_of(booster(subsample=0.7), race=race, refit=True, refit_on="driver").fit(X, y)
    by_hand = folds_by_hand(plain, rules, 2, goes_on=False, stops=stops)
    assert_like_plain_fits(search, plain, by_hand)
    assert search.fit_counts_["continued"] == 0
    if burn_in == 2 and not stops:
        assert search.fit_counts_["trainings"] == by_hand[:, 0].sum()
    if stops and burn_in == 1:
        assert (by_hand == 0).any()


@pytest.mark.long
@pytest.mark.usefixtures("no_spark")
def test_a_scorer_of_the_user_sees_only_what_a_fit_has_left(plain):
    def scorer(estimator, X, y):
        assert not hasattr(estimator, "scored"), "each candidate is an estimator of its own"
        estimator.scored = True
        return -log_loss(y, estimator.predict_proba(X))

    search = search_of(scoring=scorer).fit(X, y)
    by_hand = folds_by_hand(plain, RankRules(3), 2, goes_on=True)
    assert search.cv_results_["n_splits_done"].tolist() == by_hand.ravel().tolist()


@pytest.mark.long
def test_on_spark_with_a_journal_it_goes_on_where_it_was(spark, plain, tmp_path):
    arguments = {"sc": spark, "journal": str(tmp_path), "keep_oof": "best", "refit": True}
    search = search_of(**arguments).fit(X, y)
    by_hand = folds_by_hand(plain, RankRules(3), 2, goes_on=True)
    assert_like_plain_fits(search, plain, by_hand)
    for path in sorted(tmp_path.glob("fits-*.jsonl"))[1::2]:
        path.unlink()
    again = search_of(**arguments).fit(X, y)
    assert_like_plain_fits(again, plain, by_hand)
    assert 0 < again.fit_counts_["resumed"] < by_hand.sum()
    np.testing.assert_array_equal(again.oof_predictions_, search.oof_predictions_)
    assert again.end_reason_ == search.end_reason_
    fold = FOLDS.split(X, y)
    best = booster(**search.best_params_)
    expected = model_selection.cross_val_predict(best, X, y, cv=list(fold), method="predict_proba")
    np.testing.assert_array_equal(search.oof_predictions_, expected)


@pytest.mark.long
@pytest.mark.parametrize("rounds", [ROUNDS, {"max": 8, "step": 4}], ids=["curves that stop", "whole curves"])
def test_optuna_is_told_of_a_dropped_curve_as_of_a_pruned_trial(spark, plain, rounds, monkeypatch):
    told, tell = [], Proposals.tell

    def noted(proposals, scores, dropped_after):
        told.extend(zip(scores, dropped_after))
        tell(proposals, scores, dropped_after)

    monkeypatch.setattr(Proposals, "tell", noted)
    arguments = {"n_iter": 8, "batch_size": 4, "n_startup_trials": 4, "random_state": 0, "cv": FOLDS}
    search = OptunaSearchCV(booster(), RATES, race={"factor": 2}, rounds=rounds, sc=spark, **arguments)
    search.set_params(scoring="neg_log_loss", refit=False).fit(X, y)
    found = search.cv_results_
    places = list(model_selection.ParameterGrid(RATES))
    whole = found["n_splits_done"] == 5
    for row, params in enumerate(found["params"]):
        setting = {name: value for name, value in params.items() if name != "n_estimators"}
        scores = plain[places.index(setting), params["n_estimators"] - 1, : found["n_splits_done"][row]]
        if len(scores):
            assert found["mean_test_score"][row] == scores.mean()
    assert search.best_score_ == found["mean_test_score"][whole].max()
    points = len(found["params"]) // 8
    done, means = found["n_splits_done"].reshape(8, points), found["mean_test_score"].reshape(8, points)
    most = done.max(axis=1)
    assert (most == 5).any()
    assert (most < 5).sum() >= 3
    expected = [(own[folds == top].max(), None if top == 5 else top) for own, folds, top in zip(means, done, most)]
    assert told == expected
    again = OptunaSearchCV(booster(), RATES, race={"factor": 2}, rounds=rounds, sc=spark, **arguments)
    again.set_params(scoring="neg_log_loss", refit=False).fit(X, y)
    assert again.cv_results_["params"] == found["params"]


def raced(race, table, points, goes_on, stops=False, known=(), failing=(), wanted=None):
    """Run a race on known scores; return the evaluation, and which fits had to be run.

    Of the first candidates of trainings in `failing`, the whole trainings fail, and their fits alone do not. To
    `wanted` is added how many folds each candidate is to have, wave by wave.
    """
    evaluation, found, ran = evaluation_of(table), {}, []
    evaluation.candidates[:] = [{"n_estimators": points[at % len(points)]} for at in range(len(table))]
    found.update({fit: {"test_scores": table[fit.candidate, fit.fold], "fit_error": None} for fit in known})
    keys = [SimpleNamespace(key="a", may_continue=goes_on, may_stop=stops)] * len(table)
    with mock.patch("hpt_spark.search.strategies.race_course.group_keys", return_value=keys):
        race.begin()
        for wave in race.waves(evaluation, found):
            assert not race.skipped_fits(evaluation) & set(wave.fits)
            if wanted is not None:
                wanted.append(race.wanted_folds(evaluation))
            fits = [fit for fit in wave.fits if fit not in found]
            ended = reached_of(fits, wave.early_stopping, table, points, failing)
            ran += ended
            found.update({fit: {"test_scores": table[fit.candidate, fit.fold], "fit_error": None} for fit in ended})
    assert len(ran) == len(set(ran)), "no fit runs twice"
    return evaluation, ran


def reached_of(fits, early_stopping, table, points, failing):
    """Return those of a wave that have results: a training that has all points to run may stop, or fail as a whole."""
    reached = []
    for at in range(0, len(table), len(points)):
        of_training = [fit for fit in fits if at <= fit.candidate < at + len(points)]
        if early_stopping and len(of_training) == len(points) and at in failing:
            reached += of_training[: len(early_stopping.rounds.rungs[0])]
            continue
        results = {}
        for fit in of_training:
            reached.append(fit)
            rounds = points[fit.candidate - at]
            results[rounds] = {"test_scores": table[fit.candidate, fit.fold]}
            if early_stopping and len(of_training) == len(points) and early_stopping.is_due(rounds, results):
                break
    return reached


@pytest.mark.long
@settings(max_examples=150)
@given(
    scores=arrays.arrays(float, (2, 4, len(POINTS), 5), elements=st.sampled_from([0.1, 0.3, 0.5, 0.9, np.nan])),
    patience=st.integers(1, 5),
    factor=st.sampled_from([1.5, 2, 4]),
    burn_in=st.integers(1, 3),
    goes_on=st.booleans(),
    stops=st.booleans(),
    data=st.data(),
)
def test_any_table_of_scores_is_raced_by_the_rules(scores, patience, factor, burn_in, goes_on, stops, data):
    rules = RankRules(factor, burn_in)
    race = Race(rules, "score", Rounds("n_estimators", tuple(POINTS), patience))
    earlier = None
    seen: defaultdict[int, list[np.ndarray]] = defaultdict(list)
    for batch in scores:
        table = batch.reshape(-1, 5)
        known = data.draw(st.lists(st.sampled_from(evaluation_of(table).fits), max_size=12))
        failing = data.draw(st.sets(st.sampled_from(range(0, len(table), len(POINTS)))))
        evaluation, ran = raced(race, table, POINTS, goes_on, stops, known, failing)
        by_hand = folds_by_hand(batch, rules, patience, goes_on, earlier, stops, seen).ravel()
        assert race.wanted_folds(evaluation) == by_hand.tolist()
        wanted = {fit for fit in evaluation.fits if fit.fold < by_hand[fit.candidate]}
        assert wanted <= {*known, *ran}
        # A curve of which the journal has a part is trained to its end where it cannot go on, and so is one of which
        # only the first rung is there, as its training has failed as a whole.
        assert set(ran) == wanted - set(known) or (stops and burn_in == 1 and (failing or not goes_on))
        whole = [own for own in table[by_hand == 5] if np.isfinite(own).all()]
        if whole := sorted([*([] if earlier is None else [earlier]), *whole], key=np.mean):
            earlier = whole[-1]


def test_a_later_curve_competes_with_what_an_earlier_one_had_on_as_many_folds():
    race = Race(RankRules(2), "score", Rounds("n_estimators", (1, 2, 3), 1))
    first = np.array([[0.8, 0.5, 0.5, 0.5], [0.7, 0.9, 0.9, 0.9], [0.9] * 4])
    evaluation, _ = raced(race, first, [1, 2, 3], goes_on=True)
    assert race.wanted_folds(evaluation) == [4, 4, 4], "after one fold it had stopped at its second point"
    second = np.array([[0.85] * 4, [0.8] * 4, [0.9] * 4])
    evaluation, _ = raced(race, second, [1, 2, 3], goes_on=True)
    assert race.wanted_folds(evaluation) == [4, 4, 0], "0.85 is better than 0.8, which the first one had by then"


def test_what_a_curve_has_passed_over_is_not_wanted_while_another_curve_is_trained_again():
    race, wanted = Race(RankRules(2), "score", Rounds("n_estimators", (1, 2, 3), 1)), []
    table = np.array([[0.5] * 4, [0.6] * 4, [0.7] * 4, [0.8] * 4, [0.7] * 4, [0.9] * 4])
    raced(race, table, [1, 2, 3], goes_on=True, stops=True, failing={0}, wanted=wanted)
    assert wanted[:2] == [[4, 4, 4, 4, 4, 4], [4, 4, 4, 4, 4, 0]]


@pytest.mark.usefixtures("no_spark")
@pytest.mark.parametrize("estimator", [RandomForestClassifier(), booster(booster="dart", rate_drop=0.3)], ids=repr)
def test_where_no_training_is_shared_whole_settings_race_all_the_same(estimator):
    race = {"rounds": {"max": 6, "step": 2}, "race": {"factor": 2}, "scoring": None}
    done = search_of(estimator, {"max_depth": [1, 2, 3]}, **race).fit(X, y).cv_results_["n_splits_done"]
    by_setting = done.reshape(3, 3)
    assert (by_setting == by_setting[:, :1]).all()
    assert sorted(by_setting[:, 0]) == [1, 2, 5]


@pytest.mark.usefixtures("no_spark")
def test_equal_settings_race_as_one_training(plain):
    grids = [{"learning_rate": [0.6, 1.5], "max_depth": [3]}, {"learning_rate": [1.5], "max_depth": [1, 3]}]
    search = search_of(grid=grids).fit(X, y)
    rows = [{"learning_rate": rate, "max_depth": depth} for rate, depth in [(0.6, 3), (1.5, 3), (1.5, 1), (1.5, 3)]]
    places = list(model_selection.ParameterGrid(RATES))
    scores = plain[[places.index(row) for row in rows]]
    by_hand = folds_by_hand(scores, RankRules(3), 2, goes_on=True)
    assert search.cv_results_["n_splits_done"].tolist() == by_hand.ravel().tolist()
    for fold in range(5):
        wanted = np.where(fold < by_hand, scores[..., fold], np.nan).ravel()
        np.testing.assert_array_equal(search.cv_results_[f"split{fold}_test_score"], wanted)
