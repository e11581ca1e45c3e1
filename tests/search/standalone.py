"""A standalone cluster of two nodes on this machine, for tests.

Each worker has a mount namespace of its own: its local folder and the driver's temporary folder are
not what the other worker and the driver see under the same names, as on two machines.
"""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
from pathlib import Path

import psutil
import pyspark

from tests.waiting import wait_until

SPARK_HOME = Path(pyspark.__file__).parent
HIDE_AND_RUN = 'mount -t tmpfs -o size=4g none "$0" && exec "$@"'


class Cluster:
    """A master and two workers."""

    def __init__(self, folder: Path, cores: int = 2) -> None:
        self.folder = folder
        self.url = f"spark://127.0.0.1:{_free_port()}"
        self._cores = cores
        self._processes: list[subprocess.Popen[bytes]] = []

    @property
    def hidden(self) -> Path:
        """A folder of the driver that the workers do not see."""
        return self.folder / "driver"

    def node(self, number: int) -> Path:
        """Return the folder in which a worker keeps everything."""
        return self.folder / f"node{number}"

    def __enter__(self) -> Cluster:
        self.hidden.mkdir()
        port = self.url.rpartition(":")[2]
        master = ["org.apache.spark.deploy.master.Master", "--host", "127.0.0.1", "--port", port, "--webui-port", "0"]
        self._start("master", master)
        wait_until(lambda: _listens(int(port)), 120, process=self._processes[0])
        for number in range(2):
            node = self.node(number)
            (node / "local").mkdir(parents=True)
            worker = ["org.apache.spark.deploy.worker.Worker", "--host", "127.0.0.1", "--webui-port", "0"]
            worker += ["--cores", str(self._cores), "--memory", "1g", "--work-dir", str(node / "work"), self.url]
            self._start(f"node{number}", worker, hide=True, SPARK_LOCAL_DIRS=str(node / "local"))
        return self

    def __exit__(self, *_: object) -> None:
        for process in self._processes:
            for child in (*_descendants(process.pid), process):
                with contextlib.suppress(psutil.NoSuchProcess, ProcessLookupError):
                    child.kill()
            process.wait()

    def processes(self, kind: str) -> list[psutil.Process]:
        """Return the processes of both nodes: executors, daemons, workers or fits."""
        found = []
        for worker in self._processes[1:]:
            for process in _descendants(worker.pid):
                with contextlib.suppress(psutil.Error):
                    if _kind_of(process) == kind:
                        found.append(process)
        return found

    def settings(self, **conf: str) -> dict[str, object]:
        """Return the section `spark` of a configuration for this cluster."""
        return {
            "master": self.url,
            "conf": {
                "spark.ui.enabled": "false",
                "spark.executor.memory": "512m",
                "spark.driver.host": "127.0.0.1",
                "spark.default.parallelism": str(2 * self._cores),
                "spark.scheduler.minRegisteredResourcesRatio": "1.0",
                "spark.excludeOnFailure.enabled": "false",
                **conf,
            },
        }

    def _start(self, name: str, words: list[str], hide: bool = False, **environment: str) -> None:
        command = [str(SPARK_HOME / "bin" / "spark-class"), *words]
        if hide:
            command = ["unshare", "--mount", "--map-root-user", "sh", "-c", HIDE_AND_RUN, str(self.hidden), *command]
        with (self.folder / f"{name}.log").open("wb") as log:
            self._processes.append(
                subprocess.Popen(
                    command,
                    stdout=log,
                    stderr=log,
                    env={**os.environ, "SPARK_HOME": str(SPARK_HOME), **environment},
                    start_new_session=True,
                )
            )


def kill(process: psutil.Process) -> None:
    """Kill a process that may have ended already."""
    with contextlib.suppress(psutil.NoSuchProcess):
        process.send_signal(signal.SIGKILL)


def _kind_of(process: psutil.Process) -> str:
    words = " ".join(process.cmdline())
    if "CoarseGrainedExecutorBackend" in words:
        return "executor"
    if "daemon" not in words:
        return "other"
    depth = 0
    parent = process.parent()
    while parent is not None and "daemon" in " ".join(parent.cmdline()) and parent.name() != "java":
        depth, parent = depth + 1, parent.parent()
    return ("daemon", "worker", "fits")[min(depth, 2)]


def _descendants(pid: int) -> list[psutil.Process]:
    try:
        return psutil.Process(pid).children(recursive=True)
    except psutil.NoSuchProcess:
        return []


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def _free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])
