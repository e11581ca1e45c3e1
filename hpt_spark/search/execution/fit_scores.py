"""The result of one fit of a group, as scikit-learn's ``_fit_and_score`` returns it."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from hpt_spark.search.boosting.staged import staged
from hpt_spark.search.evaluation import Evaluation, Fit
from hpt_spark.search.execution.rows import Rows
from hpt_spark.search.sklearn_compat import num_samples, score


def rounds_of(evaluation: Evaluation, fit: Fit) -> int:
    """Return how many rounds the candidate of a fit trains."""
    estimator = evaluation.estimator_of(fit.candidate)
    ensemble = staged(estimator, evaluation.data.fit_params, evaluation.training_rows)
    return ensemble.rounds if ensemble else 0


def scores_of(
    evaluation: Evaluation, model: Any, test_rows: Callable[[], Rows], train_rows: Callable[[], Rows]
) -> dict[str, Any]:
    """Return the scores of a fitted estimator, and its predictions where these are wanted.

    `test_rows` and `train_rows` return the rows to score on, into which scoring may write.
    """
    scored = _score_on(evaluation, model, test_rows())
    if evaluation.common.get("return_train_score"):
        scored["train_scores"] = _score_on(evaluation, model, train_rows())["test_scores"]
    if evaluation.predictor is not None:
        scored.update(evaluation.predictor.results_of(model, test_rows().X))
    return scored


def _score_on(evaluation: Evaluation, model: Any, rows: Rows) -> dict[str, Any]:
    common = evaluation.common
    started = time.perf_counter()
    scores = score(model, rows.X, rows.y, common["scorer"], rows.params, common["error_score"])
    return {"test_scores": scores, "n_test_samples": num_samples(rows.X), "score_time": time.perf_counter() - started}


def result_of(evaluation: Evaluation, fit: Fit, scored: dict[str, Any], fit_seconds: float) -> dict[str, Any]:
    """Return the result of a fit that has these scores."""
    result = {"fit_error": None, **scored, "fit_time": fit_seconds}
    if evaluation.common.get("verbose", 0) > 1:
        params = ", ".join(f"{name}={value}" for name, value in sorted(evaluation.candidates[fit.candidate].items()))
        result["printed"] = f"[CV {fit.fold + 1}/{len(evaluation.folds)}] END {params}; {result['test_scores']}\n"
    return result
