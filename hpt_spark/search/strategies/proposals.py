"""Candidates that Optuna's sampler proposes, batch by batch, from what the batches before have scored."""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np

from hpt_spark.errors import ArgumentError, MissingDependencyError
from hpt_spark.search.journal.fingerprint import value_key
from hpt_spark.search.strategies.quiet_optuna import quiet_optuna

if TYPE_CHECKING:
    from optuna.distributions import BaseDistribution
    from optuna.trial import FrozenTrial, Trial

NO_OPTUNA = "strategy optuna needs the library optuna; install it with: pip install 'hpt-spark[optuna]'"
GRID = "grid"  # which of several spaces a candidate is of
# Of a space of few values the best ones are used up when so many proposals of a batch were made before, and all of
# it when so many random ones were.
MOST_REPEATED = 10
MOST_REPEATED_AT_RANDOM = 300
LEAST_SHARE = 1e-9  # of a distribution without bounds, on either side


@dataclass(frozen=True)
class Dimension:
    """How Optuna sees one parameter of a space."""

    distribution: BaseDistribution
    value_of: Callable[[Any], Any]  # gives the parameter's value for what Optuna has drawn
    keys: Sequence[Hashable] | None = None  # of the values of a list, in its order; equal for equal values

    def key_of(self, name: str, drawn: Any) -> Hashable:
        """Return a key of what was drawn for the parameter `name`, equal for equal values."""
        return value_key(name, self.value_of(drawn)) if self.keys is None else self.keys[drawn]


class Proposals:
    """The proposals of a search and their scores; the same seed and the same scores give the same proposals.

    Each batch is proposed by a study of its own, made of all that was told before. So a search that is
    resumed proposes what the unbroken one has, without a storage of Optuna's.

    Parameters
    ----------
    distributions : mapping or sequence of mapping
        As of scikit-learn's ``RandomizedSearchCV``: lists, and SciPy's distributions; Optuna's as well.
    seed : int
    n_startup_trials : int
        So many scores are awaited before proposals are more than random.

    Raises
    ------
    ArgumentError
        For a parameter without values, or with a distribution that has no quantiles.
    MissingDependencyError
        Without Optuna.
    """

    def __init__(self, distributions: Any, seed: int, n_startup_trials: int) -> None:
        try:
            import optuna
        except ImportError:
            raise MissingDependencyError(NO_OPTUNA) from None
        self._optuna = optuna
        spaces = [distributions] if isinstance(distributions, Mapping) else list(distributions)
        if not spaces or not all(isinstance(space, Mapping) for space in spaces):
            raise ArgumentError(
                "param_distributions must be a mapping of parameters to values, or a list of such mappings."
            )
        self._spaces = [{name: dimension(name, values) for name, values in space.items()} for space in spaces]
        self._seed = seed
        self._n_startup_trials = n_startup_trials
        self._told: list[FrozenTrial] = []
        self._asked: list[tuple[dict[str, Any], dict[str, BaseDistribution]]] = []
        self._seen: set[Hashable] = set()
        self._batches = 0

    def ask(self, number: int) -> list[dict[str, Any]]:
        """Return the candidates of the next batch, at most so many: none of them was proposed before."""
        candidates: list[dict[str, Any]] = []
        self._asked = []
        self._batches += 1
        with quiet_optuna():
            for sampler, most_repeated in ((self._tpe(), MOST_REPEATED), (self._random(), MOST_REPEATED_AT_RANDOM)):
                study = self._optuna.create_study(direction="maximize", sampler=sampler)
                study.add_trials(self._told)
                repeated = 0
                while len(candidates) < number and repeated < most_repeated:
                    trial = study.ask()
                    candidate, key = self._candidate(trial)
                    if key in self._seen:
                        repeated += 1
                        study.tell(trial, state=self._optuna.trial.TrialState.FAIL)
                        continue
                    self._seen.add(key)
                    candidates.append(candidate)
                    self._asked.append((trial.params, trial.distributions))
        return candidates

    def tell(self, scores: Sequence[float], dropped_after: Sequence[int | None]) -> None:
        """Note the scores of the last batch.

        Parameters
        ----------
        scores : sequence of float
            One that is not finite is a failed candidate's.
        dropped_after : sequence of int or None
            After how many folds a race has dropped a candidate; None for one that has them all. The mean over a few
            folds is not compared with that over all: the sampler takes such a candidate for a worse one.
        """
        state = self._optuna.trial.TrialState
        for (params, distributions), score, folds in zip(self._asked, scores, dropped_after):
            ended = state.COMPLETE if folds is None else state.PRUNED
            is_scored = math.isfinite(score)
            self._told.append(
                self._optuna.trial.create_trial(
                    params=params,
                    distributions=distributions,
                    value=float(score) if is_scored else None,
                    intermediate_values={folds: float(score)} if is_scored and folds is not None else None,
                    state=ended if is_scored else state.FAIL,
                )
            )
        self._asked = []

    def _tpe(self) -> Any:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", self._optuna.exceptions.ExperimentalWarning)
            return self._optuna.samplers.TPESampler(
                seed=self._seed_of_batch(),
                n_startup_trials=self._n_startup_trials,
                multivariate=True,
                constant_liar=True,
                group=len(self._spaces) > 1,
            )

    def _random(self) -> Any:
        return self._optuna.samplers.RandomSampler(seed=self._seed_of_batch())

    def _seed_of_batch(self) -> int:
        return int(np.random.SeedSequence([self._seed, self._batches]).generate_state(1)[0])

    def _candidate(self, trial: Trial) -> tuple[dict[str, Any], Hashable]:
        """Return a candidate, and a key of it, equal for equal candidates."""
        number, prefix = 0, ""
        if len(self._spaces) > 1:
            number = trial.suggest_categorical(GRID, range(len(self._spaces)))
            prefix = f"{number}."
        space = self._spaces[number]
        drawn = {name: _drawn(trial, prefix + name, one.distribution) for name, one in space.items()}
        key = frozenset((name, space[name].key_of(name, value)) for name, value in drawn.items())
        return {name: space[name].value_of(value) for name, value in drawn.items()}, key


