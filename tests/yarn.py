"""A real YARN for the tests, with an HDFS beside it: its nodes are processes of their own, which can be killed."""

from __future__ import annotations

import getpass
import os
import shutil
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import psutil
from py4j.java_gateway import GatewayParameters, JavaGateway, launch_gateway

from tests.hdfs import SECONDS_TO_START, SPARK_JARS, copy_from_maven, fetch, server_jars
from tests.servers import java, java_home
from tests.waiting import wait_until

# What YARN's servers take for granted in their classpath, beside what HDFS needs.
NEEDED_BY_YARN = (
    "org.bouncycastle:bcpkix-jdk18on:1.78.1",
    "org.bouncycastle:bcprov-jdk18on:1.78.1",
    "org.bouncycastle:bcutil-jdk18on:1.78.1",
    "javax.xml.bind:jaxb-api:2.3.1",
    "com.sun.xml.bind:jaxb-impl:2.3.9",
    "com.sun.activation:javax.activation:1.2.0",
)

SETTINGS = {
    "yarn.nodemanager.resource.memory-mb": "6144",
    "yarn.nodemanager.resource.cpu-vcores": "8",
    "yarn.nodemanager.vmem-check-enabled": "false",  # a JVM reserves far more than it takes
    "yarn.nodemanager.pmem-check-enabled": "true",
    "yarn.nodemanager.resource.memory.enforced": "false",  # or YARN leaves the check to cgroups, which it does not use
    "yarn.nodemanager.container-monitor.interval-ms": "500",
    "yarn.nodemanager.disk-health-checker.max-disk-utilization-per-disk-percentage": "99.9",
    "yarn.nodemanager.user-home-dir": "/nowhere",  # HOME of the containers, on which nothing is to rely
    "yarn.nodemanager.localizer.address": "127.0.0.1:0",
    "yarn.nodemanager.webapp.address": "127.0.0.1:0",
    "yarn.nodemanager.collector-service.address": "127.0.0.1:0",
    "yarn.nm.liveness-monitor.expiry-interval-ms": "20000",  # after which a killed node counts as lost
    "yarn.scheduler.minimum-allocation-mb": "256",
    "yarn.scheduler.capacity.maximum-am-resource-percent": "0.9",
    "yarn.scheduler.capacity.root.queues": "default",
    "yarn.scheduler.capacity.root.default.capacity": "100",
    "yarn.resourcemanager.am.max-attempts": "2",
    # Oozie acts for its users.
    f"hadoop.proxyuser.{getpass.getuser()}.hosts": "*",
    f"hadoop.proxyuser.{getpass.getuser()}.groups": "*",
}

# Classes of the tests' servers that an application has not.
NOT_FOR_CLIENTS = ("net.topology.node.switch.mapping.impl",)
# YARN's web servers make classes at run time, which needs this since Java 17.
OPENED = [f"--add-opens=java.base/java.{package}=ALL-UNNAMED" for package in ("lang", "util", "io")]
NOT_THIS_PYTHON = '#!/bin/sh\necho "$0: the Python of a node was started, not that of the job" >&2\nexit 1\n'


