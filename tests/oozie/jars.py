"""Oozie's jars, from Maven Central: `python -m tests.oozie.jars` fetches the server, `... schemas` the XSDs alone."""

from __future__ import annotations

import sys
from pathlib import Path

from tests.hdfs import ROOT, copy_from_maven
from tests.servers import maven

VERSION = "5.2.1"
SERVER_JARS = ROOT / ".oozie" / VERSION
CLIENT_JAR = ROOT / ".oozie" / "schemas" / f"oozie-client-{VERSION}.jar"
POM = Path(__file__).with_name("pom.xml")


def fetch_schemas() -> None:
    """Get the jar of Oozie's client, which has the XSDs (300 KB)."""
    copy_from_maven([f"org.apache.oozie:oozie-client:{VERSION}"], CLIENT_JAR.parent)


def fetch_server() -> None:
    """Get the server and its libraries (160 jars, 75 MB), unless they are there."""
    if (SERVER_JARS / ".complete").exists():
        return
    maven("-f", POM, "dependency:copy-dependencies", f"-DoutputDirectory={SERVER_JARS}")
    (SERVER_JARS / ".complete").touch()


if __name__ == "__main__":
    fetch_schemas()
    if "schemas" not in sys.argv:
        fetch_server()
