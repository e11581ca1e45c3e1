"""The early end of a search, by a signal or because its time is up: it keeps the results that it has."""

from __future__ import annotations

import logging
import math
import warnings
from collections.abc import Collection, Sequence
from contextlib import ExitStack
from typing import Any

from hpt_spark.errors import HptSparkError
from hpt_spark.search.arguments import is_number
from hpt_spark.search.evaluation import Evaluation, Fit
from hpt_spark.search.results.end_reason import INTERRUPTED, EndReason
from hpt_spark.search.results.failures import without_score
from hpt_spark.signals import answer_signals

log = logging.getLogger(__name__)


class EndedEarlyError(Exception):
    """A search was ended early; what its earlier rungs have found stands."""


class EarlyEnd:
    """The early end of one search, which may never come; `max_time` is when it comes at the latest, in seconds.

    Attributes
    ----------
    has_begun : bool
        Whether the search ends early.
    reason : EndReason
    """

    def __init__(self, max_time: float | None) -> None:
        self._max_time = max_time
        self._answering = ExitStack()
        self.has_begun = False
        self.reason = EndReason()

    def begin(self, cause: str = INTERRUPTED) -> None:
        """Keep what there is, also if another signal comes before the refit."""
        if not self.has_begun:
            self._answering.enter_context(answer_signals(_say_that_it_ends))
        self.has_begun = True
        self.reason.end(cause)

    def close(self) -> None:
        """Let Ctrl-C and SIGTERM end what comes now, such as the refit."""
        self._answering.close()

    def fail_missing(
        self,
        evaluation: Evaluation,
        missing: Sequence[Fit],
        found: dict[Fit, dict[str, Any]],
        dropped: Collection[int],
        is_first: bool,
        resume_hint: str,
    ) -> None:
        """End the search, and let the fits count as failed that have no result: those are added to `found`.

        Parameters
        ----------
        dropped : collection of int
            The candidates that a race has dropped.
        is_first : bool
            Whether the search has no evaluation before this one.
        resume_hint : str
            A sentence on how the search can go on.

        Raises
        ------
        EndedEarlyError, HptSparkError
            When the evaluation has no candidate to choose; EndedEarlyError if those before it stand.
        """
        cause = "the search ended before all fits had run"
        if self._max_time is not None:
            cause = f"the time was up (max_time={self._max_time:g} seconds)"
        self.begin(cause)
        whole = set(range(len(evaluation.candidates))) - {fit.candidate for fit in missing} - set(dropped)
        error_score = evaluation.common["error_score"]
        if is_number(error_score) and math.isnan(error_score):
            whole -= {fit.candidate for fit, result in found.items() if result["fit_error"]}
        if not whole and not is_first:
            raise EndedEarlyError
        if not whole:
            raise HptSparkError(
                f"the search was ended after {len(found)} of {len(evaluation.fits)} fits, before any candidate had a "
                f"score on all its folds: there is no best one. {resume_hint}"
            )
        warnings.warn(
            f"The search was ended early: {len(missing)} of {len(evaluation.fits)} fits are missing and count as "
            f"failed; {len(whole)} of {len(evaluation.candidates)} candidates are complete.",
            UserWarning,
            stacklevel=2,
        )
        for fit in missing:
            found[fit] = without_score(evaluation, fit, "NotRun: the search was ended before this fit.", math.nan)


def _say_that_it_ends() -> None:
    log.warning("the search is ending already, with the results that it has")
