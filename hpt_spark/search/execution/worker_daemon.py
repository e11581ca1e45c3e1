"""PySpark's worker daemon with scikit-learn and XGBoost in it, which take seconds of processor time to import."""

import importlib.util

import hpt_spark.search.execution.worker  # noqa: F401, imported to be there after the fork
from hpt_spark.spark.worker_daemon import serve

if importlib.util.find_spec("xgboost"):
    import xgboost.sklearn  # noqa: F401

if __name__ == "__main__":
    serve()
