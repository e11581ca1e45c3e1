"""Groups of fits that one training serves.

A group is trained once, at its largest number of rounds, and scored at each candidate's own. A
candidate that can share with nobody is a group of its own.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import joblib

from hpt_spark.search.boosting.family import Family, is_estimator, key_of
from hpt_spark.search.boosting.staged import are_of_rows, ensemble_of, family_of, staged
from hpt_spark.search.evaluation import Evaluation, Fit
from hpt_spark.search.followers.timeline import COPIED
from hpt_spark.search.planning.cost import training_cost
from hpt_spark.search.scorers import only_reads


@dataclass(frozen=True)
class FitGroup:
    """The fits of one training."""

    fits: tuple[Fit, ...]  # on the same fold, sorted by number of rounds
    shared: bool  # whether they are one training of an ensemble; otherwise there is one fit, scikit-learn's own
    cost: float  # estimated, in the unit of `training_cost`
    matrix: str = ""  # groups of a fold that agree in it share a training matrix; empty where there is none to share
    stops: bool = False  # whether the training ends when its curve has stopped
    # The other points of a curve; where the training stops, of its first rung. They fail with the first one if that
    # fails by itself, because their trainings begin with its rounds.
    rest: tuple[Fit, ...] = ()

    @property
    def fold(self) -> int:
        """The fold of all fits."""
        return self.fits[0].fold

    @property
    def candidate(self) -> int:
        """The candidate of the first fit."""
        return self.fits[0].candidate

    @property
    def retried(self) -> tuple[Fit, ...]:
        """The fits that are retried one by one where the training fails as a whole."""
        return (self.fits[0], *self.rest) if self.stops else self.fits

    def one_by_one(self) -> list[FitGroup]:
        """Return these as groups of their own, each fitted as scikit-learn does; of a curve only the first."""
        groups = self._apart(self.retried)
        return [replace(groups[0], rest=self.rest)] if self.rest else groups

    def rest_one_by_one(self) -> list[FitGroup]:
        """Return the groups of `rest`, which follow where the first fit by itself has not failed."""
        return self._apart(self.rest)

    def _apart(self, fits: Iterable[Fit]) -> list[FitGroup]:
        return [FitGroup((fit,), shared=False, cost=self.cost) for fit in fits]

    def with_all_fits(self, results: Sequence[tuple[Fit, Any]]) -> list[tuple[Fit, Any]]:
        """Return `results`, completed: `rest` fails with the first fit; a fit behind the stop of a curve has None."""
        found = dict(results)
        first = found.get(self.fits[0])
        if isinstance(first, dict) and has_failed(first):
            found |= {fit: {**first, "printed": "", COPIED: True} for fit in self.rest}
        return [*found.items(), *((fit, None) for fit in self.fits if fit not in found)]


def has_failed(result: Any) -> bool:
    """Return whether a fit has failed, by scikit-learn's result of it, or its exception."""
    return isinstance(result, BaseException) or result["fit_error"] is not None


@dataclass(frozen=True)
class GroupKey:
    """The key of the group to which a candidate belongs."""

    key: str | None  # candidates that agree in it differ in the number of rounds alone; None for one that cannot share
    rounds: int
    cost: float
    matrix: str = ""
    may_continue: bool = False  # whether its training can go on from a checkpoint
    # Whether it can be scored while it runs, to end before its last round: neither the scoring nor the estimator may
    # write into rows.
    may_stop: bool = False


def group_fits(evaluation: Evaluation, fits: Sequence[Fit]) -> list[FitGroup]:
    """Return the groups of `fits`, each fit in exactly one: all fits of the evaluation, or those without a result."""
    keys = keys_of_fits(evaluation, fits)
    together: defaultdict[tuple[Any, ...], list[Fit]] = defaultdict(list)
    for fit in fits:
        key = keys[fit.candidate].key
        together[fit.fold, fit.number if key is None else key].append(fit)
    groups = []
    for members in together.values():
        members.sort(key=lambda fit: (keys[fit.candidate].rounds, fit.number))
        longest = keys[members[-1].candidate]
        cost = longest.cost * _share_left(evaluation, members[-1], longest)
        rounds = [keys[fit.candidate].rounds for fit in members]
        first_rung = _first_rung(evaluation, rounds) if longest.may_stop else 0
        rest = members[1 : first_rung or None] if evaluation.of_curves else []
        is_shared = longest.key is not None
        groups.append(FitGroup(tuple(members), is_shared, cost, longest.matrix, first_rung > 0, tuple(rest)))
    return groups


def _first_rung(evaluation: Evaluation, rounds: Sequence[int]) -> int:
    """Return how many fits the first rung has where the training is to end when its curve has stopped; else 0.

    All points of the curve must be there to judge it.
    """
    stopping = evaluation.early_stopping
    if stopping is None or set(rounds) != set(stopping.rounds.checkpoints):
        return 0
    return sum(number <= stopping.rounds.rungs[0][-1] for number in rounds)


