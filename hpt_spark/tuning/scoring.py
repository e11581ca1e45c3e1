"""Scorers by their names in the configuration, with the weights and the queries of rows routed to them."""

from __future__ import annotations

import inspect
import logging
from typing import Any

import numpy as np
from sklearn.metrics import get_scorer, get_scorer_names, make_scorer, ndcg_score

from hpt_spark.config.search_section import SearchSection
from hpt_spark.errors import ConfigError, did_you_mean
from hpt_spark.search.sklearn_compat import metric_of
from hpt_spark.tuning.roles import RowRoles

_log = logging.getLogger(__name__)

NDCG = "ndcg"


def ndcg(y_true: np.ndarray, y_pred: np.ndarray, qid: np.ndarray) -> float:
    """Return the mean of scikit-learn's ``ndcg_score`` over the queries that have more than one row.

    Parameters
    ----------
    y_true, y_pred : ndarray of float
        The relevance of each row, and its prediction.
    qid : ndarray of int
        The query of each row.
    """
    y_true, y_pred, qid = (np.asarray(values) for values in (y_true, y_pred, qid))
    order = np.argsort(qid, kind="stable")
    starts = np.flatnonzero(np.diff(qid[order], prepend=qid[order][0] - 1)) if len(order) else np.array([], int)
    queries = [rows for rows in np.split(order, starts[1:]) if len(rows) > 1]
    if not queries:
        return float("nan")
    return float(np.mean([ndcg_score([y_true[rows]], [y_pred[rows]]) for rows in queries]))


def check_scoring(name: str) -> None:
    """Raise ConfigError when there is no such scorer."""
    if name == NDCG:
        return
    try:
        get_scorer(name)
    except (ValueError, KeyError):
        hint = did_you_mean(name, [*get_scorer_names(), NDCG], "see sklearn.metrics.get_scorer_names().")
        raise ConfigError(f"search.scoring={name} is not a scorer of scikit-learn; {hint}") from None


def scoring_argument(settings: SearchSection, roles: RowRoles) -> Any:
    """Return the argument ``scoring`` of a search of scikit-learn; of several scorings the deciding one comes first."""
    names = [settings.metric, *(name for name in settings.metrics if name != settings.metric)]
    if not roles.are_routed and NDCG not in names:
        return names[0] if len(names) == 1 else names
    scorers = {name: _routed(name, roles) for name in names}
    return scorers[names[0]] if len(names) == 1 else scorers


def _routed(name: str, roles: RowRoles) -> Any:
    if name == NDCG:
        if roles.task != "ranking":
            raise ConfigError(
                "search.scoring=ndcg goes by queries: write features.table.task: ranking, and features.table.group."
            )
        return make_scorer(ndcg).set_score_request(qid=True)
    scorer = get_scorer(name)
    if roles.weights is None:
        return scorer
    metric, _ = metric_of(scorer)
    if metric is not None and "sample_weight" not in inspect.signature(metric).parameters:
        _log.warning("search.scoring=%s takes no weights: this score counts each row once", name)
        return scorer
    return scorer.set_score_request(sample_weight=True)
