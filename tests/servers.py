"""What the tests' servers have in common: a free port, a Java, jars from Maven Central."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import urllib.request
from pathlib import Path


def free_port() -> int:
    """Return a port of this machine on which nothing listens."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def answers(url: str) -> bytes:
    """Return what a server answers; nothing where it is not up."""
    try:
        with urllib.request.urlopen(url, timeout=10) as answer:
            return bytes(answer.read())
    except OSError:
        return b""


def java_home() -> str:
    """Return the folder of the Java that runs the servers."""
    return os.environ.get("JAVA_HOME") or str(Path(shutil.which("java") or "/usr/bin/java").resolve().parent.parent)


def java() -> str:
    """Return the program of that Java."""
    return f"{java_home()}/bin/java"


def maven(*words: str | Path) -> None:
    """Run Maven, or end with a sentence where there is none."""
    if not shutil.which("mvn"):
        sys.exit("The tests on servers need Maven to fetch them (Debian, Ubuntu: apt install maven)")
    subprocess.run(["mvn", "--quiet", "--batch-mode", *map(str, words)], check=True)
