"""How many threads a fit may use: Spark decides, by ``spark.task.cpus``."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from numbers import Number
from typing import Any

from sklearn.base import clone

from hpt_spark.search.arguments import is_integer
from hpt_spark.search.boosting.family import is_estimator

# The names under which estimators take their number of threads or processes.
NAMES = frozenset(
    {"n_jobs", "n_threads", "n_workers", "n_cores", "nthread", "nthreads", "thread_count"}
    | {"num_thread", "num_threads", "num_workers", "num_cores", "core_dist_n_jobs"}
)

# Packages that take all cores where no such name is set (scikit-learn takes one), and what holds each to fewer.
ALL_CORES_BY_DEFAULT = {"xgboost": "n_jobs", "lightgbm": "n_jobs", "catboost": "thread_count"}


def is_number_of_threads(name: str) -> bool:
    """Return whether the parameter `name`, of an estimator or of one inside it, is a number of threads."""
    return name.rpartition("__")[2] in NAMES


def with_threads(estimator: Any, threads: int) -> Any:
    """Let `estimator`, and those inside it, use `threads` threads where they would use all cores.

    A positive number of threads that the user has set stays. The estimator is unfitted, with all parameters that it
    will be fitted with; they are set in place.
    """
    caps = thread_caps(estimator, threads)
    return estimator.set_params(**caps) if caps else estimator


def thread_caps(estimator: Any, threads: int) -> dict[str, int]:
    """Return the parameters that hold `estimator`, and those inside it, to `threads` threads together.

    Those inside an estimator that runs several of them at the same time share what it leaves them.
    """
    return {owner.prefix + name: owner.share for owner in _owners(estimator, threads) for name in owner.wanting_all}


class ThreadCaps:
    """Holds candidates to a number of threads; what holds one holds all that differ from it by numbers only.

    A candidate's parameters are laid over those of `estimator`; neither is changed.
    """

    def __init__(self, estimator: Any, threads: int) -> None:
        self._estimator = estimator
        self._threads = threads
        self._found: dict[tuple[Any, ...], tuple[Mapping[str, Any], dict[str, int]]] = {}

    def candidate(self, params: Mapping[str, Any]) -> CappedCandidate:
        """Return the parameters of a candidate so that a fit with them uses so many threads; they may be estimators."""
        # A number is no estimator: of the numbers, only those of threads change the estimators to be held.
        telling = {
            name: value for name, value in params.items() if is_number_of_threads(name) or not isinstance(value, Number)
        }
        key = (*sorted(params), *(id(value) for _, value in sorted(telling.items())))
        if key not in self._found:
            configured = _configured(self._estimator, params)
            if configured is None:
                return CappedCandidate(params, {})
            # With the values, as another's id may be that of one that is gone.
            self._found[key] = telling, thread_caps(configured, self._threads)
        return CappedCandidate(params, self._found[key][1])


class CappedCandidate(dict[str, Any]):
    """The parameters that a user gave; the clone of them that scikit-learn sets has the `caps` as well.

    So what scikit-learn prints of a candidate (``verbose``) is what the user gave.
    """

    def __init__(self, params: Mapping[str, Any], caps: Mapping[str, int]) -> None:
        super().__init__(params)
        self.caps = dict(caps)

    def __sklearn_clone__(self) -> dict[str, Any]:
        return {**clone(dict(self), safe=False), **self.caps}


@dataclass(frozen=True)
class Uncapped:
    """A number of threads that is left as the user has set it, though a fit's threads are fewer."""

    name: str  # of the parameter, as it would be set
    value: Any
    threads: float  # how many it asks for; infinity for all cores
    of: str  # whose parameter it is
    in_xgboost: bool = False  # whether it is XGBoost's, which takes no more than OMP_NUM_THREADS

    def __str__(self) -> str:
        return f"{self.name}={self.value} of {self.of}"


def uncapped(estimator: Any, candidates: Sequence[Mapping[str, Any]], threads: int) -> list[Uncapped]:
    """Return what `with_threads` leaves above `threads`, of `estimator` with any of the `candidates`' parameters.

    That is what the user has set to a number, and what lies where no parameter's name leads: in the
    grid of a search inside, in a list of estimators, among a function's arguments.
    """
    found: dict[str, Uncapped] = {}
    seen = set()
    for params in candidates:
        telling = {name: value for name, value in params.items() if _may_tell(name, value)}
        key = tuple((name, id(value)) for name, value in sorted(telling.items()))
        if key not in seen and (configured := _configured(estimator, telling)) is not None:
            found.update((str(one), one) for one in _uncapped_of(configured, threads))
        seen.add(key)
    return list(found.values())


