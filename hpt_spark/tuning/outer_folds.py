"""``search.outer_cv``: the scores of a search on rows that it has not chosen by."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Sequence
from typing import Any

import numpy as np
from sklearn.base import clone

from hpt_spark.search.followers.follower import FitEnded, OuterFolds, SearchFollower, SearchState
from hpt_spark.search.followers.monitor import followed_by
from hpt_spark.search.nested import outer_scores, searches_at_once
from hpt_spark.search.results.end_reason import as_sentence
from hpt_spark.search.spark_search import SparkSearchMixin
from hpt_spark.tuning.roles import RowRoles
from hpt_spark.tuning.splitters import number_of_folds, takes_groups

_log = logging.getLogger(__name__)


class OuterProgress(SearchFollower):
    """Counts the fits of the outer folds' searches, several of which may run at a time, and tells the followers."""

    def __init__(self, folds: int, followers: Sequence[SearchFollower]) -> None:
        self._folds = folds
        self._followers = followers
        self._ended = self._fits = 0
        self._counting = threading.Lock()
        self._count()

    def fits_ended(self, fits: Sequence[FitEnded], state: SearchState) -> None:
        """Count results."""
        self._count(fits=len(fits))

    def fold_ended(self) -> None:
        """Count an outer fold."""
        self._count(folds=1)

    def _count(self, folds: int = 0, fits: int = 0) -> None:
        with self._counting:
            self._ended += folds
            self._fits += fits
            outer = OuterFolds(self._ended, self._folds, self._fits)
            for follower in self._followers:
                follower.outer_folds_changed(outer)


def score_outer_folds(
    search: Any,
    data: tuple[Any, Any, dict[str, Any]],
    outer: Any,
    roles: RowRoles,
    followers: Sequence[SearchFollower] = (),
) -> float:
    """Search again for each outer fold, give a fitted search ``outer_scores_``, and return the seconds that it took.

    They are a list of mappings: the ``score`` of an outer fold, and ``best_params`` and ``best_score`` of its search.
    A search that was ended early has none yet: its own fits come first. The `followers` learn of each outer fold.
    """
    if outer is None or getattr(search, "incomplete_", False):
        return 0.0
    started = time.monotonic()
    X, y, more = data
    again = clone(search)
    is_on_spark = isinstance(again, SparkSearchMixin)
    if is_on_spark:
        again.set_params(progress=False, tracking=None, keep_oof="none")
    cut_short: list[str] = []
    progress = OuterProgress(number_of_folds(outer, X, y, roles), followers)

    def ended(fold: int, fitted: Any) -> None:
        if getattr(fitted, "incomplete_", False):
            cut_short.append(fitted.end_clauses_[0])
        progress.fold_ended()
        best = getattr(fitted, "best_params_", {})
        _log.info("outer fold %d: the search is done, its best candidate is %s", fold + 1, best)

    with followed_by(progress):
        found = outer_scores(
            again,
            X,
            y,
            outer,
            groups=roles.groups if takes_groups(outer) else None,
            fit_params=more,
            at_once=searches_at_once(again, X, y) if is_on_spark else 1,
            ended=ended,
        )
    if cut_short:
        left_out = f"the outer folds are left out this time: {cut_short[0]}"
        _log.warning(left_out)
        search.incomplete_ = True
        search.end_reason_ = as_sentence([*search.end_clauses_, left_out])
        return time.monotonic() - started
    columns = (found["test_score"].tolist(), found["best_params"], found["best_score"])
    search.outer_scores_ = [
        {"score": score, "best_params": params, "best_score": best} for score, params, best in zip(*columns)
    ]
    _log.info("outer folds: %.5f (standard deviation %.5f)", np.mean(columns[0]), np.std(columns[0]))
    return time.monotonic() - started
