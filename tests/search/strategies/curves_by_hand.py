"""Curves that race, worked out by hand from scikit-learn's scores of every setting, number of rounds and fold."""

from __future__ import annotations

import math
from functools import cache
from itertools import product

import numpy as np
from sklearn import model_selection
from sklearn.datasets import make_classification
from xgboost import XGBClassifier

from hpt_spark import GridSearchCV
from hpt_spark.search.strategies.race_rules import EarlierBatches

X, y = make_classification(160, 6, flip_y=0.2, random_state=0)
RATES = {"learning_rate": [0.02, 0.1, 0.3, 0.6, 1.0, 1.5], "max_depth": [1, 3]}
ROUNDS = {"max": 8, "step": 1, "early_stopping_rounds": 2}
POINTS = list(range(1, 9))
FOLDS = model_selection.StratifiedKFold(5)


def booster(**params):
    return XGBClassifier(**{"n_jobs": 1, "random_state": 0, **params})


def search_of(estimator=None, grid=RATES, **arguments):
    """Return a search whose curves race by rank: the best third of them go on."""
    usual = {"cv": FOLDS, "rounds": ROUNDS, "race": {"factor": 3}, "scoring": "neg_log_loss", "refit": False}
    return GridSearchCV(booster() if estimator is None else estimator, grid, **{**usual, **arguments})


@cache
def plain_scores(**params):
    """Return scikit-learn's scores: those of each setting at each number of rounds on each fold."""
    grid = {**RATES, "n_estimators": POINTS}
    estimator = booster(**params)
    search = model_selection.GridSearchCV(estimator, grid, scoring="neg_log_loss", cv=FOLDS, refit=False).fit(X, y)
    rows = [
        {**setting, "n_estimators": number} for setting in model_selection.ParameterGrid(RATES) for number in POINTS
    ]
    order = [search.cv_results_["params"].index(row) for row in rows]
    columns = [search.cv_results_[f"split{fold}_test_score"][order] for fold in range(5)]
    return np.column_stack(columns).reshape(len(rows) // len(POINTS), len(POINTS), 5)


def has_stopped(means, patience):
    known = np.where(np.isnan(means), -np.inf, means)
    return known.max() == -np.inf or len(known) - 1 - known.argmax() >= patience


def folds_by_hand(scores, rules, patience, goes_on, earlier=None, stops=True, seen=None):
    """Return how many folds each point of each curve gets, from the rules alone.

    `earlier` has the scores of the best candidate so far, and `seen` those of the best point of each curve before, by
    number of folds; those of these curves are added to it.
    """
    settings_, points, folds = scores.shape
    done, since = np.zeros((settings_, points), int), np.full((settings_, points), folds)
    left, end, gone = list(range(settings_)), rules.burn_in, []
    while left:
        best = {}
        for one in left:
            means = scores[one, :, :end].mean(axis=1)
            stop, come = points, (done[one] > 0).sum()
            rungs = range(patience, points, patience)  # of so many rounds, one round a step
            if not goes_on and not (stops and end == 1):
                rungs = [come] if come else []
            for rung in rungs:
                reached = max(rung, come)
                if reached < points and has_stopped(means[:reached], patience):
                    stop = reached
                    break
            done[one, :stop] = end
            since[one, :stop] = np.minimum(since[one, :stop], end)
            best[one] = [scores[one, point, :end] for point in range(stop)]
        means = {one: max((own.mean() for own in best[one] if np.isfinite(own).all()), default=-np.inf) for one in left}
        if end == folds:
            if max(means.values()) > -np.inf or earlier is not None or not gone:
                break
            left = [gone.pop()]
            continue
        stay = [True] * len(left)
        if max(means.values()) > -np.inf or earlier is not None:
            compared = EarlierBatches() if earlier is None else EarlierBatches(earlier[:end], seen[end])
            stay = rules.stay([best[one] for one in left], compared, 0.25)
        dropped = [one for one, stays in zip(left, stay) if not stays and means[one] > -np.inf]
        gone += sorted(dropped, key=means.__getitem__)
        left = [one for one, stays in zip(left, stay) if stays]
        end = folds if len(left) == 1 and earlier is None else min(folds, rules.next_end(end))
    for one, end in product(range(settings_ if seen is not None else 0), range(1, folds)):
        judged = scores[one, (since[one] <= end) & (done[one] >= end), :end]
        if len(judged):
            means = judged.mean(axis=1)
            seen[end].append(judged[np.where(np.isfinite(means), means, -np.inf).argmax()])
    return done


def assert_like_plain_fits(search, plain, by_hand):
    found = search.cv_results_
    done = found["n_splits_done"]
    assert done.tolist() == by_hand.ravel().tolist()
    scores = plain.reshape(-1, 5)
    for fold in range(5):
        wanted = np.where(fold < done, scores[:, fold], np.nan)
        np.testing.assert_array_equal(found[f"split{fold}_test_score"], wanted)
    for row, folds in enumerate(done):
        mean, std = found["mean_test_score"][row], found["std_test_score"][row]
        if folds:
            assert (mean, std) == (scores[row, :folds].mean(), scores[row, :folds].std())
        else:
            assert math.isnan(mean)
            assert math.isnan(std)
    whole = done == 5
    assert search.best_score_ == found["mean_test_score"][whole].max()
    assert whole[search.best_index_]
    assert found["rank_test_score"][~whole].min(initial=1 + whole.sum()) == 1 + whole.sum()
