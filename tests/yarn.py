"""A real YARN for the tests, with an HDFS beside it: both in a JVM of their own."""

from __future__ import annotations

import getpass
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from py4j.java_gateway import GatewayParameters, JavaGateway, launch_gateway

from tests.hdfs import SPARK_JARS, copy_from_maven, fetch, server_jars

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
    "yarn.nodemanager.resource.memory-mb": "8192",
    "yarn.nodemanager.resource.cpu-vcores": "8",
    "yarn.nodemanager.vmem-check-enabled": "false",  # a JVM reserves far more than it takes
    "yarn.nodemanager.disk-health-checker.max-disk-utilization-per-disk-percentage": "99.9",
    "yarn.nodemanager.localizer.cache.target-size-mb": "100",
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


@contextmanager
def running_yarn(folder: Path) -> Iterator[str]:
    """Start YARN and HDFS, give the HDFS's URI, and stop both at the end.

    Parameters
    ----------
    folder : Path
        Where they keep their data and logs; its sub-folder ``conf`` is for HADOOP_CONF_DIR.
    """
    jars = [f"{server_jars() / 'yarn'}/*", f"{server_jars()}/*", f"{SPARK_JARS}/*"]
    # YARN's web server makes classes at run time, which needs this since Java 17.
    opened = [f"--add-opens=java.base/java.{package}=ALL-UNNAMED" for package in ("lang", "util", "io")]
    port = launch_gateway(
        classpath=os.pathsep.join(jars),
        javaopts=["-Xmx768m", f"-Dtest.build.data={folder / 'data'}", *opened],
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
        yarn = hadoop.yarn.server.MiniYARNCluster("yarn", 1, 1, 1)
        yarn.init(settings)
        yarn.start()
        for_clients = hadoop.conf.Configuration(yarn.getConfig())
        for name in NOT_FOR_CLIENTS:
            for_clients.unset(name)
        (folder / "conf").mkdir()
        for name in ("core-site.xml", "yarn-site.xml"):
            stream = gateway.jvm.java.io.FileOutputStream(str(folder / "conf" / name))
            for_clients.writeXml(stream)
            stream.close()
        yield str(for_clients.get("fs.defaultFS"))
        yarn.stop()
        hdfs.shutdown()
    finally:
        gateway.shutdown()


if __name__ == "__main__":
    if sys.version_info < (3, 11):
        sys.exit("The tests on YARN run with PySpark 4 only.")
    fetch()
    copy_from_maven(NEEDED_BY_YARN, server_jars() / "yarn")
