"""``search.cv`` in the configuration: a number of folds, or the name of a splitter of scikit-learn."""

from __future__ import annotations

import inspect
import logging
from collections.abc import Mapping
from functools import cache
from typing import Any

from sklearn import model_selection

from hpt_spark.config.yaml_text import as_yaml
from hpt_spark.errors import ConfigError, did_you_mean
from hpt_spark.tuning.roles import NO_ROLES, RowRoles

_log = logging.getLogger(__name__)


def splitter_of(cv: int | dict[str, Any], roles: RowRoles, key: str = "search.cv") -> Any:
    """Return the argument ``cv`` of a search of scikit-learn, a splitter or a number of folds, for the setting `key`.

    A number means stratified folds for a classifier, as in scikit-learn; with groups it means folds that keep each
    group together.
    """
    if isinstance(cv, dict):
        return build_splitter(cv, key)
    if roles.groups is None:
        return cv
    kind = "StratifiedGroupKFold" if roles.task == "classification" else "GroupKFold"
    _log.info("%s=%s: %s, which keeps the rows of a group in one fold", key, cv, kind)
    return getattr(model_selection, kind)(cv)


def build_splitter(wanted: Mapping[str, Any], key: str = "search.cv") -> Any:
    """Return the splitter that a mapping of its name and its parameters describes.

    Random folds get the seed 0 if none is given: a search with other folds could not be resumed.

    Raises
    ------
    ConfigError
        When scikit-learn has no such splitter, or it does not take the parameters.
    """
    name, given = wanted["splitter"], {key: value for key, value in wanted.items() if key != "splitter"}
    known = splitters()
    if name not in known:
        hint = did_you_mean(name, known, f"it has {', '.join(sorted(known))}.")
        raise ConfigError(f"{key}: {name} is not a splitter of scikit-learn; {hint}")
    takes = list(inspect.signature(known[name]).parameters)
    for parameter in given:
        if parameter not in takes:
            hint = did_you_mean(str(parameter), takes, f"it takes {', '.join(takes) or 'nothing'}.")
            raise ConfigError(f"{key}: {name} does not take {parameter}; {hint}")
    if "random_state" in takes and given.get("random_state") is None and given.get("shuffle", "shuffle" not in takes):
        given["random_state"] = 0
    try:
        return known[name](**given)
    except (TypeError, ValueError) as error:
        raise ConfigError(f"{key}={as_yaml(dict(wanted))} does not fit {name}: {error}") from None


@cache
def splitters() -> dict[str, type]:
    """Return scikit-learn's splitters by name, without base classes, some of which are not abstract to Python."""
    # Halving, which is experimental, may be named there and not be importable.
    found = ((name, getattr(model_selection, name, None)) for name in model_selection.__all__ if "Search" not in name)
    return {
        name: kind
        for name, kind in found
        if isinstance(kind, type) and hasattr(kind, "split") and not name.startswith("Base")
    }


def takes_groups(splitter: Any) -> bool:
    """Return whether a splitter goes by groups."""
    return isinstance(
        splitter,
        (
            model_selection.GroupKFold,
            model_selection.GroupShuffleSplit,
            model_selection.LeaveOneGroupOut,
            model_selection.LeavePGroupsOut,
            model_selection.StratifiedGroupKFold,
        ),
    )


def check_splitter(splitter: Any, X: Any, y: Any, roles: RowRoles, key: str = "search.cv") -> None:
    """Raise ConfigError when `splitter` cannot split the rows, which scikit-learn finds out only in the search."""
    if isinstance(splitter, int):
        splitter = model_selection.check_cv(splitter, y, classifier=roles.task == "classification")
    if isinstance(splitter, model_selection.TimeSeriesSplit) and not roles.are_in_order:
        raise ConfigError(
            f"{key}: TimeSeriesSplit goes by the order of the rows, which have none without features.table.id; name "
            "the column whose values follow time, or choose another splitter."
        )
    if takes_groups(splitter) and roles.groups is None:
        raise ConfigError(
            f"{key}: {type(splitter).__name__} needs groups; name their column with features.table.group, or "
            "choose a splitter without them."
        )
    if roles.groups is not None and not takes_groups(splitter):
        kind = type(splitter).__name__
        if roles.task == "ranking":
            raise ConfigError(f"{key}: {kind} tears queries apart; choose GroupKFold or another that keeps groups.")
        _log.warning("%s: %s pays no heed to the groups of features.table.group", key, kind)
    try:
        next(iter(splitter.split(X, y, roles.groups if takes_groups(splitter) else None)))
    except (ValueError, StopIteration) as error:
        raise ConfigError(f"{key}: {type(splitter).__name__} cannot split these rows: {error}") from None


def number_of_folds(splitter: Any, X: Any = None, y: Any = None, roles: RowRoles = NO_ROLES) -> int:
    """Return the number of folds; some splitters need the rows to tell it."""
    if isinstance(splitter, int):
        return splitter
    return int(splitter.get_n_splits(X, y, roles.groups))


def folds_of_each_class(splitter: Any) -> int:
    """Return how many rows of each class the folds need: 1 for folds that are not stratified."""
    if isinstance(splitter, int):
        return splitter
    if isinstance(splitter, (model_selection.StratifiedKFold, model_selection.StratifiedGroupKFold)):
        return int(splitter.n_splits)
    if isinstance(splitter, model_selection.RepeatedStratifiedKFold):
        return int(splitter.cvargs["n_splits"])
    return 2 if isinstance(splitter, model_selection.StratifiedShuffleSplit) else 1
