"""Races of curves that are interrupted, or of which trainings fail: what was found counts, and is gone on from."""

from __future__ import annotations

import math

import numpy as np
import pytest
from sklearn.metrics import log_loss
from sklearn.pipeline import Pipeline
from xgboost import XGBClassifier

from hpt_spark.errors import HptSparkError
from hpt_spark.search.boosting.xgboost import XGBoost
from hpt_spark.search.followers.follower import SearchFollower
from hpt_spark.search.strategies.race_rules import RankRules
from tests.search.strategies.curves_by_hand import (
    X,
    assert_like_plain_fits,
    booster,
    folds_by_hand,
    search_of,
    y,
)


@pytest.mark.usefixtures("no_spark")
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.FitFailedWarning", "ignore:One or more")
def test_a_setting_that_cannot_be_trained_is_tried_at_its_first_rung(plain):
    grids = [{"learning_rate": [1.5], "max_depth": [1, 3]}, {"max_depth": [-3]}]
    search = search_of(grid=grids).fit(X, y)
    assert search.cv_results_["n_splits_done"][-8:].tolist() == [1, 1, 0, 0, 0, 0, 0, 0]
    assert np.isnan(search.cv_results_["split0_test_score"][-8:]).all()
    assert search.end_reason_.endswith("; 2 of 120 fits failed.")


@pytest.mark.usefixtures("no_spark")
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.FitFailedWarning", "ignore:One or more")
@pytest.mark.parametrize(
    ("estimator", "arguments", "failed"),
    [
        (booster(), {}, 2),
        (booster(), {"max_fit_time": 60.0}, 2),
        (booster(), {"rounds": {"max": 8, "step": 1}}, 8),
        (Pipeline([("last", booster())]), {}, 8),
    ],
    ids=["stops within a fit", "rung by rung", "whole curves", "a pipeline"],
)
def test_a_setting_that_cannot_be_trained_is_fitted_once_together_and_once_by_itself(
    monkeypatch, estimator, arguments, failed
):
    fitted, fit = [], XGBClassifier.fit

    def noted(self, *data, **params):
        fitted.append((self.max_depth, self.n_estimators))
        return fit(self, *data, **params)

    monkeypatch.setattr(XGBClassifier, "fit", noted)
    prefix = "last__" if isinstance(estimator, Pipeline) else ""
    search = search_of(estimator, {f"{prefix}max_depth": [1, 2, -3]}, **arguments)
    search.followers = [last := InterruptsAfter(math.inf)]
    search.fit(X, y)
    assert len([depth for depth, _ in fitted if depth == -3]) == 2
    assert fitted.count((-3, 1)) >= 1
    assert search.cv_results_["n_splits_done"][-8:].tolist() == [1] * failed + [0] * (8 - failed)
    assert last.state.fits_failed == failed
    assert last.state.fits == last.state.fits_done == search.cv_results_["n_splits_done"].sum()


@pytest.mark.long
@pytest.mark.usefixtures("no_spark")
@pytest.mark.parametrize("goes_on", [True, False])
def test_a_training_that_fails_only_as_a_whole_is_scored_all_the_same(plain, monkeypatch, goes_on):
    def fails(*given):
        raise MemoryError

    if not goes_on:
        monkeypatch.setattr(XGBoost, "may_continue", lambda *given: False)
    monkeypatch.setattr("hpt_spark.search.execution.group_fit._fit_with_early_stopping", fails)
    search = search_of().fit(X, y)
    assert_like_plain_fits(search, plain, folds_by_hand(plain, RankRules(3), 2, goes_on=goes_on))


class InterruptsAfter(SearchFollower):
    """Interrupts a search when so many batches of results have come, and keeps its last state."""

    def __init__(self, batches):
        self.left = batches

    def fits_ended(self, fits, state):
        self.left -= bool(fits)
        if not self.left:
            raise KeyboardInterrupt

    def state_changed(self, state):
        self.state = state


@pytest.mark.long
@pytest.mark.usefixtures("no_spark")
def test_a_search_that_is_interrupted_in_its_first_wave_goes_on_there(plain, tmp_path):
    by_hand = folds_by_hand(plain, RankRules(3), 2, goes_on=True)
    search = search_of(journal=str(tmp_path))
    search.followers = [InterruptsAfter(7)]
    with pytest.raises(HptSparkError, match="before any candidate had a score on all its folds"):
        search.fit(X, y)
    again = search_of(journal=str(tmp_path))
    again.followers = [last := InterruptsAfter(math.inf)]
    again.fit(X, y)
    unbroken = search_of().fit(X, y)
    assert again.cv_results_["n_splits_done"].tolist() == by_hand.ravel().tolist()
    assert again.fit_counts_["trainings"] == unbroken.fit_counts_["trainings"] - 7
    assert (last.state.fits, last.state.fits_done) == (by_hand.sum(), by_hand.sum())


class Interrupts:
    """A scorer by which a search is interrupted at one of its fits."""

    def __init__(self, at):
        self.left = at

    def __call__(self, estimator, X, y):
        self.left -= 1
        if not self.left:
            raise KeyboardInterrupt
        return -log_loss(y, estimator.predict_proba(X))


@pytest.mark.usefixtures("no_spark")
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.FitFailedWarning", "ignore:One or more")
@pytest.mark.parametrize("in_last_stage", [False, True])
def test_an_interrupted_race_has_a_best_one_when_a_candidate_has_all_folds(plain, in_last_stage):
    by_hand = folds_by_hand(plain, RankRules(3), 2, goes_on=True)
    scorer = Interrupts(by_hand.sum() if in_last_stage else 30)
    search = search_of(scoring=scorer)
    if not in_last_stage:
        with pytest.raises(HptSparkError, match="before any candidate had a score on all its folds"):
            search.fit(X, y)
        return
    with pytest.warns(UserWarning, match="The search was ended early: "):
        search.fit(X, y)
    done, means = search.cv_results_["n_splits_done"], search.cv_results_["mean_test_score"]
    behind = (by_hand == 0).ravel()
    assert not done[behind].any(), "what lies behind a stop is not missing"
    assert np.isfinite(means[search.best_index_])
    assert done[search.best_index_] == 5
