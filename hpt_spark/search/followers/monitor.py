"""The state of a search for its followers: a live view, a status file, a run history.

The search tells a `SearchMonitor`, on the driver and in its own thread; the monitor keeps the state and tells its
followers. A follower that fails is left out from then on: the search itself is never harmed.
"""

from __future__ import annotations

import logging
import math
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import replace
from typing import Any

import numpy as np

from hpt_spark.search.evaluation import Fit
from hpt_spark.search.followers.follower import Begun, Best, FitEnded, SearchFollower, SearchState
from hpt_spark.search.journal.records import FitKeys
from hpt_spark.search.results.reasons import reason_of

log = logging.getLogger(__name__)

MOST_REASONS = 20  # of failures that are told apart

_following_all: ContextVar[Sequence[SearchFollower]] = ContextVar("following_all", default=())


@contextmanager
def followed_by(*followers: SearchFollower) -> Iterator[None]:
    """Let `followers` follow every search of this context: scikit-learn's clones of a search have none of their own."""
    token = _following_all.set(followers)
    try:
        yield
    finally:
        _following_all.reset(token)


class SearchMonitor:
    """Keeps the state of a search and tells its followers.

    Parameters
    ----------
    followers : iterable of SearchFollower
    metric : str
        The scorer by which candidates are compared, as `FitEnded.scores` has it.
    max_time : float or None
        Seconds after which the search ends, whatever is missing.

    Attributes
    ----------
    is_followed : bool
        Whether a follower of this very search is there: else nobody need look for what fits do.
    """

    def __init__(
        self, followers: Iterable[SearchFollower] = (), metric: str = "score", max_time: float | None = None
    ) -> None:
        own = list(followers)
        self.is_followed = bool(own)
        self._followers = [*own, *_following_all.get()]
        self._metric = metric
        self._deadline = math.inf if max_time is None else time.monotonic() + max_time
        self._rows = 0
        self._later = 0  # candidates that are expected after the evaluation that runs
        self._before = 0  # fits of the evaluations before it
        self._planned = 0  # fits that have ended, or that wait for a free slot
        self._trained = 0
        self._started: float | None = None
        self._begun: Begun | None = None
        self._scores: dict[int, dict[int, float]] = {}
        self._in_flight: set[Fit] = set()
        self._failures: Counter[str] = Counter()
        self.state = SearchState()

    def begin(
        self,
        candidates: Sequence[Mapping[str, Any]],
        folds: int,
        rung: int | None = None,
        resource: str | None = None,
        curve: str | None = None,
        keys: FitKeys | None = None,
    ) -> Begun:
        """Begin an evaluation, and return it."""
        self._begun = begun = Begun(self._rows, candidates, folds, rung, resource, curve, keys)
        self._rows += len(candidates)
        self._scores = defaultdict(dict)
        self._in_flight = set()
        self._started = self._started or time.monotonic()
        before = SearchState() if begun.is_halvings else self.state
        self._before = self._planned = before.fits_done
        self.state = replace(
            self.state,
            stage="searching",
            candidates=len(candidates) if begun.is_halvings else self._rows + self._later,
            folds=folds,
            rung=rung if begun.is_halvings else None,
            fits=self._before + (len(candidates) + self._later) * folds,
            fits_done=before.fits_done,
            fits_in_flight=None,
            best=before.best,
        )
        self.state = replace(self.state, seconds_left=None if begun.is_halvings else self._with_later_fits(0.0) or None)
        self._tell(lambda follower: follower.evaluation_began(begun, self.state))
        return begun

    def expect_later(self, candidates: int) -> None:
        """Take note that so many candidates are to follow those of the next evaluation."""
        self._later = candidates

    def expect(self, fits: int) -> None:
        """Take note that the evaluation has so many fits: a race leaves some out."""
        fits += self._before + self._later * self.state.folds
        if fits != self.state.fits:
            self.state = replace(self.state, fits=fits)
            self._tell(lambda _: None)

    def plan(self, fits: int) -> None:
        """Take note that so many fits are to run now: the seconds that are left are those of these."""
        self._planned = self.state.fits_done + fits

    def fit_began(self, fit: Fit) -> None:
        """Take note of a fit that is seen to begin."""
        self._in_flight.add(fit)
        self.tasks_run(len(self._in_flight))

    def pass_over(self, fits: Collection[Fit]) -> None:
        """Take note of fits that are not wanted any more: their training has stopped before."""
        self._planned -= len(fits)
        self.state = replace(self.state, fits=self.state.fits - len(fits), fits_in_flight=self._in_flight_without(fits))

    def fits_died(self, fits: Collection[Fit]) -> None:
        """Take note of fits whose process is gone: they are in flight again when they are seen to begin again."""
        self.tasks_run(self._in_flight_without(fits))

    def _in_flight_without(self, fits: Collection[Fit]) -> int | None:
        """Return how many fits are in flight when `fits` are no longer."""
        in_flight, seen = self.state.fits_in_flight, len(self._in_flight)
        self._in_flight.difference_update(fits)
        return in_flight and max(0, in_flight - (seen - len(self._in_flight)))

    def tasks_run(self, count: int | None) -> None:
        """Take note of how many fits are in flight."""
        if count != self.state.fits_in_flight:
            self.state = replace(self.state, fits_in_flight=count)
            self._tell(lambda _: None)

    def end(
        self,
        results: Iterable[tuple[Fit, Mapping[str, Any]]],
        seconds_left: float | None = None,
        is_resumed: bool = False,
    ) -> None:
        """Take note of scikit-learn's results of fits."""
        if not self._followers or self._begun is None:
            return
        ended = [self._ended(fit, result, is_resumed) for fit, result in results]
        self._trained += len(ended) * (not is_resumed)
        in_flight = self.state.fits_in_flight
        self.state = replace(
            self.state,
            fits_done=self.state.fits_done + len(ended),
            fits_resumed=self.state.fits_resumed + len(ended) * is_resumed,
            fits_failed=sum(self._failures.values()),
            fits_in_flight=len(self._in_flight) if self._in_flight else in_flight and max(0, in_flight - len(ended)),
            best=self._best(),
            failures=dict(self._failures),
        )
        self.state = replace(self.state, seconds_left=self._with_later_fits(seconds_left))
        self._tell(lambda follower: follower.fits_ended(ended, self.state))

    def refit(self, is_incomplete: bool = False) -> None:
        """Take note that the best candidate is being trained on all rows."""
        self._end_as("refitting", is_incomplete)
        self._tell(lambda _: None)

    def finish(self, search: Any) -> None:
        """Take note of the fitted search."""
        self._end_as("ended", getattr(search, "incomplete_", False))
        self._tell(lambda follower: follower.search_ended(search))

    def _end_as(self, stage: str, is_incomplete: bool) -> None:
        """Have no more fits: expected ones that were not wanted in the end count no longer."""
        fits = self.state.fits if is_incomplete else self.state.fits_done
        self.state = replace(self.state, stage=stage, fits=fits, fits_in_flight=0, seconds_left=None)

    def _with_later_fits(self, seconds_left: float | None) -> float | None:
        """Add to the seconds of the waiting fits those of later ones, at the same pace, until time is up."""
        if seconds_left is None:
            return None
        now = time.monotonic()
        later, waiting = self.state.fits - self._planned, self._planned - self.state.fits_done
        if self._started is not None and later > 0 and self._trained:
            if waiting > 0:
                seconds_left *= 1 + later / waiting
            else:
                seconds_left += later * (now - self._started) / self._trained  # the start included
        return min(seconds_left, max(0.0, self._deadline - now))

    def _ended(self, fit: Fit, result: Mapping[str, Any], is_resumed: bool) -> FitEnded:
        begun: Begun = self._begun  # type: ignore[assignment]
        self._in_flight.discard(fit)
        scores = result["test_scores"]
        scores = dict(scores) if isinstance(scores, Mapping) else {"score": scores}
        failure = reason_of(result["fit_error"]) if result.get("fit_error") else None
        if failure is not None:
            known = failure in self._failures or len(self._failures) < MOST_REASONS
            self._failures[failure if known else "other reasons"] += 1
        row = begun.first_row + fit.candidate
        by = self._metric if self._metric in scores else next(iter(scores), None)
        self._scores[row][fit.fold] = _as_float(scores[by]) if by is not None else math.nan
        return FitEnded(
            row=row,
            fold=fit.fold,
            scores={name: _as_float(score) for name, score in scores.items()},
            fit_time=float(result["fit_time"]),
            score_time=float(result["score_time"]),
            failure=failure,
            is_resumed=is_resumed,
        )

    def _best(self) -> Best | None:
        begun: Begun = self._begun  # type: ignore[assignment]
        best = self.state.best
        for row, folds in list(self._scores.items()):
            if len(folds) < begun.folds:
                continue
            scores = [folds[fold] for fold in sorted(folds)]
            del self._scores[row]  # is compared once
            mean = float(np.mean(scores))
            if not math.isnan(mean) and (best is None or (mean, -row) > (best.score, -best.row)):
                best = Best(row, begun.candidates[row - begun.first_row], mean, float(np.std(scores)))
        return best

    def _tell(self, tell: Callable[[SearchFollower], None]) -> None:
        for follower in list(self._followers):
            try:
                tell(follower)
                follower.state_changed(self.state)
            except Exception as error:
                self._followers.remove(follower)
                log.warning("%s no longer follows the search: %s: %s", follower, type(error).__name__, error)


def _as_float(score: Any) -> float:
    try:
        return float(score)
    except (TypeError, ValueError):
        return math.nan
