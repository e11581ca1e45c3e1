"""One peer's run of a search, in a process of its own: ``python bench/search_peers.py PEER PROBLEM CORES OUT``."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from joblib import parallel_config
from pure_training import train_the_groups
from search_problem import Outcome, Problem
from sklearn.model_selection import GridSearchCV
from spark_sklearn_mechanism import MechanismGridSearchCV

from hpt_spark.config.sections import SparkSection
from hpt_spark.spark.session import spark_session


def with_hpt_spark(problem: Problem, cores: int) -> Outcome:
    """Run this package's search."""
    from hpt_spark import GridSearchCV as OurGridSearchCV

    return on_spark(problem, cores, lambda context: OurGridSearchCV(**problem.arguments, sc=context))


def with_mechanism(problem: Problem, cores: int) -> Outcome:
    """Run the search as spark-sklearn would."""
    return on_spark(problem, cores, lambda context: MechanismGridSearchCV(context, **problem.arguments))


def with_joblib_spark(problem: Problem, cores: int) -> Outcome:
    """Run scikit-learn's search with joblib-spark's backend."""
    from joblibspark import register_spark

    def search_on(context: Any) -> GridSearchCV:
        register_spark()  # takes the active session
        parallel_config("spark", n_jobs=cores)
        return GridSearchCV(**problem.arguments)

    return on_spark(problem, cores, search_on)


def with_scikit_learn(problem: Problem, cores: int) -> Outcome:
    """Run scikit-learn's search on the processes of this machine."""
    X, y = problem.load()
    return timed(GridSearchCV(**problem.arguments, n_jobs=cores), X, y)


def on_spark(problem: Problem, cores: int, search_on: Callable[[Any], Any]) -> Outcome:
    """Run a search on Spark, which is started in the same way for all who need it."""
    X, y = problem.load()
    started = time.perf_counter()
    with spark_session("bench", SparkSection(master=f"local[{cores}]")) as session:
        return timed(search_on(session.sparkContext), X, y, time.perf_counter() - started)


def timed(search: Any, X: Any, y: Any, start_seconds: float = 0.0) -> Outcome:
    """Call ``fit`` and keep what it gave."""
    started = time.perf_counter()
    search.fit(X, y)
    seconds = time.perf_counter() - started
    per_fold = [search.cv_results_[f"split{fold}_test_score"] for fold in range(search.n_splits_)]
    return Outcome(
        seconds,
        np.array(per_fold).T.tolist(),
        refit_seconds=search.refit_time_,
        start_seconds=start_seconds,
        mean_fit_seconds=search.cv_results_["mean_fit_time"].tolist(),
        fit_seconds=getattr(search, "fit_seconds", []),
        score_seconds=getattr(search, "score_seconds", []),
    )


PEERS: dict[str, Callable[[Problem, int], Outcome]] = {
    "hpt_spark": with_hpt_spark,
    "scikit-learn, n_jobs": with_scikit_learn,
    "joblib-spark": with_joblib_spark,
    "spark-sklearn's mechanism, re-implemented": with_mechanism,
    "pure training": train_the_groups,
}


def main() -> None:
    """Run the peer that the command line names."""
    peer, problem, cores, out = sys.argv[1:]
    PEERS[peer](Problem.read(Path(problem)), int(cores)).write(Path(out))


if __name__ == "__main__":
    main()
