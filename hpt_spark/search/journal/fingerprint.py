"""Digests of all that the result of a fit depends on: the fits' common parts by name, the candidate, the fold."""

from __future__ import annotations

import importlib.metadata
import sys
from collections.abc import Hashable
from typing import Any

import numpy as np
from sklearn.base import clone
from sklearn.metrics import check_scoring

from hpt_spark.search.evaluation import Evaluation
from hpt_spark.search.journal.data_digests import PRIMITIVES, combine, primitives_digest
from hpt_spark.search.journal.digests import Digester
from hpt_spark.search.planning.threads import is_number_of_threads

# Is raised when a fingerprint holds more than it did: what was recorded with less cannot be trusted.
FORMAT = "6"

# They compute in every search; what else computes is met among the objects that are digested.
PACKAGES = ("scikit-learn", "numpy", "scipy")

KEY_LENGTH = 32

# How scikit-learn shows an estimator, not what one computes.
FOR_PEOPLE = frozenset({"display", "print_changed_only"})


def fingerprint(evaluation: Evaluation) -> dict[str, str]:
    """Return a digest of each thing that all scores of `evaluation` depend on, whatever the candidate and the fold.

    Returns
    -------
    dict of str to str
        ``format``, ``X``, ``y``, ``estimator`` and each parameter of it, ``threads`` (the last bits of
        XGBoost's sums depend on them), each fit parameter, ``scorer``, ``settings``; the code of each
        function and class of the user's own that one of them uses, and the values that this code uses;
        the release of Python and of each installed package that was met.

    Raises
    ------
    InputError
        When one of them holds what cannot be compared with that of another run, such as a lock.
    """
    common = dict(evaluation.common)
    digester = Digester()
    params = evaluation.unfitted().get_params()
    threads = {name: value for name, value in params.items() if is_number_of_threads(name)}
    found = {
        "format": FORMAT,
        "X": digester.digest("X", evaluation.data.X),
        "y": digester.digest("y", evaluation.data.y),
        "estimator": digester.digest("estimator", evaluation.estimator, cloned=True),
        "threads": digester.digest("threads", threads),
    }
    found |= {name: combine(*sorted(digests)).hex() for name, digests in digester.parameters.items()}
    for kind, given in (("fit", evaluation.data.fit_params), ("score", evaluation.data.score_params)):
        for name, value in sorted(given.items()):
            found[f"{kind} parameter `{name}`"] = digester.digest(f"{kind} parameter `{name}`", value)
    found["scorer"] = digester.digest("scorer", _scorer(common.pop("scorer"), evaluation.estimator))
    config = {name: value for name, value in evaluation.sklearn_config.items() if name not in FOR_PEOPLE}
    settings = [common.get("error_score"), common.get("return_train_score"), config]
    found["settings"] = digester.digest("settings", settings)
    releases = {name: importlib.metadata.version(name) for name in PACKAGES} | digester.releases
    releases["Python"] = f"{sys.version_info.major}.{sys.version_info.minor}"
    return found | digester.code | {f"{name} release": release for name, release in sorted(releases.items())}


def _scorer(scorer: Any, estimator: Any) -> Any:
    """Return the scorer, or None for the estimator's own ``score``, whose scorer holds a perhaps fitted estimator."""
    if hasattr(estimator, "score") and type(scorer) is type(check_scoring(clone(estimator))):
        return None
    return scorer


def candidate_keys(evaluation: Evaluation) -> list[str]:
    """Return a digest of each candidate: of its values, and of the code and the releases that these depend on.

    Raises
    ------
    InputError
        When a value cannot be compared with that of another run.
    """
    found: dict[tuple[str, int], tuple[Any, bytes]] = {}  # with each value, so that its id stays its own
    keys = []
    for candidate in evaluation.candidates:
        parts = []
        for name, value in sorted(candidate.items()):
            if type(value) in PRIMITIVES:
                parts.append(combine(name, primitives_digest([value])))
                continue
            if (name, id(value)) not in found:
                found[name, id(value)] = (value, value_digest(name, value))
            parts.append(found[name, id(value)][1])
        if any(is_number_of_threads(name) or hasattr(value, "get_params") for name, value in candidate.items()):
            parts.append(primitives_digest([evaluation.threads]))  # to which the value may be held
        keys.append(combine(*parts).hex()[:KEY_LENGTH])
    return keys


def fold_keys(evaluation: Evaluation) -> list[str]:
    """Return a digest of the rows of each fold."""
    return [evaluation.folds.key(fold).hex() for fold in range(len(evaluation.folds))]


def value_digest(name: str, value: Any) -> bytes:
    """Return a digest of a candidate's value of the parameter `name`, which is no primitive one."""
    digester = Digester()
    digest = digester.digest("candidates", {name: value}, "use", cloned=True)
    return primitives_digest([digest, *map(str, sorted([*digester.code.items(), *digester.releases.items()]))])


def value_key(name: str, value: Any) -> Hashable:
    """Return a key of a candidate's value of the parameter `name`, equal for equal values.

    What has no digest is equal to itself alone.
    """
    is_scalar = isinstance(value, np.generic) and not isinstance(value, np.void)  # whose text may leave something out
    if is_scalar or type(value) in PRIMITIVES:
        return type(value), repr(value)  # NaN equals NaN, and True is not 1
    try:
        return value_digest(name, value)
    except Exception:  # of its own code, or of Python, where it is nested too deeply; InputError where it has none
        return id(value)
