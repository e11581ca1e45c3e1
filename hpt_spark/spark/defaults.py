"""Defaults for Spark's settings that neither the user nor the installation gives."""

from __future__ import annotations

import os
import re
import shlex
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

LOG_SETTINGS = Path(__file__).with_name("log4j2.properties")

PARALLEL = "-XX:+UseParallelGC"  # takes less time and memory on few cores
# Options of a JVM that a job starts itself, unless spark-defaults.conf has some.
JVM_OPTIONS = (
    PARALLEL,
    "-XX:+ExitOnOutOfMemoryError",  # else one of Spark's threads ends silently, and its callers wait for ever
    f"-Dlog4j2.configurationFile={LOG_SETTINGS.as_uri()}",
)

# Where a user may choose a collector; Java does not start with two of them.
COLLECTOR = re.compile(r"-XX:\+Use\w*GC\b")
VARIABLES_OF_JAVA = ("JAVA_TOOL_OPTIONS", "JDK_JAVA_OPTIONS", "_JAVA_OPTIONS", "SPARK_SUBMIT_OPTS")
OPTIONS_BEFORE_OURS = "spark.driver.defaultJavaOptions"

# Settings for our queries, unless configured otherwise.
SQL_DEFAULTS = {
    # With a limit Spark 4.1 measures the batch again at each row for Python, which takes longer than all the rest.
    "spark.sql.execution.arrow.maxBytesPerBatch": str(2**31 - 1),
    # A partition of counts waits in the heap to leave Spark, several times its size and more than once.
    "spark.sql.adaptive.advisoryPartitionSizeInBytes": "8m",
    # The files of a partition go to Python in one batch.
    "spark.sql.files.maxPartitionBytes": "16m",
}


APP_NAME = "spark.app.name"
# Options of spark-submit that stand for a setting of ours.
OPTIONS = {"--name": APP_NAME, "--driver-java-options": "spark.driver.extraJavaOptions"}


def name_of_application(job: str) -> str:
    """Return the name of `job` on Spark's pages, unless the user names it."""
    return f"hpt-spark {job}"


def defaults_of_own_jvm(job: str, master: str | None, given: Mapping[str, str] | None = None) -> dict[str, str]:
    """Return the settings of a JVM that `job` starts itself, where the user has `given` some.

    Settings in PYSPARK_SUBMIT_ARGS or ``spark-defaults.conf`` are left out: PySpark would override them with these.
    """
    arguments = shlex.split(os.environ.get("PYSPARK_SUBMIT_ARGS", ""))
    files = [Path(file) for option, file in _options(arguments) if option == "--properties-file"][-1:]
    if not files or "--load-spark-defaults" in arguments:
        files.append(_file_of_the_installation())
    named = {name: value for file in reversed(files) for name, value in _settings_in(file).items()}
    named |= dict(_named_by(option, value) for option, value in _options(arguments))
    texts = [settings.get(OPTIONS_BEFORE_OURS, "") for settings in (named, given or {})]
    texts += [os.environ.get(name, "") for name in VARIABLES_OF_JAVA]
    own = [option for option in JVM_OPTIONS if option != PARALLEL or not any(map(COLLECTOR.search, texts))]
    is_local = master is None or master.startswith("local")
    defaults = {
        APP_NAME: name_of_application(job),
        "spark.ui.showConsoleProgress": "false",
        "spark.ui.enabled": str(not is_local).lower(),  # half a second for pages that are gone when the job is done
        "spark.driver.extraJavaOptions": " ".join(own),
        "spark.python.daemon.module": "hpt_spark.worker_daemon",
    }
    return {key: value for key, value in defaults.items() if key not in named}


def _options(arguments: Sequence[str]) -> Iterator[tuple[str, str]]:
    """Yield the options of spark-submit that name settings, with their values: ``--name X`` and ``--name=X``."""
    words = iter(arguments)
    for word in words:
        option, is_joined, value = word.partition("=")
        if option in OPTIONS or option in ("--conf", "-c", "--properties-file"):
            yield option, value if is_joined else next(words, "")


def _named_by(option: str, value: str) -> tuple[str, str]:
    """Return the setting that an option of spark-submit names, and its value."""
    if option in OPTIONS:
        return OPTIONS[option], value
    name, _, value = value.partition("=")
    return name.strip(), value


def _file_of_the_installation() -> Path:
    from pyspark.find_spark_home import _find_spark_home

    return Path(os.environ.get("SPARK_CONF_DIR") or Path(_find_spark_home()) / "conf") / "spark-defaults.conf"


def _settings_in(file: Path) -> dict[str, str]:
    try:
        lines = file.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return {}
    pairs = [re.split(r"[\s=:]", line.strip(), maxsplit=1) for line in lines]
    return {name: "".join(value) for name, *value in pairs}
