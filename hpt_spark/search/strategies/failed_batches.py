"""A search that goes on when all fits of one of its batches have failed, where scikit-learn would end it."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping
from typing import Any

from sklearn.exceptions import FitFailedWarning

from hpt_spark.search.strategies.race import SKIPPED


class FailedBatches:
    """Hands on the results of a search's batches, and remembers whether anything was scored.

    Parameters
    ----------
    run_fits : callable
        Returns the results of delayed fits.
    goes_on : callable
        Tells whether the search goes on after a batch without a score; is given whether there was one before.
    is_callable : bool
        Whether the scoring is a function, of which a score alone tells how many metrics it has.
    """

    def __init__(
        self, run_fits: Callable[[Any], list[dict[str, Any]]], goes_on: Callable[[bool], bool], is_callable: bool
    ) -> None:
        self._run_fits = run_fits
        self._goes_on = goes_on
        self._is_callable = is_callable
        self._scores: Any = None  # of any fit that has some
        self._failures: list[str] = []
        self._handed_on: list[dict[str, Any]] = []  # results of batches without a score

    def run(self, delayed_fits: Any) -> list[dict[str, Any]]:
        """Run a batch; scikit-learn, which would end the search, does not learn that all of it has failed."""
        found = self._run_fits(delayed_fits)
        ran = [result for result in found if not result.get(SKIPPED)]
        reasons = [str(result["fit_error"]) for result in ran if result["fit_error"] is not None]
        scored = next((result["test_scores"] for result in found if result["fit_error"] is None), None)
        if self._scores is None and scored is not None:
            self._scores = scored
            for result in self._handed_on:
                result.update(self._scores_of_failed(result))
        self._failures += reasons
        has_scored = self._scores is not None
        if not reasons or scored is not None or not self._goes_on(has_scored):
            return found
        warnings.warn(
            f"All the {len(ran)} fits of a batch failed, the first with: {_last_line(reasons[0])}",
            FitFailedWarning,
            stacklevel=2,
        )
        told = [{**result, **self._scores_of_failed(result), "fit_error": None} for result in found]
        if not has_scored:
            self._handed_on += told
        return told

    def refuse_none_scored(self) -> None:
        """Raise what scikit-learn does when no fit of the search has a score."""
        if self._failures and self._scores is None:
            raise ValueError(f"\nAll the {len(self._failures)} fits failed.\n{self._failures[0]}")

    def _scores_of_failed(self, result: Mapping[str, Any]) -> dict[str, Any]:
        """Return the scores of a failed fit by metric, where a function has turned out to have several."""
        if not self._is_callable or not isinstance(self._scores, Mapping):
            return {}
        names = [name for name in ("test_scores", "train_scores") if name in result]
        return {name: dict.fromkeys(self._scores, result[name]) for name in names}


def _last_line(text: str) -> str:
    return text.strip().rpartition("\n")[2]
