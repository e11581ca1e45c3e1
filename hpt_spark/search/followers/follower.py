"""The followers of a search, and what it tells them: evaluations, results of fits, its state."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from hpt_spark.search.journal.records import FitKeys


@dataclass(frozen=True)
class Begun:
    """An evaluation: of halving one rung, of any other search all fits."""

    first_row: int  # the row of `cv_results_` that its first candidate will have
    candidates: Sequence[Mapping[str, Any]]  # the parameters of each candidate
    folds: int
    rung: int | None = None  # counted from 1; None where the search has no rungs
    resource: str | None = None  # the parameter of which each rung gives its candidates more
    curve: str | None = None  # the parameter that counts the rounds, where candidates are the points of curves
    keys: FitKeys | None = None  # digests of the candidates and of the folds; None without a journal

    @property
    def is_halvings(self) -> bool:
        """Whether it is a rung of halving, which compares the candidates of one rung."""
        return self.rung is not None and self.curve is None

    def describe(self) -> str:
        """Return it in words, as Spark's UI and the live view have them."""
        rung = f", rung {self.rung}" if self.rung is not None else ""
        return f"{len(self.candidates)} candidates x {self.folds} folds{rung}"


@dataclass(frozen=True)
class FitEnded:
    """A fit that has its result."""

    row: int  # of its candidate in `cv_results_`
    fold: int
    scores: Mapping[str, float]  # by the name of the scorer; `score` is that of a search with one scorer
    fit_time: float  # seconds
    score_time: float  # seconds
    failure: str | None  # why it failed, in one line
    is_resumed: bool  # whether the result is an earlier start's, out of the journal


@dataclass(frozen=True)
class Best:
    """The best candidate so far with all its folds."""

    row: int
    params: Mapping[str, Any]
    score: float
    std: float


@dataclass(frozen=True)
class OuterFolds:
    """How far the searches of a nested cross-validation are, which follow the search itself."""

    ended: int  # of the folds; several may run at a time
    folds: int
    fits_done: int  # of all these searches


@dataclass(frozen=True)
class SearchState:
    """Where a search stands."""

    stage: str = "starting"  # `starting`, `searching`, `refitting` or `ended`
    # Of the rung that runs, in halving; else of all evaluations, expected ones included. Curves that stop, and a race,
    # leave fits out: their number falls.
    candidates: int = 0
    folds: int = 0
    fits: int = 0
    fits_done: int = 0
    rung: int | None = None  # of halving
    fits_resumed: int = 0  # of the whole search
    fits_failed: int = 0  # of the whole search
    # How many are being trained now: exact with a local master, the running tasks on a cluster.
    fits_in_flight: int | None = None
    seconds_left: float | None = None  # until these fits are done
    best: Best | None = None
    failures: Mapping[str, int] = field(default_factory=dict)  # how many fits have failed for each reason
    outer: OuterFolds | None = None  # while outer folds are searched, and after that


class SearchFollower:
    """Follows a search; every method but the last is called in the search's own thread, and must return at once."""

    def evaluation_began(self, begun: Begun, state: SearchState) -> None:
        """Take note of an evaluation whose fits follow."""

    def fits_ended(self, fits: Sequence[FitEnded], state: SearchState) -> None:
        """Take note of results, in the order in which they came."""

    def state_changed(self, state: SearchState) -> None:
        """Take note of where the search stands; is called after each of the others as well."""

    def search_ended(self, search: Any) -> None:
        """Take note of the fitted search."""

    def outer_folds_changed(self, outer: OuterFolds) -> None:
        """Take note of how far the outer folds are, after the search itself; is called in the threads of these."""
