"""PySpark's worker daemon, with the search imported before it forks.

The daemon forks one process per task slot. Imported here, scikit-learn and XGBoost are read once
(seconds of processor time) and their memory is shared; imported by the first task of each worker,
they are read once per slot. Used where this package starts Spark itself: elsewhere the daemon may
start before the package has reached the node.
"""

import gc
import importlib.util
import runpy
import sys
from importlib.machinery import PathFinder
from pathlib import Path

import hpt_spark.search.worker  # noqa: F401, imported to be there after the fork

if importlib.util.find_spec("xgboost"):
    import xgboost.sklearn  # noqa: F401


def without_the_zipped_copy(path: list[str]) -> list[str]:
    """Return Python's search `path` without the zip of PySpark, where the folder that it was made of is there too.

    Spark puts the zip first. The modules in it are compiled each time they are imported.
    """
    installed = PathFinder.find_spec("pyspark", [entry for entry in path if not entry.endswith("pyspark.zip")])
    if installed is None or installed.origin is None:
        return path
    home = Path(installed.origin).parent
    return [entry for entry in path if not (entry.endswith("pyspark.zip") and home in Path(entry).parents)]


if __name__ == "__main__":
    sys.path[:] = without_the_zipped_copy(sys.path)
    gc.collect()
    gc.freeze()  # a collection in a worker would visit what is imported here, and thereby copy its memory
    runpy.run_module("pyspark.daemon", run_name="__main__", alter_sys=True)
