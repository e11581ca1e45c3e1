"""What the results of an evaluation depend on, told apart by name."""

from __future__ import annotations

import hashlib
import importlib.metadata
import pickle
from typing import Any

import cloudpickle
import joblib

from hpt_spark.search.evaluation import Evaluation

PACKAGES = ("scikit-learn", "xgboost", "lightgbm", "numpy", "scipy")


def fingerprint(evaluation: Evaluation) -> dict[str, str]:
    """Return a digest of each thing that the scores of `evaluation` depend on.

    Returns
    -------
    dict of str to str
        ``X``, ``y``, ``folds``, ``candidates``, ``estimator``, ``threads`` (the last bits of XGBoost's
        sums depend on them), ``fit parameters``, ``scorer``, ``settings``
        and the release of each package that computes scores.
    """
    common = dict(evaluation.common)
    found = {
        "X": digest(evaluation.X),
        "y": digest(evaluation.y),
        "folds": digest(evaluation.folds),
        "candidates": digest([dict(candidate) for candidate in evaluation.candidates]),
        "estimator": digest([_name(type(evaluation.estimator)), evaluation.estimator.get_params()]),
        "threads": digest(_threads(evaluation)),
        "fit parameters": digest([evaluation.data.fit_params, evaluation.data.score_params]),
        "scorer": digest(common.pop("scorer")),
        "settings": digest([common.get("error_score"), common.get("return_train_score")]),
    }
    for package in PACKAGES:
        try:
            found[f"{package} release"] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            continue
    return found


def digest(value: Any) -> str:
    """Return a digest of `value` that is the same in another process.

    joblib's hash goes by values: equal arrays (mapped ones too), sets and dicts have equal hashes. What it cannot
    pickle, such as a lambda, goes by the bytes of its code, which are stable for one Python release.
    """
    try:
        return str(joblib.hash(value, hash_name="sha1", coerce_mmap=True))
    except (pickle.PicklingError, AttributeError, TypeError):
        return hashlib.sha1(cloudpickle.dumps(value, protocol=5)).hexdigest()


def _threads(evaluation: Evaluation) -> dict[str, Any]:
    params = evaluation.unfitted().get_params()
    return {name: value for name, value in params.items() if name.rpartition("__")[2] == "n_jobs"}


def _name(kind: type) -> str:
    return f"{kind.__module__}.{kind.__qualname__}"
