"""The rules by which a race over folds drops candidates."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from typing import Any

import numpy as np
from scipy import stats

from hpt_spark.errors import ArgumentError
from hpt_spark.search.arguments import check_count, is_number

MOST_FOLDS = 10**9  # more than any search has: a product with an absurd factor is infinite


@dataclass(frozen=True)
class EarlierBatches:
    """The scores of the batches before, on the folds after which those of a batch are judged."""

    best: np.ndarray | None = None  # of the best candidate that has all folds; None where no candidate has
    best_of_trainings: Sequence[np.ndarray] = ()  # of the best candidate of each training that has as many folds


@dataclass(frozen=True)
class TTestRules:
    """Drops the candidates that a paired test finds worse than the best one, after each fold from `burn_in` on."""

    burn_in: int = 3  # how many folds each candidate gets
    alpha: float = 0.05  # the level of the test

    def __post_init__(self) -> None:
        check_count("race: burn_in", self.burn_in, "folds", least=2)
        if not is_number(self.alpha) or not 0 < self.alpha < 1:
            raise ArgumentError(f"race: alpha={self.alpha!r} must be a number between 0 and 1.")

    def next_end(self, end: int) -> int:
        """Return after how many folds the rules judge next."""
        return end + 1

    def stay(
        self, trainings: Sequence[Sequence[np.ndarray]], earlier: EarlierBatches, test_to_train: float
    ) -> list[bool]:
        """Return which trainings stay: those with a candidate that is not worse than the best one of all batches.

        Parameters
        ----------
        trainings : sequence of sequence of ndarray
            The scores of each training's candidates on the folds so far.
        earlier : EarlierBatches
        test_to_train : float
            The number of a fold's test rows to that of its training rows.
        """
        before = [] if earlier.best is None else [earlier.best]
        best = max(filter(is_whole, [*before, *(one for training in trainings for one in training)]), key=np.mean)
        return [
            any(is_whole(one) and not is_worse(one, best, test_to_train, self.alpha) for one in training)
            for training in trainings
        ]


@dataclass(frozen=True)
class RankRules:
    """Keeps the best 1/`factor` of the candidates after `burn_in` folds, after ``burn_in * factor``, and so on.

    Notes
    -----
    It is successive halving (Jamieson and Talwalkar, Non-stochastic best arm identification and hyperparameter
    optimization, AISTATS 2016) with the number of folds as its resource. Batch after batch, a candidate is ranked among
    all that have come as far, as the asynchronous form does (Li et al., A system for massively parallel hyperparameter
    tuning, MLSys 2020).
    """

    factor: float
    burn_in: int = 1  # how many folds each candidate gets

    def __post_init__(self) -> None:
        check_count("race: burn_in", self.burn_in, "folds")
        if not is_number(self.factor) or not 1 < self.factor < math.inf:
            raise ArgumentError(
                f"race: factor={self.factor!r} must be a number above 1: one candidate in so many stays."
            )

    def next_end(self, end: int) -> int:
        """Return after how many folds the rules judge next."""
        return max(end + 1, _ceil(min(end * self.factor, MOST_FOLDS)))

    def stay(
        self, trainings: Sequence[Sequence[np.ndarray]], earlier: EarlierBatches, test_to_train: float
    ) -> list[bool]:
        """Return which trainings stay: those whose best candidate is among the best few; the earlier one of two alike.

        As long as no candidate has got all folds, those of a batch compete with each other alone: one is to get them.
        """
        before = [] if earlier.best is None else [[one] for one in earlier.best_of_trainings]
        means = [best_mean(training) for training in [*before, *trainings]]
        ranked = sorted(range(len(means)), key=lambda at: -means[at])[: max(1, _ceil(len(means) / self.factor))]
        ahead = {at - len(before) for at in ranked if means[at] > -math.inf}
        return [at in ahead for at in range(len(trainings))]


def rules_of(given: Any) -> TTestRules | RankRules:
    """Return the rules that the argument ``race`` of a search names, or raise ArgumentError."""
    kind: Any = RankRules if isinstance(given, Mapping) and "factor" in given else TTestRules
    if not isinstance(given, Mapping) or not set(given) <= {one.name for one in fields(kind)}:
        raise ArgumentError(
            f"race={given!r} must be a mapping of burn_in and alpha, such as {asdict(TTestRules())}, or of burn_in and "
            f"factor, such as {asdict(RankRules(3))}."
        )
    return kind(**given)


def is_worse(scores: np.ndarray, best: np.ndarray, test_to_train: float, alpha: float) -> bool:
    """Return whether a candidate is worse than another one, by the corrected resampled t-test, one-sided.

    The scores of folds are no independent sample, as their training rows overlap: Nadeau and Bengio (Inference for
    the generalization error, Machine Learning 52, 2003) correct the variance for that. Both have scores of the same
    folds, two at least; `test_to_train` is the number of a fold's test rows to that of its training rows.
    """
    differences = best - scores
    mean, n = float(differences.mean()), len(differences)
    if mean <= 0:
        return False
    error = math.sqrt(float(differences.var(ddof=1)) * (1 / n + test_to_train))
    return error == 0 or bool(stats.t.sf(mean / error, n - 1) < alpha)


def is_whole(scores: np.ndarray) -> bool:
    """Return whether there is a score of each fold."""
    return bool(np.isfinite(scores).all())


def _ceil(number: float) -> int:
    return math.ceil(round(number, 9))  # 21 / 1.4 is a little more than 15


def best_mean(candidates: Iterable[np.ndarray]) -> float:
    """Return the best mean of the candidates of a training; minus infinity where none has all scores."""
    return max((float(one.mean()) for one in candidates if is_whole(one)), default=-math.inf)
