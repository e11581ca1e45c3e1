"""The end of a search on more cores than there are here, replayed from the recorded seconds of its fits.

A free core takes the next item, as Spark and joblib do. The peers' items are fits in scikit-learn's
order; ours are groups in our own starting order, which knows estimated costs and not the seconds. A
group lasts as long as its longest fit and the scoring of the others. Each is taken to build its own
matrix, which flatters the peers.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from hpt_spark.search.evaluation import Evaluation
from hpt_spark.search.fit_groups import group_fits
from hpt_spark.search.planning.cost import start_order

Seconds = Sequence[Sequence[float]]


@dataclass(frozen=True)
class Replay:
    """When a list of items ends.

    Parameters
    ----------
    items : int
        How many there are.
    end : float
        Seconds after the start.
    bound : float
        Before which no order can end: the longest item, and all of them spread evenly.
    """

    items: int
    end: float
    bound: float

    @classmethod
    def of(cls, durations: Sequence[float], cores: int) -> Replay:
        """Play items through in the order given."""
        free = [0.0] * cores
        for duration in durations:
            heapq.heapreplace(free, free[0] + duration)
        return cls(len(durations), max(free), max(max(durations), sum(durations) / cores))


def replays(
    evaluation: Evaluation, fit_seconds: Seconds, score_seconds: Seconds, cores: int, times: int = 1
) -> tuple[Replay, Replay]:
    """Return the end of the peers' search and of ours.

    Parameters
    ----------
    evaluation : Evaluation
        What was searched.
    fit_seconds, score_seconds : list of list of float
        Recorded, per candidate and fold.
    cores : int
    times : int
        Stands for a grid of so many times the candidates, with the same seconds again.
    """
    fits = evaluation.fits * times
    theirs = [fit_seconds[fit.candidate][fit.fold] + score_seconds[fit.candidate][fit.fold] for fit in fits]
    groups = [group for group in group_fits(evaluation, evaluation.fits) for _ in range(times)]
    ours = []
    for group in (groups[at] for at in start_order(groups, cores)):
        training = max(fit_seconds[fit.candidate][fit.fold] for fit in group.fits)
        ours.append(training + sum(score_seconds[fit.candidate][fit.fold] for fit in group.fits))
    return Replay.of(theirs, cores), Replay.of(ours, cores)


def cells(theirs: Replay, ours: Replay) -> Iterator[str]:
    """Yield the cells of a table's line."""
    for replay in (theirs, ours):
        yield f"{replay.items:,}"
        yield f"{replay.end:.1f}"
        yield f"{replay.end / replay.bound:.2f}"
    yield f"{theirs.end / ours.end:.2f}"