def warnings_of(found: Sequence[Uncapped], threads: int) -> list[str]:
    """Return what to tell the user of `found` where a fit is to use the `threads` of a Spark task."""
    texts = []
    limited = max((one for one in found if one.in_xgboost), key=lambda one: one.threads, default=None)
    if limited is not None:
        # OMP_NUM_THREADS, which Spark sets to spark.task.cpus for its workers (PythonRunner.scala); where it does not,
        # `worker` holds native libraries to as many threads.
        texts.append(
            f"{limited.name}={limited.value} is set, and XGBoost may use {threads}: a Spark task has "
            f"spark.task.cpus={threads}. Set spark.task.cpus={limited.value}, or leave {limited.name} out."
        )
    others = [one for one in found if not one.in_xgboost]
    if others:
        texts.append(
            f"A Spark task has spark.task.cpus={threads}, and its fit may take more threads than that: "
            f"{', '.join(map(str, others))}. Set fewer there, or raise spark.task.cpus."
        )
    return texts


def _uncapped_of(estimator: Any, threads: int) -> Iterator[Uncapped]:
    owners = list(_owners(estimator, threads))
    reachable = {id(owner.estimator) for owner in owners}
    for owner in owners:
        for name, number in owner.numbers.items():
            if number > owner.share:
                yield Uncapped(owner.prefix + name, number, number, owner.kind, owner.package == "xgboost")
        for name, value in owner.params.items():
            yield from _out_of_reach(value, owner.prefix + name, owner.kind, threads, reachable)


def _out_of_reach(value: Any, name: str, of: str, threads: int, reachable: set[int]) -> Iterator[Uncapped]:
    if isinstance(value, Mapping):
        for key, inside in value.items():
            if isinstance(key, str) and key.rpartition("__")[2] in NAMES:
                for number in inside if isinstance(inside, (list, tuple)) else (inside,):
                    if is_integer(number) and not 0 <= number <= threads:
                        yield Uncapped(f"{name}[{key!r}]", number, _asked(number), of)
            yield from _out_of_reach(inside, f"{name}[{key!r}]", of, threads, reachable)
    elif isinstance(value, (list, tuple)):
        for inside in value:
            yield from _out_of_reach(inside, name, of, threads, reachable)
    elif is_estimator(value) and id(value) not in reachable:
        for owner in _owners(value, threads):
            for parameter in owner.wanting_all:
                yield Uncapped(parameter, owner.params.get(parameter), math.inf, f"{owner.kind} in {name} of {of}")
        for one in _uncapped_of(value, threads):
            yield Uncapped(one.name, one.value, one.threads, f"{one.of} in {name} of {of}", one.in_xgboost)


@dataclass(frozen=True)
class _Owner:
    """An estimator, itself or inside another one, and its own part of the threads."""

    prefix: str  # of its parameters' names
    estimator: Any
    params: Mapping[str, Any]
    share: int

    @property
    def kind(self) -> str:
        return type(self.estimator).__name__

    @property
    def package(self) -> str:
        """The first of `ALL_CORES_BY_DEFAULT` of which its class is, or inherits."""
        packages = [base.__module__.partition(".")[0] for base in type(self.estimator).__mro__]
        return next((package for package in packages if package in ALL_CORES_BY_DEFAULT), packages[0])

    @property
    def numbers(self) -> dict[str, int]:
        """The parameters that the user has set to a positive number."""
        return {name: value for name, value in self._set.items() if value > 0}

    @property
    def wanting_all(self) -> list[str]:
        """The parameters to set, so that it does not take all cores."""
        negative = [name for name, value in self._set.items() if value < 0]
        if self.package not in ALL_CORES_BY_DEFAULT or self.numbers:
            return negative
        zero = [name for name, value in self._set.items() if value == 0]
        return negative + zero or [ALL_CORES_BY_DEFAULT[self.package]]

    @property
    def at_once(self) -> int:
        """How many of those inside it run at the same time."""
        return max([1, *self.numbers.values(), *([self.share] if self.wanting_all else [])])

    @property
    def _set(self) -> dict[str, int]:
        return {name: self.params[name] for name in sorted(NAMES & set(self.params)) if is_integer(self.params[name])}


def _owners(estimator: Any, threads: int) -> Iterator[_Owner]:
    """Yield `estimator` and those inside it, outer ones first."""
    inside = {f"{name}__": value for name, value in estimator.get_params(deep=True).items() if is_estimator(value)}
    outer: dict[str, _Owner] = {}
    for prefix, owner in sorted({"": estimator, **inside}.items(), key=lambda named: named[0].count("__")):
        around = math.prod(one.at_once for name, one in outer.items() if prefix.startswith(name))
        outer[prefix] = _Owner(prefix, owner, owner.get_params(deep=False), max(1, threads // around))
        yield outer[prefix]


def _configured(estimator: Any, params: Mapping[str, Any]) -> Any:
    """Return a clone of `estimator` with `params`; None where they do not fit: scikit-learn's own fit is to say so."""
    try:
        return clone(estimator).set_params(**clone(dict(params), safe=False))
    except Exception:
        return None


def _may_tell(name: str, value: Any) -> bool:
    return is_number_of_threads(name) or isinstance(value, (Mapping, list, tuple)) or is_estimator(value)


def _asked(number: int) -> float:
    return number if number > 0 else math.inf
