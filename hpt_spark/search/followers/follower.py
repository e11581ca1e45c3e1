"""The followers of a search, and what it tells them: evaluations, results of fits, its state."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from hpt_spark.search.journal.records import FitKeys


@dataclass(frozen=True)
class Begun:
    """An evaluation: of halving one rung, of any other search all fits.

    Parameters
    ----------
    first_row : int
        The row of ``cv_results_`` that its first candidate will have.
    candidates : sequence of mapping
        The parameters of each candidate.
    folds : int
    rung : int or None
        Counted from 1; None where the search has no rungs.
    resource : str or None
        The parameter of which each rung gives its candidates more.
    curve : str or None
        The parameter that counts the rounds, where candidates are the points of curves.
    keys : FitKeys or None
        Digests of the candidates and of the folds; None without a journal.
    """

    first_row: int
    candidates: Sequence[Mapping[str, Any]]
    folds: int
    rung: int | None = None
    resource: str | None = None
    curve: str | None = None
    keys: FitKeys | None = None

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
    """A fit that has its result.

    Parameters
    ----------
    row : int
        Of its candidate in ``cv_results_``.
    fold : int
    scores : mapping of str to float
        By the name of the scorer; ``score`` is that of a search with one scorer.
    fit_time, score_time : float
        Seconds.
    failure : str or None
        Why it failed, in one line.
    is_resumed : bool
        Whether the result is an earlier start's, out of the journal.
    """

    row: int
    fold: int
    scores: Mapping[str, float]
    fit_time: float
    score_time: float
    failure: str | None
    is_resumed: bool


@dataclass(frozen=True)
class Best:
    """The best candidate so far with all its folds."""

    row: int
    params: Mapping[str, Any]
    score: float
    std: float


@dataclass(frozen=True)
class OuterFolds:
    """How far the searches of a nested cross-validation are, which follow the search itself.

    Parameters
    ----------
    ended : int
        Of the folds; several may run at a time.
    folds : int
    fits_done : int
        Of all these searches.
    """

    ended: int
    folds: int
    fits_done: int


@dataclass(frozen=True)
class SearchState:
    """Where a search stands.

    Parameters
    ----------
    stage : str
        ``starting``, ``searching``, ``refitting`` or ``ended``.
    candidates, folds : int
        Of the rung that runs, in halving; else of all evaluations, expected ones included.
    rung : int or None
        Of halving.
    fits, fits_done : int
        Likewise. Curves that stop, and a race, leave fits out: their number falls.
    fits_resumed, fits_failed : int
        Of the whole search.
    fits_in_flight : int or None
        How many are being trained now: exact with a local master, the running tasks on a cluster.
    seconds_left : float or None
        Until these fits are done.
    best : Best or None
    failures : mapping of str to int
        How many fits have failed for each reason.
    outer : OuterFolds or None
        While outer folds are searched, and after that.
    """

    stage: str = "starting"
    candidates: int = 0
    folds: int = 0
    rung: int | None = None
    fits: int = 0
    fits_done: int = 0
    fits_resumed: int = 0
    fits_failed: int = 0
    fits_in_flight: int | None = None
    seconds_left: float | None = None
    best: Best | None = None
    failures: Mapping[str, int] = field(default_factory=dict)
    outer: OuterFolds | None = None


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
