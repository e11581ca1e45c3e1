"""A search as the configuration describes it."""

from __future__ import annotations

import time
from typing import Any

from hpt_spark.config import SearchSection, SparkSection
from hpt_spark.search.estimators import build_estimator, check_grids, check_scoring, set_threads
from hpt_spark.session import spark_session


def checked_estimator(settings: SearchSection) -> Any:
    """Return the estimator to be tuned, after everything about it that can be checked beforehand was checked."""
    estimator = build_estimator(settings.estimator, settings.estimator_params)
    check_grids(estimator, settings.estimator, settings.grids)
    check_scoring(settings.scoring)
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
        scikit-learn's ``GridSearchCV`` over processes of this machine for ``backend: joblib``, ours
        for ``backend: spark``.
    seconds : float
        How long it took, the refit included, the start of Spark not.
    """
    if settings.backend == "joblib":
        from hpt_spark.search.joblib_runner import GridSearchCV

        return _timed_fit(GridSearchCV(_threaded(settings, 1), n_jobs=settings.n_jobs, **_arguments(settings)), X, y)

    from hpt_spark.search.face import GridSearchCV as SparkGridSearchCV

    with spark_session("tune", spark) as session:
        context = session.sparkContext
        threads = int(context.getConf().get("spark.task.cpus", "1"))
        search = SparkGridSearchCV(
            _threaded(settings, threads),
            sc=context,
            journal=journal,
            max_time=settings.max_time,
            **_arguments(settings),
        )
        return _timed_fit(search, X, y)


def _timed_fit(search: Any, X: Any, y: Any) -> tuple[Any, float]:
    started = time.monotonic()
    search.fit(X, y)
    return search, time.monotonic() - started


def _threaded(settings: SearchSection, threads: int) -> Any:
    given = {*settings.estimator_params, *(name for grid in settings.grids for name in grid)}
    return set_threads(checked_estimator(settings), threads, given)


def _arguments(settings: SearchSection) -> dict[str, Any]:
    return {
        "param_grid": settings.param_grid,
        "scoring": settings.scoring,
        "cv": settings.cv,
        "refit": settings.refit,
        "error_score": settings.error_score,
    }
