"""What halving ships: five rungs on a matrix of 500 MB, its data sent once, and sent anew with each rung.

``python bench/halving.py --out docs/benchmarks.md`` writes the table there. Bytes are counted where they are written
for the workers of this machine; on a cluster as many are broadcast. The scores of both ways must be equal.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np
from page import page_parser, publish, setting_of_the_run, table
from sklearn.tree import DecisionTreeClassifier

from hpt_spark import HalvingGridSearchCV
from hpt_spark.config.sections import SparkSection
from hpt_spark.search.dataset import Dataset
from hpt_spark.search.execution import runner
from hpt_spark.search.execution.node_share import SharedObject
from hpt_spark.spark.session import spark_session

COLUMNS = 100
RUNGS = 5
GRID = {"max_depth": [1, 2], "min_samples_leaf": [10, 100], "max_features": [1, 2], "criterion": ["gini", "entropy"]}


@dataclass(frozen=True)
class Shipped:
    """What one search has cost.

    Parameters
    ----------
    seconds : float
        Of ``fit``.
    sizes : list of int
        Bytes of each object that was written for the workers.
    scores : ndarray
    """

    seconds: float
    sizes: list[int]
    scores: np.ndarray


@contextmanager
def counted() -> Iterator[list[int]]:
    """Give the sizes of what is written for the workers in the ``with``."""
    sizes: list[int] = []

    def share(value: Any, folder: Path, original: Any = runner.share) -> SharedObject:
        shared = original(value, folder)
        sizes.append(shared.size)
        return shared

    with patch.object(runner, "share", share):
        yield sizes


def searched(spark: Any, X: np.ndarray, y: np.ndarray) -> Shipped:
    """Run the search once."""
    search = HalvingGridSearchCV(
        DecisionTreeClassifier(random_state=0),
        GRID,
        factor=2,
        min_resources=len(X) // 2 ** (RUNGS - 1),
        cv=2,
        random_state=0,
        refit=False,
        return_train_score=False,
        sc=spark,
    )
    started = time.perf_counter()
    with counted() as sizes:
        search.fit(X, y)
    if search.n_iterations_ != RUNGS:
        raise ValueError(f"{search.n_iterations_} rungs, where {RUNGS} are meant")
    return Shipped(time.perf_counter() - started, sizes, search.cv_results_["mean_test_score"])


def measured(megabytes: int, cores: int) -> dict[str, Shipped]:
    """Run both ways after a small search, which starts the workers."""
    rows = megabytes * 1_000_000 // (4 * COLUMNS)
    generator = np.random.default_rng(0)
    X = generator.standard_normal((rows, COLUMNS), dtype=np.float32)
    y = (X[:, 0] + X[:, 1] > 0).astype(np.int32)
    settings = SparkSection(master=f"local[{cores}]", conf={"spark.ui.enabled": "false"})
    with spark_session("halving", settings) as spark:
        searched(spark, X[:20_000], y[:20_000])
        found = {}
        with patch.object(Dataset, "is_made_of_the_same", lambda self, other: False):
            found["with each rung"] = searched(spark, X, y)
        found["once per search"] = searched(spark, X, y)
    one, other = found.values()
    np.testing.assert_array_equal(one.scores, other.scores)
    return found


def main() -> None:
    """Measure, and print or write the table."""
    parser = page_parser(__doc__)
    parser.add_argument("--megabytes", type=int, default=500, help="size of the matrix")
    parser.add_argument("--cores", type=int, default=2)
    arguments = parser.parse_args()
    logging.disable(logging.INFO)
    rows = [
        [
            way,
            str(sum(size > 1_000_000 for size in found.sizes)),
            f"{sum(found.sizes) / 1e6:,.0f}",
            f"{found.seconds:.1f}",
        ]
        for way, found in measured(arguments.megabytes, arguments.cores).items()
    ]
    text = "\n".join(
        [
            "## What halving ships",
            "",
            f"{setting_of_the_run(['pyspark', 'scikit-learn'])}. One run.",
            f"{RUNGS} rungs of 16 to 1 decision trees x 2 folds on a matrix of {arguments.megabytes} MB, equal scores.",
            "",
            *table(["the data are sent", ">files above 1 MB", ">MB written for the workers", ">seconds of fit"], rows),
            "",
            "`python bench/halving.py --out docs/benchmarks.md` made this table.",
        ]
    )
    publish("halving", text, arguments.out)


if __name__ == "__main__":
    main()
