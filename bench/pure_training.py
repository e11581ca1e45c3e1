"""The lower bound of a search that trains each group once: they alone, in a plain loop, nothing around it.

As many processes as there are cores train the groups with ``xgboost.train``, at the same time, as a
search's workers do. The seconds inside ``xgboost.train`` are the bound; what else a group needs is
timed beside it.
"""

from __future__ import annotations

import multiprocessing
import time
from typing import Any

import xgboost
from search_problem import Outcome, Problem
from sklearn.metrics import log_loss

from hpt_spark.search.evaluation import Evaluation
from hpt_spark.search.fit_groups import FitGroup, group_fits
from hpt_spark.search.planning.cost import start_order

PARTS = ("cut", "build", "train", "score")

# Set before the processes are forked.
evaluation: Evaluation
groups: list[FitGroup]
fold_in_hand: list[Any] = []


def train_the_groups(problem: Problem, cores: int) -> Outcome:
    """Train each group once and return the seconds of the parts, summed over the groups and divided by `cores`."""
    global evaluation, groups
    X, y = problem.load()
    evaluation = problem.laid_out(X, y)
    groups = group_fits(evaluation, evaluation.fits)
    order = start_order(groups, cores)
    scores = [[0.0] * problem.folds for _ in evaluation.candidates]
    parts = dict.fromkeys(PARTS, 0.0)
    started = time.perf_counter()
    with multiprocessing.get_context("fork").Pool(cores) as pool:
        for found, seconds in pool.imap_unordered(train_one, order):
            for candidate, fold, score in found:
                scores[candidate][fold] = score
            for name, value in seconds.items():
                parts[name] += value / cores
    return Outcome(time.perf_counter() - started, scores, parts={**parts, "groups": len(groups)})


def train_one(position: int) -> tuple[list[tuple[int, int, float]], dict[str, float]]:
    """Train one group; return the score of each of its fits and the seconds of each part."""
    group, clock = groups[position], Clock()
    model = evaluation.estimator_of(group.fits[-1].candidate)
    train, test = evaluation.folds[group.fold]
    if not fold_in_hand or fold_in_hand[0] != group.fold:
        fold_in_hand[:] = [group.fold]
        X_train, y_train, X_test = evaluation.data.X[train], evaluation.data.y[train], evaluation.data.X[test]
        clock.stop("cut")
        matrix = xgboost.QuantileDMatrix(X_train, y_train, nthread=1)
        fold_in_hand.extend([matrix, X_test])
        clock.stop("build")
    _, matrix, X_test = fold_in_hand
    params = {**model.get_xgb_params(), "num_class": int(evaluation.data.y.max()) + 1}
    clock.start()
    booster = xgboost.train(params, matrix, num_boost_round=model.n_estimators)
    clock.stop("train")
    found = []
    for fit in group.fits:
        rounds = (0, evaluation.candidates[fit.candidate]["n_estimators"])
        shares = booster.inplace_predict(X_test, iteration_range=rounds)
        found.append((fit.candidate, fit.fold, -log_loss(evaluation.data.y[test], shares)))
    clock.stop("score")
    return found, clock.seconds


class Clock:
    """Seconds of named parts, one after another."""

    def __init__(self) -> None:
        self.seconds = dict.fromkeys(PARTS, 0.0)
        self.start()

    def start(self) -> None:
        """Begin a part."""
        self._since = time.perf_counter()

    def stop(self, part: str) -> None:
        """End a part, and begin the next."""
        now = time.perf_counter()
        self.seconds[part] += now - self._since
        self._since = now
