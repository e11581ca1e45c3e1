"""The first and the second search in a user's own session, by turns with scikit-learn on two processes.

usage: python bench/first_search.py [--repeat 3] [--out docs/benchmarks.md]

Each turn is a process of its own with a plain ``SparkSession`` on ``local[2]``, without a setting of this package.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import time
import warnings
from typing import Any

import numpy as np
from page import page_parser, publish, setting_of_the_run, table
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV
from xgboost import XGBClassifier

SEARCHES: dict[str, tuple[Any, dict[str, list[Any]]]] = {
    "XGBoost, 24 candidates x 5 folds": (
        XGBClassifier(random_state=0, n_jobs=1),
        {"n_estimators": [50, 100], "max_depth": [2, 3, 4, 5], "learning_rate": [0.05, 0.1, 0.3]},
    ),
    "logistic regression, 200 candidates x 5 folds": (
        LogisticRegression(max_iter=200),
        {"C": np.logspace(-4, 3, 200).tolist()},
    ),
}


def main() -> None:
    """Measure and print."""
    parser = page_parser(__doc__)
    parser.add_argument("--repeat", type=int, default=3)
    parser.add_argument("--turn", action="store_true", help="one turn, as JSON")
    options = parser.parse_args()
    if options.turn:
        print(json.dumps(one_turn()))
        return
    turns = []
    for _ in range(options.repeat):
        command = [sys.executable, __file__, "--turn"]
        turns.append(json.loads(subprocess.run(command, stdout=subprocess.PIPE, check=True, text=True).stdout))
        print(turns[-1], file=sys.stderr)
    rows = []
    for name in SEARCHES:
        for which in ("first", "second"):
            pairs = [turn[f"{name}, {which}"] for turn in turns]
            ours, theirs = (statistics.median(column) for column in zip(*pairs))
            ratio = statistics.median(peer / own for own, peer in pairs)
            rows.append([name, which, f"{ours:.1f}", f"{theirs:.1f}", f"{ratio:.2f}"])
    lines = [
        "## The first search in a session",
        "",
        "2,000 rows x 50 columns, on `local[2]` in a plain session, beside scikit-learn with `n_jobs=2` in the same",
        f"process; XGBoost's searches come first. Medians of {options.repeat} turns; scores are equal to the last bit.",
        f"{setting_of_the_run(('pyspark', 'scikit-learn', 'xgboost'))}.",
        "",
        *table(("search", "which", ">hpt_spark, s", ">scikit-learn, s", ">times as fast"), rows),
    ]
    publish("first-search", "\n".join(lines), options.out)


def one_turn() -> dict[str, tuple[float, float]]:
    """Return the seconds of each search, ours and scikit-learn's."""
    os.environ["PYSPARK_PYTHON"] = sys.executable
    warnings.filterwarnings("ignore")
    from pyspark.sql import SparkSession

    from hpt_spark import GridSearchCV as OurGridSearchCV

    session = SparkSession.builder.master("local[2]").config("spark.ui.enabled", "false").getOrCreate()
    session.sparkContext.setLogLevel("ERROR")
    random = np.random.default_rng(0)
    X = random.normal(size=(2000, 50))
    y = (X[:, 0] + X[:, 1] ** 2 + random.normal(size=2000) > 1).astype(int)
    found = {}
    for name, (estimator, grid) in SEARCHES.items():
        for which in ("first", "second"):
            began = time.perf_counter()
            ours = OurGridSearchCV(estimator, grid, cv=5, sc=session, refit=False).fit(X, y)
            between = time.perf_counter()
            theirs = GridSearchCV(estimator, grid, cv=5, n_jobs=2, refit=False).fit(X, y)
            found[f"{name}, {which}"] = (between - began, time.perf_counter() - between)
            if not np.array_equal(ours.cv_results_["mean_test_score"], theirs.cv_results_["mean_test_score"]):
                raise SystemExit(f"{name}: the scores are not scikit-learn's")
    session.stop()
    return found


if __name__ == "__main__":
    sys.exit(main())
