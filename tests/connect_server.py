"""A Spark Connect server of its own on this machine, for tests."""

from __future__ import annotations

import contextlib
import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil
import pyspark

from tests.servers import free_port
from tests.waiting import wait_until

SPARK_HOME = Path(pyspark.__file__).parent


@contextlib.contextmanager
def running_server(folder: Path, master: str = "local[2]") -> Iterator[str]:
    """Start a server whose workers run this Python, and give its address."""
    port = free_port()
    conf = {
        "spark.connect.grpc.binding.address": "127.0.0.1",
        "spark.connect.grpc.binding.port": str(port),
        "spark.ui.enabled": "false",
        "spark.ui.showConsoleProgress": "false",
        "spark.sql.warehouse.dir": str(folder / "warehouse"),
        "spark.local.dir": str(folder),
    }
    command = [str(SPARK_HOME / "bin" / "spark-submit"), "--master", master]
    for name, value in conf.items():
        command += ["--conf", f"{name}={value}"]
    # A path of the client's own is none of the server's workers.
    environment = {**os.environ, "SPARK_HOME": str(SPARK_HOME), "PYSPARK_PYTHON": sys.executable}
    environment.pop("PYTHONPATH", None)
    log = folder / "server.log"
    with log.open("wb") as output:
        server = subprocess.Popen(
            [*command, "--class", "org.apache.spark.sql.connect.service.SparkConnectServer", "spark-internal"],
            stdout=output,
            stderr=output,
            cwd=folder,
            env=environment,
            start_new_session=True,
        )
    try:
        wait_until(lambda: _listens(port), 180, process=server, said=log.read_text)
        yield f"sc://127.0.0.1:{port}"
    finally:
        with contextlib.suppress(psutil.NoSuchProcess):
            for process in [*psutil.Process(server.pid).children(recursive=True), psutil.Process(server.pid)]:
                with contextlib.suppress(psutil.NoSuchProcess):
                    process.kill()
        server.wait()


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0
