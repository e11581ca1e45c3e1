"""Search all steps of a scikit-learn pipeline at once: how many columns to keep, and the trees' own parameters.

``python examples/sklearn_pipeline.py`` runs it on this machine, ``spark-submit`` on a cluster.
"""

from pyspark.sql import SparkSession
from sklearn.datasets import load_breast_cancer
from sklearn.feature_selection import SelectKBest
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import StandardScaler
from xgboost import XGBClassifier

from hpt_spark import GridSearchCV


def main() -> None:
    """Search, and print the best candidate and what was trained for it."""
    spark = SparkSession.builder.appName("sklearn_pipeline").getOrCreate()
    X, y = load_breast_cancer(return_X_y=True)
    pipeline = Pipeline(
        [
            ("scale", StandardScaler()),
            ("select", SelectKBest()),
            ("trees", XGBClassifier(random_state=0, n_jobs=1)),
        ]
    )
    grid = {"select__k": [10, 20], "trees__max_depth": [2, 3], "trees__n_estimators": [10, 20, 40]}
    search = GridSearchCV(pipeline, grid, scoring="roc_auc", cv=3, sc=spark.sparkContext)
    search.fit(X, y)

    print(f"best candidate: {search.best_params_}")
    print(f"area under the ROC curve: {search.best_score_:.4f}")
    # Candidates that differ in the number of trees alone are one training, and its steps are fitted once.
    print(f"{search.fit_counts_['fits']} fits in {search.fit_counts_['trainings']} trainings")


if __name__ == "__main__":
    main()
