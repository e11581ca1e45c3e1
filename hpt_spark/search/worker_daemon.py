"""PySpark's worker daemon, with the search imported before it forks.

The daemon forks one process per task slot. Imported here, scikit-learn and XGBoost are read once
(seconds of processor time) and their memory is shared; imported by the first task of each worker,
they are read once per slot. Used where this package starts Spark itself: elsewhere the daemon may
start before the package has reached the node.
"""

import gc
import importlib.util
import runpy

import hpt_spark.search.worker  # noqa: F401, imported to be there after the fork

if importlib.util.find_spec("xgboost"):
    import xgboost.sklearn  # noqa: F401

# A worker collects garbage after each task. What is imported is none: looked through each time, it
# costs a fifth of a second of each task, and copies the pages that the workers share with the daemon.
gc.collect()
gc.freeze()

if __name__ == "__main__":
    runpy.run_module("pyspark.daemon", run_name="__main__", alter_sys=True)
