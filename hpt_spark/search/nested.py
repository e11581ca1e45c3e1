"""Nested cross-validation: how well a search does on rows that no choice of it has seen.

Each outer fold is a search of its own, in a thread of the driver. Several run at a time, on the same slots: where one
has no more fits to start, or is refitting, those of the next one begin.
"""

from __future__ import annotations

import contextvars
import math
import threading
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from functools import partial
from itertools import chain
from typing import Any

import numpy as np
import sklearn
from sklearn.base import clone, is_classifier
from sklearn.model_selection import check_cv, cross_validate

from hpt_spark.errors import ArgumentError
from hpt_spark.search.abandoned import gives_up, leave_if_abandoned
from hpt_spark.search.execution import spark_context
from hpt_spark.search.spark_search import SparkSearchMixin
from hpt_spark.signals import let_ctrl_c_raise


@let_ctrl_c_raise()
def nested_cross_validate(
    search: SparkSearchMixin,
    X: Any,
    y: Any = None,
    *,
    cv: Any = 5,
    groups: Any = None,
    fit_params: Mapping[str, Any] | None = None,
    scoring: Any = None,
    return_estimator: bool = False,
) -> dict[str, Any]:
    """Cross-validate a search: scikit-learn's ``cross_validate(search, X, y)``, several outer folds at a time.

    Parameters
    ----------
    search : GridSearchCV, RandomizedSearchCV, HalvingGridSearchCV, HalvingRandomSearchCV or OptunaSearchCV
        Is cloned for each outer fold; with a journal each of them has a folder of its own in there.
    X, y : array-like
    cv : int, splitter or iterable, default=5
        The outer folds; those of the searches are their own ``cv``.
    groups : array-like, default=None
        By which `cv` splits the rows.
    fit_params : mapping, default=None
        What the searches are fitted with; cut to the outer fold's rows, where it has a value for each.
    scoring : str, callable, list, tuple or dict, default=None
        How the outer folds are scored; by default as the search itself scores.
    return_estimator : bool, default=False
        Whether to return the fitted searches, too.

    Returns
    -------
    dict
        ``test_score``, ``fit_time`` and ``score_time``, and ``estimator`` where it is wanted, as ``cross_validate`` has
        them: the scores to the last bit. And for each outer fold ``best_params``, the choice of its search, and
        ``best_score``, that choice's mean score over the inner folds; both are None for a search that names no best
        candidate; and ``end_reason``, why its search has ended.

    Raises
    ------
    ArgumentError
        When `search` is none of these, or is to train no best candidate.

    Notes
    -----
    What a search raises ends them all. A `fit_time` is as long as the search took beside others. ``max_time`` is each
    search's own.
    """
    if not isinstance(search, SparkSearchMixin):
        raise ArgumentError(
            f"nested_cross_validate needs a search of hpt_spark, not {type(search).__name__}: for others there is "
            "scikit-learn's cross_validate."
        )
    at_once = searches_at_once(search, X, y)
    return outer_scores(search, X, y, cv, groups, fit_params, scoring, return_estimator, at_once)


def searches_at_once(search: SparkSearchMixin, X: Any, y: Any) -> int:
    """Return how many searches fill the slots, if each has one training per fold, and one more for their ends."""
    slots = spark_context.slots_of(spark_context.spark_of(search.sc))
    return 1 + math.ceil(slots / _inner_folds(search, X, y))


def outer_scores(
    search: Any,
    X: Any,
    y: Any,
    cv: Any,
    groups: Any = None,
    fit_params: Mapping[str, Any] | None = None,
    scoring: Any = None,
    return_estimator: bool = False,
    at_once: int = 1,
    ended: Callable[[int, Any], None] = lambda fold, search: None,
) -> dict[str, Any]:
    """Return what `nested_cross_validate` does, for any search.

    Parameters
    ----------
    at_once : int
        How many outer folds are searched at a time.
    ended : callable
        Is given the number of each outer fold whose search has ended, and that search.
    """
    if not search.refit:
        raise ArgumentError(f"refit={search.refit!r} leaves nothing to be scored on the outer folds: let it be True.")
    splits = list(check_cv(cv, y, classifier=is_classifier(search)).split(X, y, groups))
    if not splits:
        raise ArgumentError(f"cv={cv!r} has no outer folds: give a number of them, 2 or more, or a splitter.")
    config = sklearn.get_config()  # which is a thread's own
    # In the order of the folds, as cross_validate clones: a clone may draw a seed from a generator (XGBoost's does).
    searches = [clone(search) for _ in splits]

    def score(fold: int) -> dict[str, Any]:
        with sklearn.config_context(**config):
            found: dict[str, Any] = cross_validate(
                searches[fold],
                X,
                y,
                cv=[splits[fold]],
                params=fit_params,
                scoring=scoring,
                return_estimator=True,
                error_score="raise",
            )
        (fitted,) = found["estimator"]
        ended(fold, fitted)
        if not return_estimator:
            del found["estimator"]  # and its model
        for name in ("best_params", "best_score", "end_reason"):
            found[name] = [getattr(fitted, f"{name}_", None)]
        return found

    results: list[dict[str, Any]] = [{} for _ in splits]

    def score_one_by_one(folds: Sequence[int]) -> None:
        for fold in folds:
            results[fold] = score(fold)

    alike: dict[bytes, list[int]] = {}  # folds with the same training rows: the same search, with the same journal
    for fold, (train, _) in enumerate(splits):
        alike.setdefault(np.asarray(train).tobytes(), []).append(fold)
    _in_threads([partial(score_one_by_one, folds) for folds in alike.values()], at_once)
    return {
        name: np.concatenate(columns) if isinstance(columns[0], np.ndarray) else list(chain.from_iterable(columns))
        for name in results[0]
        for columns in [[one[name] for one in results]]
    }


def _inner_folds(search: Any, X: Any, y: Any) -> int:
    """Return how many folds a search has; 2 where that depends on groups: it only tells how many searches to begin."""
    try:
        return max(1, int(check_cv(search.cv, y).get_n_splits(X, y)))
    except (TypeError, ValueError):
        return 2


def _in_threads(work: Sequence[Callable[[], object]], at_once: int) -> None:
    """Do all pieces of work; what one raises, and Ctrl-C, ends them all."""
    if at_once == 1:
        for one in work:
            one()
        return
    is_over = threading.Event()

    def run(one: Callable[[], object]) -> None:
        gives_up.set(is_over)
        leave_if_abandoned()
        one()

    with ThreadPoolExecutor(min(at_once, len(work)), "hpt-spark-outer") as pool:
        try:
            futures = [pool.submit(contextvars.copy_context().run, run, one) for one in work]
            done, _ = wait(futures, return_when=FIRST_EXCEPTION)
            for future in done:
                future.result()
        except BaseException:
            is_over.set()
            raise  # when all have left
