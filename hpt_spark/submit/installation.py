"""The Spark installation of this machine."""

from __future__ import annotations

import os
from importlib.util import find_spec
from pathlib import Path

from hpt_spark.spark.preflight import check_spark_home


def spark_home() -> Path | None:
    """Return the folder of the Spark whose spark-submit is to run; None for the one on PATH."""
    check_spark_home()
    if os.environ.get("SPARK_HOME"):
        return Path(os.environ["SPARK_HOME"])
    package = find_spec("pyspark")
    home = Path(package.origin).parent if package and package.origin else None
    return home if home and os.access(home / "bin" / "spark-submit", os.X_OK) else None


def command_of_spark(name: str) -> str:
    """Return one of Spark's commands, such as ``spark-submit``."""
    home = spark_home()
    return str(home / "bin" / name) if home else name