class Yarn:
    """A running YARN of two nodes, each with containers, folders and a log of its own.

    Parameters
    ----------
    hdfs : str
        The URI of the file system.
    folder : Path
        With ``conf``, for HADOOP_CONF_DIR, and a folder of each node.
    manager, configuration : object
        YARN's resource manager and its configuration, in the servers' JVM.
    gateway : JavaGateway
    """

    def __init__(self, hdfs: str, folder: Path, manager: Any, configuration: Any, gateway: JavaGateway) -> None:
        self.hdfs, self.folder, self.conf = hdfs, folder, folder / "conf"
        self._manager, self._configuration, self._gateway = manager, configuration, gateway
        self._nodes: list[subprocess.Popen[bytes]] = []
        self._bin = folder / "bin-of-nodes"
        self._bin.mkdir()
        for name in ("python", "python3"):
            (self._bin / name).write_text(NOT_THIS_PYTHON)
            (self._bin / name).chmod(0o755)

    def start_nodes(self) -> None:
        """Start nodes, as many as two lack, and wait until YARN knows them."""
        for _ in range(2 - len(self._nodes)):
            self._nodes.append(self._node(len(list(self.folder.glob("node-*")))))
        wait_until(lambda: self.active_nodes() == 2, SECONDS_TO_START, said=self.logs_of_nodes)

    def active_nodes(self) -> int:
        """Return how many nodes YARN counts on."""
        return int(self._manager.getResourceScheduler().getNumClusterNodes())

    def logs_of_nodes(self) -> str:
        """Return the ends of the nodes' logs."""
        return "\n".join(log.read_text()[-3000:] for log in self.folder.glob("node-*/log"))

    def node_of(self, container: psutil.Process) -> int:
        """Return the number of the process of the node on which a container runs."""
        ancestors = {parent.pid for parent in container.parents()}
        (node,) = [node for node in self._nodes if node.pid in ancestors]
        return node.pid

    def kill_node(self, number: int) -> None:
        """Kill a node with all that runs on it, at once, as when its machine loses power."""
        (node,) = [node for node in self._nodes if node.pid == number]
        running = [psutil.Process(number), *psutil.Process(number).children(recursive=True)]
        for signal_number in (signal.SIGSTOP, signal.SIGKILL):  # first stopped: none is to see another one's end
            for process in running:
                with suppress(psutil.NoSuchProcess):
                    process.send_signal(signal_number)
        node.wait()
        self._nodes.remove(node)

    def stop_nodes(self) -> None:
        """Stop the nodes, which end their containers."""
        for node in self._nodes:
            node.terminate()
        for node in self._nodes:
            node.wait()

    def _node(self, number: int) -> subprocess.Popen[bytes]:
        folder = self.folder / f"node-{number}"
        (folder / "conf").mkdir(parents=True)
        own = self._gateway.jvm.org.apache.hadoop.conf.Configuration(self._configuration)
        own.set("yarn.nodemanager.address", "127.0.0.1:0")
        for name in ("local", "log"):
            own.set(f"yarn.nodemanager.{name}-dirs", str(folder / f"{name}s"))
        self.write_xml(own, folder / "conf" / "yarn-site.xml")
        shutil.copy(self.conf / "core-site.xml", folder / "conf")
        command = [java(), "-Xmx256m", *OPENED, "-cp", os.pathsep.join([str(folder / "conf"), *class_path()])]
        path = os.pathsep.join([str(self._bin), os.environ["PATH"]])
        with (folder / "log").open("w") as log:
            return subprocess.Popen(
                [*command, "org.apache.hadoop.yarn.server.nodemanager.NodeManager"],
                stdout=log,
                stderr=subprocess.STDOUT,
                cwd=folder,
                env={**os.environ, "JAVA_HOME": java_home(), "PATH": path},
            )

    def write_xml(self, configuration: Any, file: Path) -> None:
        """Write a configuration of Hadoop's."""
        stream = self._gateway.jvm.java.io.FileOutputStream(str(file))
        configuration.writeXml(stream)
        stream.close()


def class_path() -> list[str]:
    """Return where the servers' classes are."""
    return [f"{server_jars() / 'yarn'}/*", f"{server_jars()}/*", f"{SPARK_JARS}/*"]


@contextmanager
def running_yarn(folder: Path) -> Iterator[Yarn]:
    """Start HDFS and a YARN of two nodes, and stop both at the end.

    Parameters
    ----------
    folder : Path
        Where they keep their data and logs; its sub-folder ``conf`` is for HADOOP_CONF_DIR.
    """
    assert (server_jars() / "yarn").is_dir(), "they are fetched by `make test-yarn`"
    port = launch_gateway(
        classpath=os.pathsep.join(class_path()),
        javaopts=["-Xmx768m", f"-Dtest.build.data={folder / 'data'}", *OPENED],
        die_on_exit=True,
        cwd=str(folder),
    )
    gateway = JavaGateway(gateway_parameters=GatewayParameters(port=port))
    try:
        hadoop: Any = gateway.jvm.org.apache.hadoop
        settings = hadoop.yarn.conf.YarnConfiguration()
        for name, value in SETTINGS.items():
            settings.set(name, value)
        hdfs = hadoop.hdfs.MiniDFSCluster.Builder(settings).numDataNodes(1).build()
        hdfs.waitActive()
        manager = hadoop.yarn.server.MiniYARNCluster("yarn", 0, 1, 1)  # its nodes would be threads of this JVM
        manager.init(settings)
        manager.start()
        for_clients = hadoop.conf.Configuration(manager.getConfig())
        for name in NOT_FOR_CLIENTS:
            for_clients.unset(name)
        yarn = Yarn(str(hdfs.getURI()), folder, manager.getResourceManager(), for_clients, gateway)
        yarn.conf.mkdir()
        for name in ("core-site.xml", "yarn-site.xml"):
            yarn.write_xml(for_clients, yarn.conf / name)
        try:
            yarn.start_nodes()
            yield yarn
        finally:
            yarn.stop_nodes()
        manager.stop()
        hdfs.shutdown()
    finally:
        gateway.shutdown()


if __name__ == "__main__":
    fetch()
    copy_from_maven(NEEDED_BY_YARN, server_jars() / "yarn")
