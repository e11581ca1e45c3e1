"""The course of a race: which fits the trainings that are left need on the next folds, and in which waves."""

from __future__ import annotations

import math
from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain, compress
from typing import Any

import numpy as np

from hpt_spark.search.equal_candidates import keys_of_equal
from hpt_spark.search.evaluation import Evaluation, Fit
from hpt_spark.search.fit_groups import GroupKey, group_keys
from hpt_spark.search.strategies.rounds import Curve, EarlyStopping, Rounds


@dataclass(frozen=True)
class Wave:
    """Fits that run together."""

    fits: list[Fit]
    # Of the trainings that can end before their last round: when they do. The fits behind that have no result.
    early_stopping: EarlyStopping | None = None


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
    early_stopping : EarlyStopping or None
        When a curve of one fold stops, if the curves do.

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
        early_stopping: EarlyStopping | None,
    ) -> None:
        folds, candidates, fits = len(evaluation.folds), evaluation.candidates, evaluation.fits
        self._fits = [fits[at : at + folds] for at in range(0, len(fits), folds)]
        self._found, self._score = found, score
        self.done = [0] * len(candidates)
        self._passed_over: set[int] = set()
        self._stopping: list[list[int]] = []  # the trainings of a wave that end when their curves have stopped
        keys = group_keys(evaluation)
        self._rounds, self._early_stopping = rounds, early_stopping
        if rounds is None:
            self.trainings = _by_training(keys, candidates)
            return
        points = len(rounds.checkpoints)
        self.trainings = [list(range(at, at + points)) for at in range(0, len(candidates), points)]
        self._rounds_of_point = [int(candidate[rounds.parameter]) for candidate in candidates]
        self._may_continue = [key.may_continue for key in keys]
        self._may_stop = [key.may_stop for key in keys]
        self._is_timed = evaluation.max_fit_time is not None

    @property
    def passed_over(self) -> set[int]:
        """The points that lie behind the stop of their curve, as far as it has come."""
        return self._passed_over.union(
            *(training[self._points_until_stop(training) or len(training) :] for training in self._stopping)
        )

    def scores(self, candidate: int, end: int) -> np.ndarray:
        """Return the scores of a candidate on the first `end` folds."""
        return np.array([self._score(self._found[fit]) for fit in self._fits[candidate][:end]])

    def on_folds(self, trainings: Sequence[list[int]], end: int) -> Iterator[Wave]:
        """Yield what the candidates of `trainings` lack on the first `end` folds, wave by wave."""
        if self._rounds is None:
            yield from self._wave([one for training in trainings for one in training], end)
            return
        stops = [end == 1 and self._stops_within_fit(training) for training in trainings]
        yield from self._whole_curves(list(compress(trainings, stops)))
        yield from self._rung_by_rung([training for training, alone in zip(trainings, stops) if not alone], end)

    def _stops_within_fit(self, training: Sequence[int]) -> bool:
        """Return whether a training of one fold, whose own curve is the mean curve, is to end within one ``fit``.

        One that can go on is trained rung by rung where some of its points have results already, and where the time of
        a fit is limited, as a rung takes less of it than the whole curve.
        """
        if self._early_stopping is None or not all(self._may_stop[one] for one in training):
            return False
        is_begun = any(self._fits[one][0] in self._found for one in training)
        is_stopped = self._points_until_stop(training) is not None
        return is_stopped or not (is_begun or self._is_timed) or not all(self._may_continue[one] for one in training)

    def _whole_curves(self, trainings: list[list[int]]) -> Iterator[Wave]:
        """Yield one wave of whole curves on the first fold.

        Where a training has failed as a whole, only its first rung was retried. If that has succeeded, the rest is
        trained to its end.
        """
        self._stopping = trainings
        wanted = [one for training in trainings for one in training[: self._points_until_stop(training)]]
        yield from self._wave(wanted, 1, self._early_stopping)
        self._undo_passed_over()
        failed = [training for training in trainings if self._points_until_stop(training) is None]
        first_fits = [self._fits[one][0] for one in chain.from_iterable(failed)]
        if lacking := [fit for fit in first_fits if fit not in self._found]:
            yield Wave(lacking)
            self._undo_passed_over()
        self._passed_over, self._stopping = self.passed_over, []

    def _undo_passed_over(self) -> None:
        """Let the points behind the stop of their curve have no fold."""
        for one in self.passed_over:
            self.done[one] = 0

    def _points_until_stop(self, training: Sequence[int]) -> int | None:
        """Return how many points a curve has until its stop on the first fold; None where none has come."""
        results: dict[int, Mapping[str, Any]] = {}
        for one in training:
            result = self._found.get(self._fits[one][0])
            if result is None or self._early_stopping is None:
                return None
            rounds = self._rounds_of_point[one]
            results[rounds] = result
            if one != training[-1] and self._early_stopping.is_due(rounds, results):
                return len(results)
        return len(training)

    def _rung_by_rung(self, trainings: Sequence[Sequence[int]], end: int) -> Iterator[Wave]:
        """Yield waves of a rung of each curve.

        On new folds a curve is first trained to the point that it reached on the folds before, because it mostly stops
        near it. The points behind its stop are passed over.
        """
        assert self._rounds is not None
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
            self._passed_over.update(one for at in stopped for one in trainings[at][len(curves[at].scores) :])
            active = [at for at in active if at not in stopped]

    def _points(self, training: Sequence[int], curve: Curve, reached: int) -> Sequence[int]:
        """Return the points of the next rung, at first all that were reached before.

        So each curve moves in each wave, and goes on from what the wave before has left of it. Where a training cannot
        go on exactly, the next rung is all that is left.
        """
        assert self._rounds is not None
        begun = len(curve.scores)
        if not all(self._may_continue[one] for one in training):
            return training[:reached] if reached and not begun else training[begun:]
        last = next(rung[-1] for rung in self._rounds.rungs if rung[-1] > max(curve.scores, default=0))
        return training[begun : max(reached, sum(self._rounds_of_point[one] <= last for one in training))]

    def _wave(self, candidates: Sequence[int], end: int, early_stopping: EarlyStopping | None = None) -> Iterator[Wave]:
        lacking = [fit for one in candidates for fit in self._fits[one][self.done[one] : end]]
        self._passed_over.difference_update(candidates)
        if lacking:
            yield Wave(lacking, early_stopping)
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
