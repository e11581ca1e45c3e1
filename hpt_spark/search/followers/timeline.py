"""When and where the trainings of a search ran: told by its results, and so kept in the journal."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from hpt_spark.search.evaluation import Fit
    from hpt_spark.search.execution.worker import GroupResult
    from hpt_spark.search.planning.forecast import Forecast

ORIGIN = "origin"  # the key under which the result of a fit tells it
COPIED = "copied"  # the key of a copied result: of an equal candidate, or of a curve's first point, which failed


def origin(result: GroupResult, retries: Sequence[str]) -> dict[str, Any]:
    """Return what each result of a group tells of its training."""
    return {
        "worker": result.worker,
        "began": round(result.began, 3),
        "seconds": round(result.seconds, 4),
        "peak_bytes": result.peak_bytes,
        **({"apart": True} if result.not_shared else {}),
        **({"retries": list(retries)} if retries else {}),
    }


class Timeline:
    """The trainings of a search, those of earlier drivers included."""

    def __init__(self) -> None:
        self._trainings: dict[tuple[str, float, str], dict[str, Any]] = {}
        self._forecast: dict[str, int] = {}

    def take(self, evaluation: int, fit: Fit, result: dict[str, Any]) -> None:
        """Take out of a result what it tells of its training: the rest is scikit-learn's."""
        is_copy, told = result.pop(COPIED, False), result.pop(ORIGIN, None)
        if not isinstance(told, dict):
            return  # of a journal that does not tell, or of a fit that never ran
        of_none = str(fit) if not told["worker"] else ""  # each fit that was given up stands for itself
        training = self._trainings.setdefault(
            (told["worker"], told["began"], of_none), {**told, "fits": [], "fit_seconds": 0.0, "score_seconds": 0.0}
        )
        training["fits"].append([evaluation, fit.candidate, fit.fold])
        if result.get("fit_error"):
            training["failed"] = str(result["fit_error"]).strip().splitlines()[-1]
        if is_copy:
            return  # its times are those of the fit that it was copied from
        training["score_seconds"] += result.get("score_time", 0.0)
        # The fits of a shared training are each given a part of it; the longest has all.
        joined = sum if training.get("apart") else max
        training["fit_seconds"] = joined((training["fit_seconds"], result["fit_time"]))

    def expect(self, forecast: Forecast | None) -> None:
        """Remember what was forecast of an evaluation; the largest counts."""
        if forecast is not None:
            self._forecast["process_bytes"] = max(self._forecast.get("process_bytes", 0), forecast.process_bytes)
            self._forecast["slots"] = max(self._forecast.get("slots", 0), forecast.slots)

    def as_json(self) -> dict[str, Any]:
        """Return ``trainings``, by their begin, and ``forecast``."""
        ordered = sorted(self._trainings.values(), key=lambda training: training["began"])
        return {"trainings": ordered, "forecast": self._forecast}
