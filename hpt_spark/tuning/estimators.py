"""Estimators named in the configuration: found, built, and their parameters checked before anything runs."""

from __future__ import annotations

import inspect
import json
import sys
import warnings
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
from scipy.sparse import issparse

from hpt_spark.config.dotted_paths import NotThereError, imported
from hpt_spark.errors import ConfigError, InputError, did_you_mean, listed
from hpt_spark.matrix.columns import LARGEST, columns_with


def build_estimator(name: str, params: Mapping[str, Any]) -> Any:
    """Return an unfitted estimator.

    Parameters
    ----------
    name : str
        Dotted path of its class, e.g. ``xgboost.XGBClassifier``.
    params : mapping
        Its parameters.

    Raises
    ------
    ConfigError
        When there is no such class or it does not know a parameter.
    """
    estimator_class = find_estimator_class(name)
    try:
        estimator = estimator_class()
    except Exception as error:
        raise ConfigError(
            f"search.estimator={name} cannot be built without arguments ({error}); name another."
        ) from None
    refuse_unknown(params, estimator, "search.estimator_params", name)
    try:
        return estimator.set_params(**params)
    except (TypeError, ValueError) as error:
        raise ConfigError(f"search.estimator_params do not fit {name}: {error}") from None


def find_estimator_class(name: str) -> type:
    """Return the class with the dotted path `name`."""
    try:
        found = imported(name, "search.estimator")
    except NotThereError:
        path = (
            "give the dotted path of a class, e.g. xgboost.XGBClassifier or sklearn.linear_model.LogisticRegression, "
            "from a package installed here."
        )
        module, _, attribute = name.rpartition(".")
        near = did_you_mean(attribute, _estimators_of(module), path, f"{module}.", cutoff=0.8)
        raise ConfigError(f"search.estimator={name} cannot be imported; {near}") from None
    if not (hasattr(found, "fit") and hasattr(found, "get_params")):
        raise ConfigError(f"search.estimator={name} has no fit and get_params; give a scikit-learn estimator.")
    return found


def _estimators_of(module: str) -> list[str]:
    """Return the names of the estimators in `module`, if it could be imported."""
    found = vars(sys.modules[module]) if module in sys.modules else {}
    return [name for name, one in found.items() if isinstance(one, type) and hasattr(one, "fit")]


def check_class_sizes(y: np.ndarray, classes: Sequence[Any], folds: int, of_table: bool = False) -> None:
    """Raise InputError when there is one class only, or a class has fewer rows than there are folds.

    Such a class is absent from a fold's training rows, and the estimators of different folds
    would know different classes. With `of_table` the rows are of a table of the user's own.
    """
    if len(classes) == 1 and of_table:
        raise InputError(
            f"all training rows have the label {classes[0]}, but a search needs at least two classes; name another "
            "table or another features.table.label, then run `hpt-spark build_features` again."
        )
    if len(classes) == 1:
        raise InputError(
            f"all training devices are of one group, {classes[0]}, but a search needs at least two; correct the file "
            "gender_age_train, then run `hpt-spark ingest` and `hpt-spark build_features` again."
        )
    sizes = np.bincount(y, minlength=len(classes))
    small = [f"{name} ({size})" for name, size in zip(classes, sizes) if size < folds]
    if small and of_table:
        raise InputError(
            f"too few training rows for the {folds} folds of search.cv in the classes {listed(small)}; "
            f"each needs at least {folds}: lower search.cv, leave these rows out, or write features.table.task: "
            "regression where the label is a number."
        )
    if small:
        raise InputError(
            f"too few training devices for search.cv={folds} in group {', '.join(small)}; each group needs at least "
            f"{folds}: lower search.cv or leave out the group."
        )


def check_number_range(name: str, X: Any, columns: Sequence[tuple[str, str]]) -> None:
    """Raise InputError for a number in `X` that is infinite in the 32 bits of XGBoost, if `name` is a class of it."""
    values = X.data if issparse(X) else X
    if not name.startswith("xgboost.") or not _has_beyond_float32(values):
        return
    beyond = listed(columns_with(_is_beyond_float32, X, columns))
    raise InputError(
        f"the design has numbers beyond {LARGEST:.3g}, the largest that {name} can hold, in {beyond}; divide them, "
        "take their logarithm, or leave the columns out, then run `hpt-spark build_features` again."
    )


def _has_beyond_float32(values: np.ndarray) -> bool:
    # These two ignore NaN and copy nothing: the matrix may be gigabytes.
    ends = np.array([np.fmin.reduce(values, axis=None, initial=0), np.fmax.reduce(values, axis=None, initial=0)])
    return bool(_is_beyond_float32(ends).any())


def _is_beyond_float32(values: np.ndarray) -> np.ndarray:
    with np.errstate(over="ignore"):
        return np.isinf(values.astype(np.float32))


def known_parameters(estimator: Any) -> set[str]:
    """Return the names of the parameters of `estimator`.

    The constructor's names count too, because CatBoost's ``get_params`` lists only what was set.
    XGBoost's classes take any name and leave it to the library, which only warns of one it does not
    know; the library's own names are read from the settings of a tiny booster.
    """
    params = estimator.get_params(deep=True)
    inside = {f"{name}__": value for name, value in params.items() if hasattr(value, "get_params")}
    known = set(params)
    for prefix, owner in {"": estimator, **inside}.items():
        known |= {prefix + name for name in _names_of_the_constructor(owner)}
    if type(estimator).__module__.partition(".")[0] == "xgboost":
        known |= _booster_parameters()
    return known


def _names_of_the_constructor(estimator: Any) -> list[str]:
    parameters = inspect.signature(type(estimator)).parameters.values()
    return [one.name for one in parameters if one.kind in (one.POSITIONAL_OR_KEYWORD, one.KEYWORD_ONLY)]


def _booster_parameters() -> set[str]:
    import xgboost

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        booster = xgboost.train({}, xgboost.DMatrix(np.zeros((2, 1)), label=np.zeros(2)), num_boost_round=1)
    names: set[str] = {"nthread", "seed", "eta", "lambda", "alpha", "min_split_loss"}

    def collect(settings: Mapping[str, Any]) -> None:
        for name, value in settings.items():
            names.add(name)
            if isinstance(value, dict):
                collect(value)

    collect(json.loads(booster.save_config()))
    return names


def refuse_unknown(given: Iterable[str], estimator: Any, key: str, name: str) -> None:
    """Raise ConfigError when the setting `key` names a parameter that the estimator of the class `name` lacks."""
    known = known_parameters(estimator)
    problems = []
    for parameter in sorted(set(given) - known):
        hint = did_you_mean(parameter, known, otherwise="", cutoff=0.8 if _takes_others(estimator) else 0.6)
        if hint or not _takes_others(estimator):
            problems.append(f"{parameter} ({hint})" if hint else parameter)
    if problems:
        raise ConfigError(f"{key} names what {name} does not know: {', '.join(problems)}.")


def _takes_others(estimator: Any) -> bool:
    """Return whether there are parameters that only the estimator's library knows, such as LightGBM's ``verbose``."""
    parameters = inspect.signature(type(estimator)).parameters.values()
    is_xgboost = type(estimator).__module__.partition(".")[0] == "xgboost"
    return not is_xgboost and any(parameter.kind is parameter.VAR_KEYWORD for parameter in parameters)
