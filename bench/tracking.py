"""What a history in MLflow costs a search: 1,000 tiny candidates with and without, by turns.

usage: python bench/tracking.py [--candidates 1000] [--repeat 3] [--out docs/benchmarks.md]
"""

from __future__ import annotations

import statistics
import tempfile
import time

import numpy as np
from page import page_parser, publish, setting_of_the_run, table
from pyspark.sql import SparkSession
from sklearn.datasets import load_iris
from sklearn.naive_bayes import GaussianNB

from hpt_spark import GridSearchCV
from hpt_spark.tracking import MlflowTracking

PACKAGES = ("pyspark", "scikit-learn", "mlflow")


def main() -> None:
    parser = page_parser(__doc__)
    parser.add_argument("--candidates", type=int, default=1000)
    parser.add_argument("--repeat", type=int, default=3)
    options = parser.parse_args()
    spark = SparkSession.builder.master("local[2]").config("spark.ui.enabled", "false").getOrCreate()
    seconds: dict[str, list[float]] = {"without": [], "with": []}
    with tempfile.TemporaryDirectory() as folder:
        search(spark, 10, None)  # Python workers start
        for turn in range(options.repeat):
            seconds["without"].append(search(spark, options.candidates, None))
            tracking = MlflowTracking(f"sqlite:///{folder}/{turn}.db")
            seconds["with"].append(search(spark, options.candidates, tracking))
    rows = [
        [f"{options.candidates:,} candidates, 2 folds, {how} history"]
        + [f"{pick(found):.1f}" for pick in (min, statistics.median, max)]
        for how, found in seconds.items()
    ]
    text = "\n".join(
        [
            "## The history of a search",
            "",
            f"{setting_of_the_run(PACKAGES)}.",
            f"{options.repeat} runs by turns; seconds of `fit()`. With a history, `fit()` waits at its end until that "
            "is whole, for the candidates 10 seconds at most; the rest is written afterwards.",
            "",
            *table(["search", ">least", ">median", ">most"], rows),
        ]
    )
    publish("tracking", text, options.out)


def search(spark: SparkSession, candidates: int, tracking: MlflowTracking | None) -> float:
    X, y = load_iris(return_X_y=True)
    grid = {"var_smoothing": np.logspace(-12, 0, candidates).tolist()}
    began = time.monotonic()
    GridSearchCV(GaussianNB(), grid, cv=2, sc=spark.sparkContext, tracking=tracking).fit(X, y)
    return time.monotonic() - began


if __name__ == "__main__":
    main()
