"""A real HDFS for the tests: one name node and its data nodes in a JVM of their own."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pyspark

from tests.servers import java, maven, running_server

ROOT = Path(__file__).parent.parent
SPARK_JARS = Path(pyspark.__file__).parent / "jars"
NEEDED_BY_IT = ("junit:junit:4.13.2", "org.hamcrest:hamcrest-core:1.3")
SECONDS_TO_START = 600  # on a machine that is busy with other things


def hadoop_version() -> str:
    """Return the release of Hadoop that the installed PySpark brings."""
    (jar,) = SPARK_JARS.glob("hadoop-client-api-*.jar")
    return jar.stem.rpartition("-")[2]


def server_jars() -> Path:
    """Return the folder of Hadoop's mini cluster, which `fetch` fills."""
    return ROOT / ".hdfs" / hadoop_version()


def fetch() -> None:
    """Get the jars that PySpark has not from Maven Central, unless they are there."""
    cluster = f"org.apache.hadoop:hadoop-client-minicluster:{hadoop_version()}"
    copy_from_maven((cluster, *NEEDED_BY_IT), server_jars())


def copy_from_maven(artifacts: Iterable[str], folder: Path) -> None:
    """Copy the jars that `folder` has not yet into it."""
    for artifact in artifacts:
        _, name, version = artifact.split(":")
        if (folder / f"{name}-{version}.jar").exists():
            continue
        maven("dependency:copy", f"-Dartifact={artifact}", f"-DoutputDirectory={folder}")


@contextmanager
def running_hdfs(folder: Path, data_nodes: int = 1) -> Iterator[str]:
    """Start HDFS, give its URI, and stop it at the end.

    Parameters
    ----------
    folder : Path
        Where it keeps its data, its log and the port it has chosen.
    """
    assert list(server_jars().glob("hadoop-client-minicluster-*.jar")), "they are fetched by `make test-hdfs`"
    details = folder / "details.json"
    command = [java(), "-Xmx512m", f"-Dtest.build.data={folder / 'data'}", "-cp", f"{server_jars()}/*:{SPARK_JARS}/*"]
    command += ["org.apache.hadoop.test.MiniDFSClusterManager", "-format", "-nnport", "0"]
    command += ["-datanodes", data_nodes, "-writeDetails", details]

    def is_up() -> bool:
        return details.exists() and details.read_text().endswith("}")

    with running_server(command, folder / "hdfs.log", is_up, SECONDS_TO_START, folder):
        yield f"hdfs://127.0.0.1:{json.loads(details.read_text())['namenode_port']}"


if __name__ == "__main__":
    fetch()
