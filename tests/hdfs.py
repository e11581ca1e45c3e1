"""A real HDFS for the tests: one name node and its data nodes in a JVM of their own."""

from __future__ import annotations

import json
import os
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pyspark

ROOT = Path(__file__).parent.parent
SPARK_JARS = Path(pyspark.__file__).parent / "jars"
SECONDS_TO_START = 120


def hadoop_version() -> str:
    """Return the release of Hadoop that the installed PySpark brings."""
    (jar,) = SPARK_JARS.glob("hadoop-client-api-*.jar")
    return jar.stem.rpartition("-")[2]


def server_jars() -> Path:
    """Return the folder into which ``make hdfs-jars`` puts Hadoop's mini cluster."""
    return ROOT / ".hdfs" / hadoop_version()


@contextmanager
def running_hdfs(folder: Path, data_nodes: int = 1) -> Iterator[str]:
    """Start HDFS, give its URI, and stop it at the end.

    Parameters
    ----------
    folder : Path
        Where it keeps its data, its log and the port it has chosen.
    """
    assert list(server_jars().glob("hadoop-client-minicluster-*.jar")), "run `make hdfs-jars` first"
    details = folder / "details.json"
    java = Path(os.environ["JAVA_HOME"]) / "bin" / "java" if "JAVA_HOME" in os.environ else "java"
    command = [java, "-Xmx512m", f"-Dtest.build.data={folder / 'data'}", "-cp", f"{server_jars()}/*:{SPARK_JARS}/*"]
    command += ["org.apache.hadoop.test.MiniDFSClusterManager", "-format", "-nnport", "0"]
    command += ["-datanodes", data_nodes, "-writeDetails", details]
    with (folder / "hdfs.log").open("w") as log:
        server = subprocess.Popen(list(map(str, command)), stdout=log, stderr=subprocess.STDOUT, cwd=folder)
    try:
        deadline = time.monotonic() + SECONDS_TO_START
        while not (details.exists() and details.read_text().endswith("}")):
            if server.poll() is not None or time.monotonic() > deadline:
                raise AssertionError(f"HDFS does not start:\n{(folder / 'hdfs.log').read_text()[-4000:]}")
            time.sleep(0.1)
        yield f"hdfs://127.0.0.1:{json.loads(details.read_text())['namenode_port']}"
    finally:
        server.terminate()
        server.wait()
