"""One training of a group of fits that ends before its last round, when its curve has stopped.

A callback of the training cannot score the estimator that is in its ``fit``, which is not yet what a ``fit`` leaves.
So another one is fitted for one round, and given the trees of each checkpoint to be scored on.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

from hpt_spark.search.boosting.staged import Staged, staged
from hpt_spark.search.evaluation import Evaluation, Fit
from hpt_spark.search.execution.fit_scores import result_of, rounds_of, score_on
from hpt_spark.search.execution.rows import FoldRows, Rows
from hpt_spark.search.fit_groups import FitGroup
from hpt_spark.search.scorers import only_reads


def points_on_the_way(evaluation: Evaluation, group: FitGroup, ensemble: Staged) -> dict[int, Fit]:
    """Return the fits of `group` by number of rounds, where its training may be stopped; else nothing.

    It may where the fits are the whole curve, and neither scoring nor the estimator writes into rows.
    """
    stop = evaluation.curve_stop
    if stop is None or not ensemble.may_stop or not only_reads(evaluation.common["scorer"]):
        return {}
    points = {rounds_of(evaluation, fit): fit for fit in group.fits}
    return points if points.keys() == set(stop.checkpoints) else {}


def fit_until_stop(
    evaluation: Evaluation, points: Mapping[int, Fit], rows: FoldRows, ensemble: Staged
) -> list[tuple[Fit, dict[str, Any]]]:
    """Train a shared group until its curve has stopped, and return the results of the fits that were reached.

    Parameters
    ----------
    evaluation : Evaluation
    points : mapping of int to Fit
        What `points_on_the_way` returns.
    rows : FoldRows
    ensemble : Staged
        Unfitted, with the parameters of the last fit.
    """
    stop, train = evaluation.curve_stop, rows.train
    scored_estimator = evaluation.estimator_of(points[min(points)].candidate)
    scored_one = staged(scored_estimator, evaluation.fit_params, evaluation.training_rows)
    assert stop is not None
    assert scored_one is not None
    scored_one.set_rounds(1)
    scored_one.fit(train.X, train.y, train.params, rows.matrices)
    found: dict[int, dict[str, Any]] = {}
    training_seconds: dict[int, float] = {}
    scoring_seconds = 0.0
    started = time.perf_counter()

    def stops(rounds: int, trained: Mapping[str, Any]) -> bool:
        nonlocal scoring_seconds
        if rounds not in points:
            return False
        now = time.perf_counter()
        training_seconds[rounds] = now - started - scoring_seconds
        model = scored_one.given(trained)
        found[rounds] = scored = score_on(evaluation, model, rows.test)
        if evaluation.common.get("return_train_score"):
            train_rows = Rows(train.X, train.y, rows.train_score_params())
            scored["train_scores"] = score_on(evaluation, model, train_rows)["test_scores"]
        if evaluation.predictor is not None:
            scored.update(evaluation.predictor.results_of(model, rows.test.X))
        scoring_seconds += time.perf_counter() - now
        return stop.has_come({at: one["test_scores"] for at, one in found.items()})

    with ensemble.family.stopped_by(ensemble.ensemble, stops):
        ensemble.fit(train.X, train.y, train.params, rows.matrices)
    return [(points[at], result_of(evaluation, points[at], one, training_seconds[at])) for at, one in found.items()]
