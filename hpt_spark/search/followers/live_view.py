"""The live view of a search: fits done, the best so far, failures by reason, fits in flight, the time left."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from hpt_spark.progress import Progress
from hpt_spark.search.followers.follower import Begun, FitEnded, SearchFollower, SearchState
from hpt_spark.search.results.reasons import shortened

MOST_LETTERS = 60  # of the best parameters, and of a reason


class LiveView(SearchFollower):
    """A bar on a terminal and in a notebook, lines of the log elsewhere; one for each rung of halving."""

    def __init__(self) -> None:
        self._progress: Progress | None = None

    def __enter__(self) -> LiveView:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: Any) -> None:
        self._close(kind)

    def evaluation_began(self, begun: Begun, state: SearchState) -> None:
        """Begin a bar, unless it goes on: halving alone counts each rung by itself."""
        if self._progress is not None and not begun.is_halvings:
            return
        self._close(None)
        label = f"tune, rung {begun.rung}" if begun.is_halvings else "tune"
        self._progress = Progress(label, state.fits, "fits").__enter__()

    def fits_ended(self, fits: Sequence[FitEnded], state: SearchState) -> None:
        """Move the bar on."""
        if self._progress is not None:
            resumed = sum(fit.is_resumed for fit in fits)
            self._progress.advance(len(fits), in_words(state), left=state.seconds_left, without_rate=resumed)

    def state_changed(self, state: SearchState) -> None:
        """End the bar when the fits are done, without the refit; a race leaves some fits out."""
        if self._progress is not None and self._progress.total != state.fits:
            self._progress.expect(state.fits)
        if state.stage in ("refitting", "ended"):
            self._close(None)

    def _close(self, kind: type[BaseException] | None) -> None:
        if self._progress is not None:
            self._progress.__exit__(kind, None, None)
            self._progress = None


def in_words(state: SearchState) -> str:
    """Return the best candidate, the failures and the fits in flight in words."""
    parts = []
    if state.best is not None:
        # NumPy would name its types.
        params = {
            name: value.item() if isinstance(value, np.generic) else value for name, value in state.best.params.items()
        }
        parts.append(f"best {state.best.score:.5g} {shortened(str(params), MOST_LETTERS)}")
    if state.fits_failed:
        reasons = sorted(state.failures.items(), key=lambda pair: -pair[1])
        counted = [f"{count} x {shortened(reason, MOST_LETTERS)}" for reason, count in reasons]
        parts.append(f"{state.fits_failed} failed: {', '.join(counted)}")
    if state.fits_in_flight:
        parts.append(f"{state.fits_in_flight} in flight")
    return "; ".join(parts)
