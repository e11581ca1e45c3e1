"""The course of a race: which fits those that are left need on the next folds, and in which waves."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from hpt_spark.search.evaluation import Evaluation, Fit
from hpt_spark.search.fit_groups import GroupKey, group_keys
from hpt_spark.search.rounds import Curve, Rounds


class Course:
    """The trainings of one evaluation of a race.

    Parameters
    ----------
    evaluation : Evaluation
    found : mapping of Fit to result
        To which the results of each wave are added.
    score : callable
        Returns the score of a result.
    rounds : Rounds or None
        Where candidates are the points of curves: then these stop when they no longer get better, if they are to.

    Attributes
    ----------
    trainings : list of list of int
        The candidates of each training.
    done : list of int
        How many folds each candidate has got.
    """

    def __init__(
        self,
        evaluation: Evaluation,
        found: Mapping[Fit, Mapping[str, Any]],
        score: Callable[[Mapping[str, Any]], float],
        rounds: Rounds | None,
    ) -> None:
        folds, candidates, fits = len(evaluation.folds), evaluation.candidates, evaluation.fits
        self._fits = [fits[at : at + folds] for at in range(0, len(fits), folds)]
        self._found, self._score = found, score
        self.done = [0] * len(candidates)
        keys = group_keys(evaluation)
        self._rounds = rounds if rounds is not None and rounds.patience is not None else None
        if self._rounds is None:
            self.trainings = _by_training(keys)
            return
        points = len(self._rounds.checkpoints)
        self.trainings = [list(range(at, at + points)) for at in range(0, len(candidates), points)]
        self._number = [int(candidate[self._rounds.parameter]) for candidate in candidates]
        self._may_continue = [key.key is not None and key.may_continue for key in keys]

    def scores(self, candidate: int, end: int) -> np.ndarray:
        """Return the scores of a candidate on the first `end` folds."""
        return np.array([self._score(self._found[fit]) for fit in self._fits[candidate][:end]])

    def on_folds(self, trainings: Sequence[Sequence[int]], end: int) -> Iterator[list[Fit]]:
        """Yield what the candidates of `trainings` lack on the first `end` folds, wave by wave.

        A curve is first trained on the new folds as far as it has come on those before, which is about where it stops
        again, and then rung by rung. The points behind its stop are passed over.
        """
        if self._rounds is None:
            yield from self._wave([one for training in trainings for one in training], end)
            return
        curves = [Curve({}) for _ in trainings]
        come = [sum(self.done[one] > 0 for one in training) for training in trainings]
        active = list(range(len(trainings)))
        for rung in self._rounds.rungs:
            points = {at: self._points(trainings[at], rung[-1], come[at])[len(curves[at].scores) :] for at in active}
            yield from self._wave([one for at in active for one in points[at]], end)
            for at in active:
                curves[at].scores |= {self._number[one]: self._mean(one, end) for one in points[at]}
            active = [at for at in active if len(curves[at].scores) < len(trainings[at])]
            active = [at for at in active if not curves[at].has_stopped(self._rounds.patience or 0)]

    def _points(self, training: Sequence[int], most: int, come: int) -> Sequence[int]:
        """Return the points up to `most` rounds, or all that were reached before; of a training that cannot stop, all.

        It cannot where it would not go on exactly.
        """
        if not all(self._may_continue[one] for one in training):
            return training
        return training[: max(come, sum(self._number[one] <= most for one in training))]

    def _wave(self, candidates: Sequence[int], end: int) -> Iterator[list[Fit]]:
        lacking = [fit for one in candidates for fit in self._fits[one][self.done[one] : end]]
        if lacking:
            yield lacking
        for one in candidates:
            self.done[one] = max(self.done[one], end)

    def _mean(self, candidate: int, end: int) -> float:
        scores = self.scores(candidate, end)
        return float(scores.mean()) if np.isfinite(scores).all() else math.nan


def _by_training(keys: Sequence[GroupKey]) -> list[list[int]]:
    """Return the candidates, those of one training together."""
    together: dict[Any, list[int]] = {}
    for candidate, key in enumerate(keys):
        together.setdefault(candidate if key.key is None else key.key, []).append(candidate)
    return list(together.values())
