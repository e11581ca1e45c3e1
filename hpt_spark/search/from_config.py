"""A search as the configuration describes it."""

from __future__ import annotations

import time
from typing import Any

from hpt_spark.search.estimators import build_estimator, check_grids, check_resource, check_scoring
from hpt_spark.search.strategies import CLASS_NAMES, arguments_of
from hpt_spark.sections import HALVING, SearchSection, SparkSection
from hpt_spark.session import spark_session


def checked_estimator(settings: SearchSection) -> Any:
    """Return the estimator to be tuned, after everything about it that can be checked beforehand was checked."""
    estimator = build_estimator(settings.estimator, settings.estimator_params)
    check_grids(estimator, settings.estimator, settings.grids)
    check_scoring(settings.scoring)
    if settings.strategy in HALVING:
        check_resource(estimator, settings.estimator, settings.resource)
    return estimator


def run_search(settings: SearchSection, spark: SparkSection, X: Any, y: Any, journal: str) -> tuple[Any, float]:
    """Run the search that `settings` describe.

    Parameters
    ----------
    settings : SearchSection
    spark : SparkSection
    X, y : array-like
    journal : str
        The folder where ``backend: spark`` keeps results as they arrive, and resumes from.

    Returns
    -------
    search : fitted search
        scikit-learn's own over processes of this machine for ``backend: joblib``, ours for
        ``backend: spark``.
    seconds : float
        How long it took, the refit included, the start of Spark not.

    Notes
    -----
    A fit gets one thread with joblib, ``spark.task.cpus`` with Spark; the refit, which runs alone
    on the driver, gets what the estimator takes by itself.
    """
    estimator = checked_estimator(settings)
    if settings.backend == "joblib":
        from hpt_spark.search import joblib_runner

        search_class = getattr(joblib_runner, CLASS_NAMES[settings.strategy])
        return _timed_fit(search_class(estimator, n_jobs=settings.n_jobs, **arguments_of(settings)), X, y)

    from hpt_spark.search import face

    with spark_session("tune", spark) as session:
        search_class = getattr(face, CLASS_NAMES[settings.strategy])
        search = search_class(
            estimator,
            sc=session.sparkContext,
            journal=journal,
            max_time=settings.max_time,
            **arguments_of(settings),
        )
        return _timed_fit(search, X, y)


def _timed_fit(search: Any, X: Any, y: Any) -> tuple[Any, float]:
    started = time.monotonic()
    search.fit(X, y)
    return search, time.monotonic() - started
