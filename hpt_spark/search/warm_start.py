"""Trainings that go on from one evaluation of a search to the next, instead of starting anew.

Halving with the number of rounds as its resource evaluates the same folds again and again, each
time fewer candidates with more rounds. Where an ensemble can go on exactly, only the rounds that
are new are trained.
"""

from __future__ import annotations

import dataclasses

import numpy as np

from hpt_spark.search.evaluation import Checkpoint, Evaluation
from hpt_spark.search.fit_groups import FitGroup, GroupKey, group_keys


class WarmStarts:
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
        self._keys: list[GroupKey] = []
        self._checkpoints: dict[tuple[str, int], Checkpoint] = {}

    def continued_by(self, evaluation: Evaluation) -> Evaluation:
        """Return `evaluation` with the checkpoints that this search has for its fits."""
        if self._resource is None or not all(self._resource in candidate for candidate in evaluation.candidates):
            return evaluation
        if not self._reads_the_same(evaluation):
            self._checkpoints.clear()
        self._last = evaluation
        keys = self._keys = group_keys(evaluation)
        checkpoints = {}
        for fit in evaluation.fits:
            key = keys[fit.candidate]
            checkpoint = self._checkpoints.get((key.key or "", fit.fold))
            if checkpoint is not None and checkpoint.rounds < key.rounds:
                checkpoints[fit] = checkpoint
        return dataclasses.replace(
            evaluation, checkpoints=checkpoints, keep_checkpoints=any(key.may_continue for key in keys)
        )

    def keep(self, group: FitGroup, checkpoint: bytes) -> None:
        """Keep the checkpoint of a training, for the next evaluation."""
        key = self._keys[group.fits[-1].candidate]
        self._checkpoints[key.key or "", group.fold] = Checkpoint(key.rounds, np.frombuffer(checkpoint, np.uint8))

    def _reads_the_same(self, evaluation: Evaluation) -> bool:
        last = self._last
        return (
            last is not None
            and last.data.is_made_of_the_same(evaluation.data)
            and len(last.folds) == len(evaluation.folds)
            and all(
                np.array_equal(one, other)
                for fold, other_fold in zip(last.folds, evaluation.folds)
                for one, other in zip(fold, other_fold)
            )
        )
