"""What PySpark's worker daemon becomes once a room has imported what its tasks need.

The daemon forks one process per task slot. What it has imported by then is read once, not once per
slot, and its memory is shared. Used where this package starts Spark itself: elsewhere the daemon
may start before the package has reached the node.
"""

import gc
import runpy
import sys
from importlib.machinery import PathFinder
from pathlib import Path


def serve() -> None:
    """Fork workers for Spark until Spark ends."""
    sys.path[:] = without_the_zipped_copy(sys.path)
    gc.collect()
    gc.freeze()  # a collection in a worker would visit what is imported here, and thereby copy its memory
    runpy.run_module("pyspark.daemon", run_name="__main__", alter_sys=True)


def without_the_zipped_copy(path: list[str]) -> list[str]:
    """Return Python's search `path` without the zip of PySpark, where the folder that it was made of is there too.

    Spark puts the zip first. The modules in it are compiled each time they are imported.
    """
    installed = PathFinder.find_spec("pyspark", [entry for entry in path if not entry.endswith("pyspark.zip")])
    if installed is None or installed.origin is None:
        return path
    home = Path(installed.origin).parent
    return [entry for entry in path if not (entry.endswith("pyspark.zip") and home in Path(entry).parents)]
