"""What the results of an evaluation depend on, told apart by name."""

from __future__ import annotations

import importlib.metadata
import sys
from collections.abc import Mapping
from typing import Any

from sklearn.base import clone
from sklearn.metrics import check_scoring

from hpt_spark.search.evaluation import Evaluation
from hpt_spark.search.journal.digests import Digester
from hpt_spark.search.planning.threads import is_number_of_threads

# Is raised when a fingerprint holds more than it did: what was recorded with less cannot be trusted.
FORMAT = "2"

# They compute in every search; what else computes is met among the objects that are digested.
PACKAGES = ("scikit-learn", "numpy", "scipy")

# How scikit-learn shows an estimator, not what one computes.
FOR_PEOPLE = frozenset({"display", "print_changed_only"})


def fingerprint(evaluation: Evaluation) -> dict[str, str]:
    """Return a digest of each thing that the scores of `evaluation` depend on.

    Returns
    -------
    dict of str to str
        ``format``, ``X``, ``y``, ``folds``, ``candidates``, ``estimator``, ``threads`` (the last bits of
        XGBoost's sums depend on them), each fit parameter, ``scorer``, ``settings``; the code of each function
        and class of the user's own that one of them uses, and the values that this code uses;
        the release of Python and of each installed package that was met.

    Raises
    ------
    InputError
        When one of them holds what cannot be compared with that of another run, such as a lock.
    """
    common = dict(evaluation.common)
    digester = Digester()
    found = {
        "format": FORMAT,
        "X": digester.digest("X", evaluation.X),
        "y": digester.digest("y", evaluation.y),
        "folds": digester.digest("folds", [list(fold) for fold in evaluation.folds]),
        "estimator": digester.digest("estimator", evaluation.estimator, cloned=True),
        "candidates": digester.digest(
            "candidates", [dict(candidate) for candidate in evaluation.candidates], "use", cloned=True
        ),
        "threads": digester.digest("threads", _threads(evaluation)),
    }
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


def _threads(evaluation: Evaluation) -> Mapping[str, Any]:
    """Return the threads of the estimator, and those of a task where a candidate's value may be held to them."""
    params = evaluation.unfitted().get_params()
    found = {name: value for name, value in params.items() if is_number_of_threads(name)}
    values = [pair for candidate in evaluation.candidates for pair in candidate.items()]
    if any(is_number_of_threads(name) or hasattr(value, "get_params") for name, value in values):
        found["of a task"] = evaluation.threads
    return found
