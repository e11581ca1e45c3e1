"""A search as the configuration describes it."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from traceback import format_exception_only
from typing import Any

import numpy as np

from hpt_spark.config.search_rules import HALVING, USED_BY
from hpt_spark.config.search_section import SearchSection
from hpt_spark.config.sections import SparkSection
from hpt_spark.errors import ConfigError, HptSparkError
from hpt_spark.search.followers.follower import SearchFollower
from hpt_spark.search.followers.live_view import LiveView
from hpt_spark.search.results.reasons import reason_of, reason_of_most
from hpt_spark.search.strategies.rounds import Rounds
from hpt_spark.spark.session import spark_session
from hpt_spark.storage import FolderLock
from hpt_spark.tuning.best import refit_argument
from hpt_spark.tuning.estimators import build_estimator, refuse_unknown
from hpt_spark.tuning.outer_folds import score_outer_folds
from hpt_spark.tuning.roles import NO_ROLES, RowRoles
from hpt_spark.tuning.scoring import check_scoring
from hpt_spark.tuning.splitters import build_splitter, check_splitter, splitter_of, takes_groups
from hpt_spark.tuning.strategies import CLASS_NAMES, OF_OURS_ALONE, check_resources, search_arguments
from hpt_spark.tuning.tasks import check_task, fit_arguments, requesting, routing

REMEDY_FOR_DATA = (
    "name another search.estimator, one that takes such numbers, or correct the table; features.table.missing: zero "
    "makes zeros of missing ones."
)


def checked_estimator(settings: SearchSection) -> Any:
    """Return the estimator to be tuned, after all checks that need no data."""
    estimator = build_estimator(settings.estimator, settings.estimator_params)
    for grid in settings.grids:
        refuse_unknown(grid, estimator, "search.param_grid", settings.estimator)
    for name in settings.metrics:
        check_scoring(name)
    if isinstance(settings.cv, dict):
        build_splitter(settings.cv)
    if isinstance(settings.outer_cv, dict):
        build_splitter(settings.outer_cv, "search.outer_cv")
    refit_argument(settings)
    if settings.strategy in HALVING and settings.resource != "n_samples":
        refuse_unknown([settings.resource], estimator, "search.resource", settings.estimator)
    if settings.rounds is not None:
        parameter = Rounds.of(settings.rounds, estimator).parameter
        if any(parameter in grid for grid in settings.grids):
            raise ConfigError(f"{parameter} is in search.param_grid, and search.rounds chooses it: leave it out there.")
    return estimator


@contextmanager
def checked_search(
    settings: SearchSection, X: Any, y: Any, roles: RowRoles
) -> Iterator[tuple[Any, dict[str, Any], dict[str, Any]]]:
    """Give the estimator, the arguments of the search class and those of ``fit``, after all checks.

    Within the ``with`` scikit-learn routes the weights and the groups of rows.
    """
    estimator = checked_estimator(settings)
    check_task(estimator, settings.estimator, roles)
    if settings.strategy in HALVING:
        check_resources(settings, estimator, y, roles)
    with routing(roles):
        arguments = search_arguments(settings, roles)
        check_splitter(arguments["cv"], X, y, roles)
        yield requesting(estimator, roles), arguments, fit_arguments(roles, takes_groups(arguments["cv"]))


def run_search(
    settings: SearchSection,
    spark: SparkSection,
    X: Any,
    y: Any,
    journal: str,
    lock: FolderLock | None = None,
    begin: Callable[[], None] = lambda: None,
    followers: Sequence[SearchFollower] = (),
    roles: RowRoles = NO_ROLES,
) -> tuple[Any, float]:
    """Run the search that `settings` describe.

    Parameters
    ----------
    settings : SearchSection
    spark : SparkSection
    X, y : array-like
    journal : str
        The folder where ``backend: spark`` keeps results as they arrive, and resumes from.
    lock : FolderLock, optional
        The lock of `journal`, where the caller holds it already.
    begin : callable, optional
        Called when all is ready for the first fit, Spark included: it may remove earlier results, which a wrong setting
        must not cost.
    followers : sequence of SearchFollower
        Followers beside the live view.
    roles : RowRoles, optional
        The task, the weights and the groups of rows.

    Returns
    -------
    search : fitted search
        scikit-learn's own over processes of this machine for ``backend: joblib``, ours for
        ``backend: spark``; with ``outer_scores_``, if `settings` name outer folds.
    seconds : float
        How long it took, the refit included, the start of Spark not.

    Raises
    ------
    ConfigError
        When no candidate has a score, because all fits fail or the scoring does not suit the target.

    Notes
    -----
    A fit gets one thread with joblib, and ``spark.task.cpus`` with Spark, where a refit on an executor gets as many. A
    refit on the driver runs alone there, with the threads that the estimator takes by itself.
    """
    with checked_search(settings, X, y, roles) as (estimator, arguments, more):
        outer = None
        if settings.outer_cv is not None:
            outer = splitter_of(settings.outer_cv, roles, "search.outer_cv")
            check_splitter(outer, X, y, roles, "search.outer_cv")
        with _search_on_backend(settings, spark, estimator, arguments, journal, lock) as search:
            search.followers = [*search.followers, *followers]
            begin()
            fitted, seconds = _timed_fit(search, settings.metric, X, y, more)
            return fitted, seconds + score_outer_folds(fitted, (X, y, more), outer, roles, followers)


@contextmanager
def _search_on_backend(
    settings: SearchSection,
    spark: SparkSection,
    estimator: Any,
    arguments: dict[str, Any],
    journal: str,
    lock: FolderLock | None,
) -> Iterator[Any]:
    """Give the unfitted search, while its Spark or its live view is open."""
    if settings.backend == "joblib":
        from hpt_spark.tuning import joblib_backend

        with LiveView() as view:
            search = getattr(joblib_backend, CLASS_NAMES[settings.strategy])(
                estimator, n_jobs=settings.n_jobs, **arguments
            )
            search.followers = [view]
            yield search
        return

    import hpt_spark

    with spark_session("tune", spark) as session:
        of_ours = {name: getattr(settings, name) for name in OF_OURS_ALONE if settings.strategy in USED_BY[name]}
        search = getattr(hpt_spark, CLASS_NAMES[settings.strategy])(
            estimator,
            sc=session.sparkContext,
            journal=journal,
            warm_start=settings.warm_start,
            max_time=settings.max_time,
            max_fit_time=settings.max_fit_time,
            refit_on=settings.refit_on,
            keep_oof=settings.keep_oof,
            progress=True,
            **of_ours,
            **arguments,
        )
        search.journal_lock = lock
        yield search


def _timed_fit(search: Any, metric: str, X: Any, y: Any, more: dict[str, Any]) -> tuple[Any, float]:
    started = time.monotonic()
    try:
        search.fit(X, y, **more)
    except HptSparkError:
        raise
    except Exception as error:
        all_failed = isinstance(error, ValueError) and re.search(r"All the \d+ fits failed", str(error))
        # error_score="raise" passes on the exception of a fit; Spark's own exceptions come from no fit.
        of_a_fit = search.error_score == "raise" and not type(error).__module__.startswith(("py4j", "pyspark"))
        of_data = isinstance(error, ValueError) and re.search(r"X contains (NaN|infinity)", str(error))
        if not all_failed and not of_a_fit and not of_data:
            raise
        if all_failed:
            failed = "all fits failed, one of them"
        else:
            failed = "search.error_score=raise: a fit failed" if of_a_fit else "a fit on all rows failed"
        reason = reason_of_most(str(error)) if all_failed else reason_of("".join(format_exception_only(error)))
        remedy = REMEDY_FOR_DATA if of_data else "correct search.param_grid or search.estimator_params."
        raise ConfigError(f"{failed} with: {reason.rstrip('.')}; {remedy}") from error
    out_of_time = getattr(search, "incomplete_", False)
    means = search.cv_results_.get("mean_test_score", search.cv_results_.get(f"mean_test_{metric}"))
    if not out_of_time and np.isnan(means).all():
        raise ConfigError(
            f"search.scoring={metric} gives no candidate a score on all folds (above it says why); choose one that "
            "suits the target and the estimator, or folds (search.cv) of which each has what both need."
        )
    return search, time.monotonic() - started
