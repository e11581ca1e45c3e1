"""Groups of fits that one training serves.

A group is trained once, at its largest number of rounds, and scored at each candidate's own. A
candidate that can share with nobody is a group of its own.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import joblib

from hpt_spark.search.boosting.staged import staged
from hpt_spark.search.evaluation import Evaluation, Fit
from hpt_spark.search.planning.cost import training_cost


@dataclass(frozen=True)
class FitGroup:
    """The fits of one training.

    Parameters
    ----------
    fits : tuple of Fit
        On the same fold, by ascending number of rounds.
    shared : bool
        Whether they are one training of an ensemble; otherwise there is one fit, scikit-learn's own.
    cost : float
        Estimated, in the unit of `training_cost`.
    matrix : str
        Groups of a fold that agree in it share a training matrix; empty where there is none to share.
    """

    fits: tuple[Fit, ...]
    shared: bool
    cost: float
    matrix: str = ""

    @property
    def fold(self) -> int:
        """The fold of all fits."""
        return self.fits[0].fold

    def one_by_one(self) -> list[FitGroup]:
        """Return the same fits as groups of their own, each fitted as scikit-learn does."""
        return [FitGroup((fit,), shared=False, cost=self.cost) for fit in self.fits]


@dataclass(frozen=True)
class GroupKey:
    """What decides which group a candidate belongs to.

    Parameters
    ----------
    key : str or None
        Candidates that agree in it differ in the number of rounds alone; None for one that cannot share.
    rounds : int
    cost : float
    matrix : str
    may_continue : bool
        Whether its training can go on from a checkpoint.
    """

    key: str | None
    rounds: int
    cost: float
    matrix: str = ""
    may_continue: bool = False


def group_fits(evaluation: Evaluation, fits: Sequence[Fit]) -> list[FitGroup]:
    """Return `fits`, each in exactly one group.

    Parameters
    ----------
    evaluation : Evaluation
    fits : sequence of Fit
        All of the evaluation, or those that a resumed search still lacks.
    """
    keys = [group_key(evaluation, number) for number in range(len(evaluation.candidates))]
    together: defaultdict[tuple[Any, ...], list[Fit]] = defaultdict(list)
    for fit in fits:
        key = keys[fit.candidate].key
        together[fit.fold, fit.number if key is None else key].append(fit)
    groups = []
    for members in together.values():
        members.sort(key=lambda fit: (keys[fit.candidate].rounds, fit.number))
        longest = keys[members[-1].candidate]
        cost = longest.cost * _share_left(evaluation, members[-1], longest)
        groups.append(FitGroup(tuple(members), longest.key is not None, cost, longest.matrix))
    return groups


def group_key(evaluation: Evaluation, candidate: int) -> GroupKey:
    """Return what decides which group a candidate belongs to."""
    try:
        estimator = evaluation.estimator_of(candidate)
        cost = training_cost(estimator.get_params())
        ensemble = staged(estimator, evaluation.fit_params, evaluation.training_rows)
        if ensemble is None:
            return GroupKey(None, 0, cost)
        rounds = ensemble.rounds
        ensemble.set_rounds(1)  # so that candidates that differ in nothing else have the same key
        key = joblib.hash(estimator.get_params())
        return GroupKey(key, rounds, cost, ensemble.matrix_key, ensemble.may_continue)
    except Exception:
        # Whatever is wrong with the parameters, scikit-learn's own fit is to say so.
        return GroupKey(None, 0, 1.0)


def _share_left(evaluation: Evaluation, fit: Fit, key: GroupKey) -> float:
    """Return which share of a training is left to do."""
    checkpoint = evaluation.checkpoints.get(fit)
    return 1.0 if checkpoint is None else (key.rounds - checkpoint.rounds) / key.rounds