def group_keys(evaluation: Evaluation) -> list[GroupKey]:
    """Return the key of each candidate's group."""
    return list(_keys(evaluation, range(len(evaluation.candidates))).values())


def keys_of_fits(evaluation: Evaluation, fits: Iterable[Fit]) -> dict[int, GroupKey]:
    """Return the keys for the candidates of some fits alone: a race has many waves of a few candidates."""
    return _keys(evaluation, dict.fromkeys(fit.candidate for fit in fits))


def _keys(evaluation: Evaluation, candidates: Iterable[int]) -> dict[int, GroupKey]:
    base = _Base(evaluation)
    return {at: base.key_of(evaluation.candidates[at]) or _key_of_estimator(evaluation, at) for at in candidates}


class _Base:
    """The estimator of all candidates, read once: most candidates are a few plain values over its parameters."""

    def __init__(self, evaluation: Evaluation) -> None:
        estimator = evaluation.estimator  # not a clone, in which a generator has become a number
        self.evaluation = evaluation
        self.all_params = estimator.get_params(deep=True)
        self.ensemble, self.prefix = ensemble_of(estimator)
        self.family = family_of(self.ensemble)

    def key_of(self, candidate: Mapping[str, Any]) -> GroupKey | None:
        """Return the key of a candidate, or None where only an estimator with its parameters can tell."""
        if not all(name in self.all_params and _is_plain(value) for name, value in candidate.items()):
            return None
        if any(is_estimator(self.all_params[name]) for name in candidate):
            return None
        cost = training_cost({**self.all_params, **candidate})
        family, evaluation = self.family, self.evaluation
        if family is None or not are_of_rows(evaluation.data.fit_params, self.prefix, family):
            return GroupKey(None, 0, cost)
        of_ensemble = {
            name.removeprefix(self.prefix): value for name, value in candidate.items() if name.startswith(self.prefix)
        }
        params = {**self._ensemble_params, **{name: value for name, value in of_ensemble.items() if "__" not in name}}
        if not family.is_prefix_stable(params, evaluation.training_rows):
            return GroupKey(None, 0, cost)
        settings = {name: value for name, value in candidate.items() if name != f"{self.prefix}{family.rounds}"}
        key = key_of({name: value for name, value in settings.items() if not self._is_own(name, value)})
        return _group_key(evaluation, key, cost, family, self.ensemble, params, is_bare=not self.prefix)

    @cached_property
    def _ensemble_params(self) -> dict[str, Any]:
        return self.family.params_of(self.ensemble) if self.family else {}

    def _is_own(self, name: str, value: Any) -> bool:
        """Return whether a candidate's value is what the estimator has without it."""
        own = self.all_params[name]
        return type(own) is type(value) and bool(own == value)


def _key_of_estimator(evaluation: Evaluation, candidate: int) -> GroupKey:
    """Return the key of a candidate that is told by its estimator."""
    from hpt_spark.search.journal.fingerprint import value_digest  # here, as few searches need it in their workers

    try:
        estimator = evaluation.estimator_of(candidate)
        cost = training_cost(estimator.get_params())
        ensemble = staged(estimator, evaluation.data.fit_params, evaluation.training_rows)
        if ensemble is None:
            return GroupKey(None, 0, cost)
        family, params = ensemble.family, ensemble.family.params_of(ensemble.ensemble)
        ensemble.set_rounds(1)  # so that candidates that differ in nothing else have the same key
        # joblib sorts dicts, also within objects, and a step may make a column of each key, in turn.
        own = estimator.get_params()
        key = f"{joblib.hash(own)} {value_digest('estimator', own).hex()}"
        return _group_key(evaluation, key, cost, family, ensemble.ensemble, params, is_bare=ensemble.only_reads)
    except Exception:
        # Whatever is wrong with the parameters, scikit-learn's own fit is to say so.
        return GroupKey(None, 0, 1.0)


def _group_key(
    evaluation: Evaluation,
    key: str,
    cost: float,
    family: Family,
    ensemble: Any,
    params: Mapping[str, Any],
    is_bare: bool,
) -> GroupKey:
    """Return the key of a candidate whose ensemble, with these parameters, stands alone if it `is_bare`."""
    return GroupKey(
        key=key,
        rounds=family.rounds_of(params),
        cost=cost,
        matrix=family.matrix_key(params) if is_bare else "",
        may_continue=is_bare and family.may_continue(type(ensemble), params),
        may_stop=is_bare and family.may_stop and only_reads(evaluation.common["scorer"]),
    )


def _is_plain(value: Any) -> bool:
    return value is None or isinstance(value, (str, int, float))


def _share_left(evaluation: Evaluation, fit: Fit, key: GroupKey) -> float:
    """Return which share of a training is left to do."""
    checkpoint = evaluation.checkpoints.get(fit)
    return 1.0 if checkpoint is None else (key.rounds - checkpoint.rounds) / key.rounds
