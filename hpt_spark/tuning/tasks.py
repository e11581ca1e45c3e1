"""The task of a search: its defaults, its checks of the estimator, and the metadata routed to its fits."""

from __future__ import annotations

import inspect
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import sklearn
from sklearn.base import is_classifier, is_regressor

from hpt_spark.config.search_section import SearchSection
from hpt_spark.errors import ConfigError
from hpt_spark.tuning.roles import RowRoles

_log = logging.getLogger(__name__)

# The configuration's defaults are for a classification; other tasks replace them.
DEFAULTS = {
    "scoring": {"neg_log_loss": {"regression": "neg_root_mean_squared_error", "ranking": "ndcg"}},
    "estimator": {"xgboost.XGBClassifier": {"regression": "xgboost.XGBRegressor", "ranking": "xgboost.XGBRanker"}},
}


def for_task(settings: SearchSection, task: str) -> SearchSection:
    """Return `settings` with the defaults of a task in place of the defaults for a classification."""
    changed = {
        key: instead[getattr(settings, key)][task]
        for key, instead in DEFAULTS.items()
        if isinstance(getattr(settings, key), str) and task in instead.get(getattr(settings, key), {})
    }
    for key, value in changed.items():
        _log.info("search.%s=%s, because %s suits no %s", key, value, getattr(settings, key), task)
    return settings.model_copy(update=changed)


def check_task(estimator: Any, name: str, roles: RowRoles) -> None:
    """Raise ConfigError when an estimator does not suit the task, or cannot take the rows' weights or queries."""
    task = roles.task
    if task == "ranking":
        if not _takes(estimator, "qid"):
            raise ConfigError(
                f"search.estimator={name} takes no qid, by which a ranking tells queries apart; name one that does, "
                "such as xgboost.XGBRanker."
            )
        if roles.weights is not None:
            raise ConfigError("features.table.weight: a ranking weighs queries, not rows; leave the weights out.")
        return
    if (task == "regression" and is_classifier(estimator)) or (task == "classification" and is_regressor(estimator)):
        other = "classification" if task == "regression" else "regression"
        raise ConfigError(
            f"search.estimator={name} does not suit a {task}; name another, or write features.table.task: {other}."
        )
    if roles.weights is not None and not _takes(estimator, "sample_weight"):
        raise ConfigError(
            f"search.estimator={name} takes no weights that scikit-learn could route to it; name another, or leave out "
            "features.table.weight."
        )


def _takes(estimator: Any, name: str) -> bool:
    return hasattr(estimator, "set_fit_request") and name in inspect.signature(estimator.fit).parameters


@contextmanager
def routing(roles: RowRoles) -> Iterator[None]:
    """Enable scikit-learn's metadata routing where rows have weights or groups."""
    if not roles.are_routed:
        yield
        return
    with sklearn.config_context(enable_metadata_routing=True):
        yield


def requesting(estimator: Any, roles: RowRoles) -> Any:
    """Return `estimator` with a request for the metadata of its fit; within `routing`."""
    if roles.task == "ranking":
        return estimator.set_fit_request(qid=True)
    return estimator.set_fit_request(sample_weight=True) if roles.weights is not None else estimator


def fit_arguments(roles: RowRoles, by_groups: bool) -> dict[str, Any]:
    """Return the arguments of ``fit`` beside X and y."""
    found: dict[str, Any] = {} if roles.weights is None else {"sample_weight": roles.weights}
    if roles.groups is not None and by_groups:
        found["groups"] = roles.groups
    if roles.task == "ranking":
        found["qid"] = roles.groups
    return found