def dimension(name: str, values: Any) -> Dimension:
    """Return how Optuna sees a parameter of a space, by a list of values or a distribution."""
    from optuna import distributions

    if not isinstance(name, str):
        raise ArgumentError(f"the parameter {name!r} of param_distributions must be a text, the parameter's name.")
    if isinstance(values, distributions.BaseDistribution):
        return Dimension(values, lambda drawn: drawn)
    if hasattr(values, "support") and hasattr(values, "ppf"):
        return _of_scipy(values if hasattr(values, "dist") else values())  # `stats.uniform` itself may be given
    if hasattr(values, "rvs"):
        raise ArgumentError(f"the distribution of {name} has no quantiles (ppf): give one of scipy.stats, or a list.")
    if isinstance(values, (str, bytes)) or not isinstance(values, Iterable):
        raise ArgumentError(
            f"the parameter {name} is {values!r}: give a list of values, or a distribution of scipy.stats or Optuna."
        )
    by_key: dict[Hashable, Any] = {}
    for value in values:
        by_key.setdefault(value_key(name, value), value)
    keys, choices = list(by_key), list(by_key.values())
    if not choices:
        raise ArgumentError(f"the parameter {name} has no values: give at least one.")
    numbers_only = all(isinstance(value, (int, float, np.number)) and not isinstance(value, bool) for value in choices)
    if numbers_only and len(choices) > 1 and all(one < other for one, other in pairwise(choices)):
        ordered = distributions.IntDistribution(0, len(choices) - 1)  # near means alike
        return Dimension(ordered, choices.__getitem__, keys)
    return Dimension(distributions.CategoricalDistribution(range(len(choices))), choices.__getitem__, keys)


def _of_scipy(frozen: Any) -> Dimension:
    """Return the dimension of a frozen distribution of ``scipy.stats``; of one that Optuna has not, by its quantiles.

    SciPy's ``randint`` leaves its upper bound out, Optuna's integers do not: the support tells which there are.
    """
    from optuna.distributions import FloatDistribution, IntDistribution

    low, high = frozen.support()
    kind = frozen.dist.name
    if kind == "uniform":
        return Dimension(FloatDistribution(float(low), float(high)), float)
    if kind == "randint":
        return Dimension(IntDistribution(int(low), int(high)), int)
    if kind in ("loguniform", "reciprocal") and "loc" not in frozen.kwds and len(frozen.args) <= 2:
        return Dimension(FloatDistribution(float(low), float(high), log=True), float)
    is_discrete = hasattr(frozen.dist, "pmf")

    def value_of(share: Any) -> float:
        value = float(frozen.ppf(share))
        return int(value) if is_discrete and value.is_integer() else value

    return Dimension(FloatDistribution(LEAST_SHARE, 1 - LEAST_SHARE), value_of)


def _drawn(trial: Trial, name: str, distribution: BaseDistribution) -> Any:
    from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

    if isinstance(distribution, CategoricalDistribution):
        return trial.suggest_categorical(name, distribution.choices)
    if isinstance(distribution, IntDistribution):
        return trial.suggest_int(
            name, distribution.low, distribution.high, step=distribution.step, log=distribution.log
        )
    if isinstance(distribution, FloatDistribution):
        return trial.suggest_float(
            name, distribution.low, distribution.high, step=distribution.step, log=distribution.log
        )
    raise ArgumentError(f"the distribution of {name} is none that Optuna's trials draw from: {distribution!r}.")
