"""Paths: the candidates that one training serves.

A path is trained once per fold, at the largest number of rounds, and scored at each candidate's
own. A candidate that can share with nobody is a path of its own.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import joblib

from hpt_spark.search import boosting
from hpt_spark.search.costs import training_cost
from hpt_spark.search.evaluation import Evaluation, Fit


@dataclass(frozen=True)
class Path:
    """The fits of one training.

    Parameters
    ----------
    fits : tuple of Fit
        On the same fold, by ascending number of rounds.
    shared : bool
        Whether they are one boosting training; otherwise there is one fit, scikit-learn's own.
    cost : float
        Estimated, in the unit of `training_cost`.
    """

    fits: tuple[Fit, ...]
    shared: bool
    cost: float

    @property
    def fold(self) -> int:
        """The fold of all fits."""
        return self.fits[0].fold

    def one_by_one(self) -> list[Path]:
        """Return the same fits as paths of their own, each fitted as scikit-learn does."""
        return [Path((fit,), shared=False, cost=self.cost) for fit in self.fits]


@dataclass(frozen=True)
class _Kind:
    """What decides which path a candidate belongs to."""

    key: str | None
    rounds: int
    cost: float


def paths_of(evaluation: Evaluation, fits: Sequence[Fit]) -> list[Path]:
    """Return `fits`, each in exactly one path.

    Parameters
    ----------
    evaluation : Evaluation
    fits : sequence of Fit
        All of the evaluation, or those that a resumed search still lacks.
    """
    kinds = [_kind_of(evaluation, number) for number in range(len(evaluation.candidates))]
    together: defaultdict[tuple[Any, ...], list[Fit]] = defaultdict(list)
    for fit in fits:
        key = kinds[fit.candidate].key
        together[fit.fold, fit.number if key is None else key].append(fit)
    paths = []
    for members in together.values():
        members.sort(key=lambda fit: (kinds[fit.candidate].rounds, fit.number))
        longest = kinds[members[-1].candidate]
        paths.append(Path(tuple(members), shared=longest.key is not None, cost=longest.cost))
    return paths


def _kind_of(evaluation: Evaluation, candidate: int) -> _Kind:
    try:
        estimator = evaluation.estimator_of(candidate)
        params = estimator.get_params()
        if not boosting.may_share(estimator, evaluation.fit_params):
            return _Kind(None, 0, training_cost(params))
        others = {name: value for name, value in params.items() if name != boosting.ROUNDS}
        return _Kind(joblib.hash(others), boosting.rounds_of(estimator), training_cost(params))
    except Exception:
        # Whatever is wrong with the parameters, scikit-learn's own fit is to say so.
        return _Kind(None, 0, 1.0)
