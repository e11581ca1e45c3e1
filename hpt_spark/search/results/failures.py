"""Fits without a score: they killed their worker, or the search had no time for them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from hpt_spark.errors import HptSparkError
from hpt_spark.search.evaluation import Evaluation, Fit
from hpt_spark.search.journal.records import NONE_PREDICTED
from hpt_spark.search.results.reasons import masked_excerpt
from hpt_spark.search.sklearn_compat import scorers_by_name

if TYPE_CHECKING:
    from hpt_spark.search.execution.fit_process import Death

DIED = "WorkerDiedError:"
TIMED_OUT = "FitTimeout:"
# The last line of a traceback: of Python's, numpy's or LightGBM's own; XGBoost tells what C++ told it.
NO_MEMORY = re.compile(r"^(?:[\w.]*MemoryError\b|[\w.]+: .*\bbad_alloc\b)", re.MULTILINE)


def killed_worker(evaluation: Evaluation, fit: Fit, death: Death) -> Any:
    """Return the result of a fit that killed its process, also when it was tried again.

    It is an exception where ``error_score="raise"``.
    """
    parameters = dict(evaluation.candidates[fit.candidate])
    text = (
        f"{DIED} the fit of {parameters} on fold {fit.fold} killed its Python worker, also when it was tried "
        f"again ({death.reason}). {death.advice}"
    )
    return _failed(evaluation, fit, text)


def timed_out(evaluation: Evaluation, fit: Fit) -> Any:
    """Return the result of a fit that was stopped at ``max_fit_time``, which counts as its time.

    It is an exception where ``error_score="raise"``.
    """
    limit = evaluation.max_fit_time
    text = (
        f"{TIMED_OUT} the fit of {dict(evaluation.candidates[fit.candidate])} on fold {fit.fold} took longer than "
        f"max_fit_time={limit:g} seconds and was stopped."
    )
    failed = _failed(evaluation, fit, text)
    return {**failed, "fit_time": limit} if isinstance(failed, dict) else failed


def has_more_time(result: Mapping[str, Any], max_fit_time: float | None) -> bool:
    """Return whether a result is that of `timed_out`, with a lower limit than now."""
    is_timed_out = str(result["fit_error"]).startswith(TIMED_OUT)
    return is_timed_out and (max_fit_time is None or bool(result["fit_time"] < max_fit_time))


def _failed(evaluation: Evaluation, fit: Fit, reason: str) -> Any:
    error_score = evaluation.common["error_score"]
    return HptSparkError(reason) if error_score == "raise" else without_score(evaluation, fit, reason, error_score)


def may_succeed_elsewhere(result: Mapping[str, Any]) -> bool:
    """Return whether a fit has killed its process or was short of memory, so that another machine may do it."""
    reason = str(result["fit_error"])
    return reason.startswith(DIED) or NO_MEMORY.search(reason) is not None


def tidy_reasons(result: dict[str, Any]) -> None:
    """Mask the credentials in what a result says of a failure, and leave out the middle of a very long text.

    From here it goes into the journal, logs and files.
    """
    for name in ("fit_error", NONE_PREDICTED):
        if result.get(name):
            result[name] = masked_excerpt(str(result[name]))


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
