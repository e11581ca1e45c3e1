"""Fits without a score: those that killed their worker, and those that a search had no time for."""

from __future__ import annotations

from typing import Any

from hpt_spark.errors import HptSparkError
from hpt_spark.search.evaluation import Evaluation, Fit
from hpt_spark.search.sklearn_compat import scorers_by_name

DIED = "WorkerDiedError:"


def killed_worker(evaluation: Evaluation, fit: Fit, reason: str) -> Any:
    """Return the result of a fit that killed its process, also when it was tried again.

    Returns
    -------
    dict or exception
        The exception where ``error_score="raise"``.
    """
    parameters = dict(evaluation.candidates[fit.candidate])
    text = (
        f"{DIED} the fit of {parameters} on fold {fit.fold} killed its Python worker, also when it was tried "
        f"again ({reason}). {advice(reason)}"
    )
    error_score = evaluation.common["error_score"]
    return HptSparkError(text) if error_score == "raise" else without_score(evaluation, fit, text, error_score)


def has_died(result: dict[str, Any]) -> bool:
    """Return whether a result is that of `killed_worker`."""
    return str(result["fit_error"]).startswith(DIED)


def advice(reason: str) -> str:
    """Return what to do where a process was killed twice."""
    if "SIGKILL" in reason or "SIG" not in reason:
        return "Out of memory is the usual cause: on YARN raise spark.executor.memoryOverhead."
    return "That is a fault of native code: look into the estimator's libraries."


def without_score(evaluation: Evaluation, fit: Fit, reason: str, error_score: float) -> dict[str, Any]:
    """Return scikit-learn's result of a failed fit, with `reason` for its traceback."""
    scorer = evaluation.common["scorer"]
    names = scorers_by_name(scorer)

    def scores() -> Any:
        return error_score if names is None else dict.fromkeys(names, error_score)

    result = {
        "fit_error": reason,
        "test_scores": scores(),
        "n_test_samples": len(evaluation.folds[fit.fold][1]),
        "fit_time": 0.0,
        "score_time": 0.0,
    }
    if evaluation.common.get("return_train_score"):
        result["train_scores"] = scores()
    return result
