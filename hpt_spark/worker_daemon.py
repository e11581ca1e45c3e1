"""PySpark's worker daemon, which has imported the modules of all tasks before it forks a worker.

It forks one process per task slot. Its modules are read once, not once per slot,
and its memory is shared: scikit-learn alone takes a second of processor time. Used where this
package starts Spark itself: elsewhere the daemon may start before the package has reached the node.
"""

import gc
import importlib.util
import runpy
import sys
import warnings
from importlib.machinery import PathFinder
from pathlib import Path

import hpt_spark.features.terms
import hpt_spark.search.execution.worker  # noqa: F401, imported to be there after the fork

if importlib.util.find_spec("xgboost"):
    import xgboost.sklearn  # noqa: F401

ARCHIVES = (".zip", ".jar")


def serve() -> None:
    """Fork workers for Spark until Spark ends."""
    sys.path[:] = drop_spark_archives(sys.path)
    # Before each task a worker reads the table of contents again of all archives that have been looked into.
    sys.path_importer_cache.clear()
    gc.collect()
    gc.freeze()  # a collection in a worker would visit all imported objects, and thereby copy their memory
    # Python 3.12 and newer warn of it, but the threads here, OpenBLAS's and jemalloc's, are prepared for it.
    warnings.filterwarnings("ignore", r".*fork\(\) may lead to deadlocks", DeprecationWarning)
    runpy.run_module("pyspark.daemon", run_name="__main__", alter_sys=True)


def drop_spark_archives(path: list[str]) -> list[str]:
    """Return Python's search `path` without the archives of PySpark, where PySpark is installed as folders too.

    Spark puts them first: PySpark and py4j as zips, whose modules are compiled each time they are
    imported, and a jar, which holds none at all.
    """
    folders = [entry for entry in path if not entry.endswith(ARCHIVES)]
    pyspark, py4j = (PathFinder.find_spec(name, folders) for name in ("pyspark", "py4j"))
    if pyspark is None or pyspark.origin is None or py4j is None:
        return path
    home = Path(pyspark.origin).parent
    return [entry for entry in path if not (entry.endswith(ARCHIVES) and home in Path(entry).parents)]


if __name__ == "__main__":
    serve()
