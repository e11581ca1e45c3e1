"""Trainings that go on from one evaluation of a search to the next, instead of starting anew.

Halving with the number of rounds as its resource evaluates the same folds again and again, each
time fewer candidates with more rounds. Where an ensemble can go on exactly, only the rounds that
are new are trained.
"""

from __future__ import annotations

import dataclasses

import numpy as np

from hpt_spark.search.evaluation import Evaluation, Start
from hpt_spark.search.fit_groups import Path, kind_of


class Trainings:
    """What the evaluations of a search have trained so far.

    Parameters
    ----------
    resource : str or None
        The parameter of which each evaluation gives its candidates more; None for a search that has
        one evaluation.
    """

    def __init__(self, resource: str | None) -> None:
        self._resource = resource
        self._last: Evaluation | None = None
        self._starts: dict[tuple[str, int], Start] = {}

    def continued_by(self, evaluation: Evaluation) -> Evaluation:
        """Return `evaluation` with the starts that this search has for its fits."""
        if self._resource is None or not all(self._resource in candidate for candidate in evaluation.candidates):
            return evaluation
        if not self._reads_the_same(evaluation):
            self._starts.clear()
        self._last = evaluation
        kinds = [kind_of(evaluation, number) for number in range(len(evaluation.candidates))]
        starts = {}
        for fit in evaluation.fits:
            kind = kinds[fit.candidate]
            start = self._starts.get((kind.key or "", fit.fold))
            if start is not None and start.rounds < kind.rounds:
                starts[fit] = start
        return dataclasses.replace(evaluation, starts=starts, goes_on=any(kind.may_continue for kind in kinds))

    def keep(self, evaluation: Evaluation, path: Path, checkpoint: bytes) -> None:
        """Keep the checkpoint of a training, for the next evaluation."""
        kind = kind_of(evaluation, path.fits[-1].candidate)
        self._starts[kind.key or "", path.fold] = Start(kind.rounds, np.frombuffer(checkpoint, np.uint8))

    def _reads_the_same(self, evaluation: Evaluation) -> bool:
        last = self._last
        return (
            last is not None
            and last.X is evaluation.X
            and last.y is evaluation.y
            and len(last.folds) == len(evaluation.folds)
            and all(
                np.array_equal(one, other)
                for fold, other_fold in zip(last.folds, evaluation.folds)
                for one, other in zip(fold, other_fold)
            )
        )
