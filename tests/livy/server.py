"""A real Livy 0.5, the release of HDInsight 5.1, on this machine's Spark."""

from __future__ import annotations

import os
import shlex
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import pyspark

from tests.servers import answers, free_port, java, maven, running_server

ROOT = Path(__file__).parent.parent.parent
JARS = ROOT / ".livy"
VERSION = "0.5.0-incubating"
SECONDS_TO_START = 600  # on a machine that is busy with other things
POM = f"""<project xmlns="http://maven.apache.org/POM/4.0.0">
  <modelVersion>4.0.0</modelVersion>
  <groupId>hpt-spark</groupId><artifactId>livy</artifactId><version>1</version>
  <dependencies>
    <dependency><groupId>org.apache.livy</groupId><artifactId>livy-server</artifactId><version>{VERSION}</version></dependency>
  </dependencies>
</project>
"""
# Livy 0.5 knows Spark 2 and refuses later ones by what `spark-submit --version` says.
SPARK_SUBMIT = """#!/bin/sh
[ "$1" = --version ] && { echo "version 2.4.8" >&2; exit 0; }
export SPARK_HOME={home} PYSPARK_PYTHON={python}
exec {home}/bin/spark-submit "$@"
"""
LOG_SETTINGS = """log4j.rootCategory=INFO, console
log4j.appender.console=org.apache.log4j.ConsoleAppender
log4j.appender.console.layout=org.apache.log4j.PatternLayout
log4j.appender.console.layout.ConversionPattern=%d %p %c{1}: %m%n
"""


def fetch() -> None:
    """Get Livy and all that it needs from Maven Central, unless they are there."""
    if list(JARS.glob(f"livy-server-{VERSION}.jar")):
        return
    JARS.mkdir(exist_ok=True)
    (JARS / "pom.xml").write_text(POM)
    maven("-f", JARS / "pom.xml", "dependency:copy-dependencies", f"-DoutputDirectory={JARS}")


@contextmanager
def running_livy(home: Path, allowed: Path) -> Iterator[str]:
    """Start Livy, give its URL, and stop it at the end.

    Parameters
    ----------
    home : Path
        Where it keeps its settings and its log.
    allowed : Path
        The only folder of this machine whose files a batch may name.
    """
    assert list(JARS.glob("livy-server-*.jar")), "they are fetched by `make test-livy`"
    for folder in ("conf", "logs", "spark/bin"):
        (home / folder).mkdir(parents=True)
    port = free_port()
    settings = {
        "livy.server.host": "127.0.0.1",
        "livy.server.port": port,
        "livy.spark.master": "local[1]",
        "livy.file.local-dir-whitelist": allowed,
    }
    (home / "conf" / "livy.conf").write_text("".join(f"{name} = {value}\n" for name, value in settings.items()))
    (home / "conf" / "log4j.properties").write_text(LOG_SETTINGS)
    script = home / "spark" / "bin" / "spark-submit"
    spark, python = shlex.quote(str(Path(pyspark.__file__).parent)), shlex.quote(sys.executable)
    script.write_text(SPARK_SUBMIT.replace("{home}", spark).replace("{python}", python))
    script.chmod(0o755)
    command = [java(), "-Xmx256m", "-cp", f"{home / 'conf'}:{JARS}/*", "org.apache.livy.server.LivyServer"]
    places = {"LIVY_HOME": home, "LIVY_CONF_DIR": home / "conf", "SPARK_HOME": home / "spark"}
    environment = {**os.environ, **{name: str(place) for name, place in places.items()}, "SPARK_LOCAL_IP": "127.0.0.1"}
    url = f"http://127.0.0.1:{port}"
    up = partial(answers, f"{url}/batches")
    with running_server(command, home / "livy.log", up, SECONDS_TO_START, home, env=environment):
        yield url


if __name__ == "__main__":
    fetch()
