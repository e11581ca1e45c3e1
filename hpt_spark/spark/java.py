"""Whether this machine has a Java that the installed Spark can run on."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path

from hpt_spark.errors import MissingDependencyError

SECONDS_TO_ANSWER = 60


def supported_java(spark_version: str) -> tuple[int, ...]:
    """Return the Java releases that a PySpark release runs on.

    Source: Spark's documentation pages "Overview" of 3.3, 4.0 and 4.3; on Java 25 the Arrow
    transfer of Spark before 4.3 fails.
    """
    major, minor = (int(part) for part in spark_version.split(".")[:2])
    if (major, minor) >= (4, 3):
        return (17, 21, 25)
    return (17, 21) if major >= 4 else (8, 11, 17)


def check_java(spark_version: str) -> int:
    """Return the release of the Java that Spark would start, if it is one that Spark supports.

    Raises
    ------
    MissingDependencyError
        One sentence: the Java that was found, its place, the version to install.
    """
    allowed = supported_java(spark_version)
    wanted = f"PySpark {spark_version} needs Java {' or '.join(map(str, allowed))}"
    remedy = (
        f"install one (Debian, Ubuntu: apt install openjdk-{allowed[-1] if allowed[-1] < 25 else 21}-jre-headless; "
        "macOS: brew install openjdk@17) and let JAVA_HOME name its folder."
    )
    home = os.environ.get("JAVA_HOME")
    java = str(Path(home) / "bin" / "java") if home else shutil.which("java")
    if java is None or not os.access(java, os.X_OK):
        place = f"JAVA_HOME={home} has no bin/java" if home else "there is no java on PATH and JAVA_HOME is not set"
        raise MissingDependencyError(f"{wanted}, but {place}; {remedy}")
    found = _release_of(java)
    if found is None or found not in allowed:
        raise MissingDependencyError(f"{wanted}, but {java} is Java {found or 'of an unknown release'}; {remedy}")
    return found


def _release_of(java: str) -> int | None:
    try:
        answer = subprocess.run(
            [java, "-version"], capture_output=True, text=True, timeout=SECONDS_TO_ANSWER, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    match = re.search(r'version "(?:1\.)?(\d+)', answer.stderr + answer.stdout)
    return int(match.group(1)) if match else None


if __name__ == "__main__":
    import sys

    import pyspark

    try:
        check_java(pyspark.__version__)
    except MissingDependencyError as error:
        sys.exit(f"hpt-spark: {error}")
