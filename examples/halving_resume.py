"""Halve the candidates from rung to rung, keep the results in a journal, and resume from it.

The second search stands for the same script started again, as after a killed driver: it runs no fit a second time.
"""

import tempfile

from pyspark import SparkContext
from pyspark.sql import SparkSession
from sklearn.datasets import load_digits
from xgboost import XGBClassifier

from hpt_spark import HalvingGridSearchCV

GRID = {"max_depth": [2, 3], "learning_rate": [0.1, 0.3], "reg_lambda": [1, 10]}


def halve(journal: str, sc: SparkContext) -> HalvingGridSearchCV:
    """Start with 5 trees per candidate, double them in each rung, and keep half of the candidates."""
    X, y = load_digits(n_class=4, return_X_y=True)
    search = HalvingGridSearchCV(
        XGBClassifier(random_state=0, n_jobs=1),
        GRID,
        resource="n_estimators",
        min_resources=5,
        max_resources=20,
        factor=2,
        scoring="neg_log_loss",
        cv=3,
        sc=sc,
        journal=journal,
    )
    return search.fit(X, y)


def main() -> None:
    """Search twice with one journal."""
    sc = SparkSession.builder.appName("halving_resume").getOrCreate().sparkContext
    with tempfile.TemporaryDirectory() as folder:
        first = halve(f"{folder}/journal", sc)
        print(f"candidates per rung: {first.n_candidates_}, trees: {first.n_resources_}")
        print(f"best candidate: {first.best_params_}")
        again = halve(f"{folder}/journal", sc)
        print(
            f"started again: {again.fit_counts_['resumed']} of {again.fit_counts_['fits']} fits came from the journal"
        )
        print(f"the same best candidate: {again.best_params_ == first.best_params_}")


if __name__ == "__main__":
    main()
