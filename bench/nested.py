"""How long nested cross-validation takes, beside scikit-learn's own.

usage: python bench/nested.py [--cores 2] [--out docs/benchmarks.md]
"""

from __future__ import annotations

import sys
import time
from typing import Any

import numpy as np
from page import page_parser, publish, setting_of_the_run, table
from sklearn.model_selection import GridSearchCV, cross_validate
from xgboost import XGBClassifier

from hpt_spark import GridSearchCV as OurGridSearchCV
from hpt_spark import nested_cross_validate
from hpt_spark.config.sections import SparkSection
from hpt_spark.spark.session import spark_session

GRID = {"n_estimators": [50, 100], "max_depth": [2, 3, 4, 5], "learning_rate": [0.05, 0.1, 0.3]}
OUTER = INNER = 5


def main() -> None:
    """Measure and print."""
    parser = page_parser(__doc__)
    parser.add_argument("--cores", type=int, default=2)
    options = parser.parse_args()
    X, y = problem()
    estimator = XGBClassifier(random_state=0, n_jobs=1)
    with spark_session("bench", SparkSection(master=f"local[{options.cores}]")):
        OurGridSearchCV(estimator, {"max_depth": [2]}, cv=2).fit(X, y)  # the workers start
        began = time.perf_counter()
        ours = nested_cross_validate(OurGridSearchCV(estimator, GRID, cv=INNER), X, y, cv=OUTER)
        seconds = time.perf_counter() - began
    peer = GridSearchCV(estimator, GRID, cv=INNER, n_jobs=options.cores)
    peer.fit(X[:200], y[:200])
    began = time.perf_counter()
    theirs = cross_validate(peer, X, y, cv=OUTER)
    alone = time.perf_counter() - began
    if not np.array_equal(ours["test_score"], theirs["test_score"]):
        raise SystemExit("the outer scores differ")
    lines = [
        "## Nested cross-validation",
        "",
        f"{X.shape[0]:,} rows x {X.shape[1]} columns, XGBoost, 24 candidates, {INNER} folds within {OUTER} outer ones,",
        f"on {options.cores} cores, when workers have started; equal scores.",
        f"{setting_of_the_run(('pyspark', 'scikit-learn', 'xgboost'))}. One run.",
        "",
        *table(
            ("", ">seconds", ">times ours"),
            [
                ["`nested_cross_validate`", f"{seconds:.1f}", "1.00"],
                ["scikit-learn's `cross_validate`", f"{alone:.1f}", f"{alone / seconds:.2f}"],
            ],
        ),
    ]
    publish("nested", "\n".join(lines), options.out)


def problem() -> tuple[Any, Any]:
    """Return X and y."""
    random = np.random.default_rng(0)
    X = random.normal(size=(2000, 50))
    return X, (X[:, 0] + X[:, 1] ** 2 + random.normal(size=2000) > 1).astype(int)


if __name__ == "__main__":
    sys.exit(main())
