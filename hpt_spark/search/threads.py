"""How many threads a fit may use: Spark decides, by ``spark.task.cpus``."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

# For these packages n_jobs=None means all cores of the machine; for scikit-learn's estimators it means one.
ALL_CORES_BY_DEFAULT = ("xgboost", "lightgbm")

# Other names under which these packages take the number of threads.
OTHER_NAMES = frozenset({"nthread", "nthreads", "num_thread", "num_threads"})


def with_threads(estimator: Any, threads: int) -> Any:
    """Let `estimator`, and those inside it, use `threads` threads where they would use all cores.

    A positive number of threads that the user has set stays.

    Parameters
    ----------
    estimator : estimator
        Unfitted; its parameters are set in place.
    threads : int
    """
    params = estimator.get_params(deep=True)
    wanting_all = [name for name, owner in _owners_of_n_jobs(estimator, params) if _wants_all(owner, params[name])]
    return estimator.set_params(**dict.fromkeys(wanting_all, threads)) if wanting_all else estimator


def xgboost_threads(estimator: Any, candidates: Sequence[Mapping[str, Any]]) -> int:
    """Return the largest number of threads that is set for an XGBoost estimator; 0 for none.

    Parameters
    ----------
    estimator : estimator
        Its own parameters, and those of estimators inside it, count.
    candidates : sequence of mapping
        Parameters that are laid over them.
    """
    params = estimator.get_params(deep=True)
    inside = {name: value for name, value in params.items() if hasattr(value, "get_params")}
    numbers = [0]
    for prefix, owner in [("", estimator), *((f"{name}__", value) for name, value in inside.items())]:
        if _package(owner) == "xgboost":
            names = [f"{prefix}{name}" for name in ("n_jobs", *OTHER_NAMES)]
            given = [params, *candidates]
            numbers += [each[name] for each in given for name in names if isinstance(each.get(name), int)]
    return max(numbers)


def _owners_of_n_jobs(estimator: Any, params: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    for name in params:
        prefix, _, last = name.rpartition("__")
        if last == "n_jobs":
            yield name, params[prefix] if prefix else estimator


def _wants_all(owner: Any, n_jobs: Any) -> bool:
    if isinstance(n_jobs, int) and n_jobs < 0:
        return True
    return n_jobs in (None, 0) and _package(owner) in ALL_CORES_BY_DEFAULT and _given_elsewhere(owner) is None


def _given_elsewhere(owner: Any) -> Any:
    params = owner.get_params(deep=False)
    return next((params[name] for name in sorted(OTHER_NAMES & set(params)) if params[name] is not None), None)


def _package(owner: Any) -> str:
    return type(owner).__module__.partition(".")[0]
