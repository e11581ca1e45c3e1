"""The course of a race: which fits the trainings that are left need on the next folds, and in which waves."""

from __future__ import annotations

import math
from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from hpt_spark.search.equal_candidates import keys_of_equal
from hpt_spark.search.evaluation import Evaluation, Fit
from hpt_spark.search.fit_groups import GroupKey, group_keys
from hpt_spark.search.rounds import Curve, Rounds


class Course:
    """Yields the fits that the trainings still in a race need, wave by wave, for one evaluation.

    Parameters
    ----------
    evaluation : Evaluation
    found : mapping of Fit to result
        To which the results of each wave are added.
    score : callable
        Returns the score of a result.
    rounds : Rounds or None
        Where candidates are the points of curves, which stop without improvement if `rounds.patience` is set.

    Attributes
    ----------
    trainings : list of list of int
        The candidates of each training.
    done : list of int
        How many folds each candidate has got.
    passed_over : set of int
        The points that lie behind the stop of their curve, as far as it has come.
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
        self.passed_over: set[int] = set()
        keys = group_keys(evaluation)
        self._rounds = rounds
        if rounds is None:
            self.trainings = _by_training(keys, candidates)
            return
        points = len(rounds.checkpoints)
        self.trainings = [list(range(at, at + points)) for at in range(0, len(candidates), points)]
        self._rounds_of_point = [int(candidate[rounds.parameter]) for candidate in candidates]
        self._may_continue = [key.key is not None and key.may_continue for key in keys]

    def scores(self, candidate: int, end: int) -> np.ndarray:
        """Return the scores of a candidate on the first `end` folds."""
        return np.array([self._score(self._found[fit]) for fit in self._fits[candidate][:end]])

    def on_folds(self, trainings: Sequence[Sequence[int]], end: int) -> Iterator[list[Fit]]:
        """Yield what the candidates of `trainings` lack on the first `end` folds, wave by wave.

        On new folds a curve is first trained to the point that it reached on the folds before, because it mostly stops
        near it, then rung by rung. The points behind its stop are passed over.
        """
        if self._rounds is None:
            yield from self._wave([one for training in trainings for one in training], end)
            return
        curves = [Curve({}) for _ in trainings]
        reached = [sum(self.done[one] > 0 for one in training) for training in trainings]
        active = list(range(len(trainings)))
        while active:
            points = {at: self._points(trainings[at], curves[at], reached[at]) for at in active}
            yield from self._wave([one for at in active for one in points[at]], end)
            for at in active:
                curves[at].scores |= {self._rounds_of_point[one]: self._mean(one, end) for one in points[at]}
            active = [at for at in active if len(curves[at].scores) < len(trainings[at])]
            stopped = {at for at in active if curves[at].has_stopped(self._rounds.patience or 0)}
            self.passed_over.update(one for at in stopped for one in trainings[at][len(curves[at].scores) :])
            active = [at for at in active if at not in stopped]

    def _points(self, training: Sequence[int], curve: Curve, reached: int) -> Sequence[int]:
        """Return the points of the next rung, at first all that were reached before; all if it cannot go on exactly.

        So each curve moves in each wave, and goes on from what the wave before has left of it.
        """
        begun = len(curve.scores)
        if self._rounds is None or not all(self._may_continue[one] for one in training):
            return training[begun:]
        rungs = self._rounds.rungs
        last = next(rung[-1] for rung in rungs if rung[-1] > max(curve.scores, default=0))
        return training[begun : max(reached, sum(self._rounds_of_point[one] <= last for one in training))]

    def _wave(self, candidates: Sequence[int], end: int) -> Iterator[list[Fit]]:
        lacking = [fit for one in candidates for fit in self._fits[one][self.done[one] : end]]
        self.passed_over.difference_update(candidates)
        if lacking:
            yield lacking
        for one in candidates:
            self.done[one] = max(self.done[one], end)

    def _mean(self, candidate: int, end: int) -> float:
        scores = self.scores(candidate, end)
        return float(scores.mean()) if np.isfinite(scores).all() else math.nan


def _by_training(keys: Sequence[GroupKey], candidates: Sequence[Mapping[str, Any]]) -> list[list[int]]:
    """Return the candidates, those of one training together, and equal ones, which one fit serves."""
    together: dict[Hashable, list[int]] = {}
    for number, (key, equal) in enumerate(zip(keys, keys_of_equal(candidates))):
        together.setdefault(equal if key.key is None else key.key, []).append(number)
    return list(together.values())
