"""Spark's settings where neither the user nor the installation gives them."""

from __future__ import annotations

import os
import re
from pathlib import Path

LOG_SETTINGS = Path(__file__).with_name("log4j2.properties")

# Options of a JVM that we start ourselves, unless spark-defaults.conf has some. The parallel collector takes less time
# and memory on few cores. A thread of Spark's ends silently when memory is out, and its callers would wait for ever.
JVM_OPTIONS = (
    "-XX:+UseParallelGC",
    "-XX:+ExitOnOutOfMemoryError",
    f"-Dlog4j2.configurationFile={LOG_SETTINGS.as_uri()}",
)

# Settings for our queries, unless configured otherwise. With a limit in bytes Spark 4.1 measures the batch again
# at each row that goes to Python, which takes longer than all the rest of it.
SQL_DEFAULTS = {
    "spark.sql.execution.arrow.maxBytesPerBatch": str(2**31 - 1),
    # A partition of counts waits in the heap to leave Spark, several times its size and more than once.
    "spark.sql.adaptive.advisoryPartitionSizeInBytes": "8m",
    # The files of a partition go to Python in one batch.
    "spark.sql.files.maxPartitionBytes": "16m",
}


def defaults_of_own_jvm(job: str, master: str | None) -> dict[str, str]:
    """Return the settings of a JVM that `job` starts itself.

    What ``spark-defaults.conf`` names is left out: PySpark would put ours over it.
    """
    is_local = master is None or master.startswith("local")
    defaults = {
        "spark.ui.showConsoleProgress": "false",
        "spark.ui.enabled": str(not is_local).lower(),  # half a second for pages that are gone when the job is done
        "spark.driver.extraJavaOptions": " ".join(JVM_OPTIONS),
        "spark.python.daemon.module": "hpt_spark.worker_daemon",
    }
    of_the_installation = _settings_of_the_installation()
    return {key: value for key, value in defaults.items() if key not in of_the_installation}


def _settings_of_the_installation() -> set[str]:
    from pyspark.find_spark_home import _find_spark_home

    folder = Path(os.environ.get("SPARK_CONF_DIR") or Path(_find_spark_home()) / "conf")
    try:
        lines = (folder / "spark-defaults.conf").read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return set()
    return {re.split(r"[\s=:]", line.strip(), maxsplit=1)[0] for line in lines}
