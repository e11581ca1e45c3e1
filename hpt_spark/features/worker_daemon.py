"""PySpark's worker daemon with pyarrow and scipy in it."""

import hpt_spark.features.terms  # noqa: F401, imported to be there after the fork
from hpt_spark.spark.worker_daemon import serve

if __name__ == "__main__":
    serve()
