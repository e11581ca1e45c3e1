"""Trainings that go on from one evaluation of a search, or one wave of a race, to the next.

Halving with the number of rounds as its resource evaluates the same folds again and again, each
time fewer candidates with more rounds. Where an ensemble can go on exactly, only the rounds that
are new are trained.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterable
from typing import TYPE_CHECKING

import numpy as np

from hpt_spark.search.evaluation import Checkpoint, Evaluation, Fit
from hpt_spark.search.fit_groups import GroupKey, keys_of_fits

if TYPE_CHECKING:
    from hpt_spark.search.execution.checkpoints import Checkpoints


class WarmStarts:
    """The trainings of a search so far, which later evaluations, or waves of a race, go on from.

    Parameters
    ----------
    resource : str or None
        The parameter of which each evaluation, or each wave, gives a training more; None where no
        training goes on.
    deadline : float
        When not to wait for checkpoints any longer, on the clock of `time.monotonic`.
    """

    def __init__(self, resource: str | None, deadline: float = math.inf) -> None:
        self._resource = resource
        self._deadline = deadline
        self._last: Evaluation | None = None
        self._keys: dict[int, GroupKey] = {}  # of the candidates of the last fits

    def continued_by(self, evaluation: Evaluation, kept: Checkpoints, fits: Iterable[Fit]) -> Evaluation:
        """Return `evaluation` with the checkpoints that its trainings of `fits`, which are to run, can go on from.

        `kept` are the checkpoints of the last evaluation, or of the last wave of this one.
        """
        if self._resource is None or not all(self._resource in candidate for candidate in evaluation.candidates):
            return evaluation
        fits = list(fits)
        keys = keys_of_fits(evaluation, fits)
        earlier = self._trained_by_last(kept.fits) if self._reads_the_same(evaluation) else {}
        starts = {}
        for fit in fits:
            key = keys[fit.candidate]
            rounds, start = earlier.get((key.key or "", fit.fold), (key.rounds, fit))
            if rounds < key.rounds:
                starts[fit] = rounds, start
        file, places = kept.fetch({start for _, start in starts.values()}, self._deadline)
        self._last, self._keys = evaluation, keys
        return dataclasses.replace(
            evaluation,
            checkpoints={
                fit: Checkpoint(rounds, *places[start]) for fit, (rounds, start) in starts.items() if start in places
            },
            checkpoint_file=file,
            keep_checkpoints=any(key.may_continue for key in keys.values()),
        )

    def _trained_by_last(self, fits: Iterable[Fit]) -> dict[tuple[str, int], tuple[int, Fit]]:
        """Return how many rounds each training has of which a checkpoint is kept, and the fit by which it is known."""
        keys = self._keys
        return {(keys[fit.candidate].key or "", fit.fold): (keys[fit.candidate].rounds, fit) for fit in fits}

    def _reads_the_same(self, evaluation: Evaluation) -> bool:
        last = self._last
        return (
            last is not None
            and last.data.is_made_of_the_same(evaluation.data)
            and np.array_equal(last.folds.ends, evaluation.folds.ends)
            and np.array_equal(last.folds.rows, evaluation.folds.rows)
        )
