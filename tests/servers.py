"""What the tests' servers have in common: their start and end, a free port, a Java, jars from Maven Central."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import urllib.request
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.waiting import wait_until


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


@contextmanager
def running_server(
    command: Sequence[object],
    output: Path,
    is_up: Callable[[], Any],
    seconds: float,
    folder: Path,
    log: Path | None = None,
    env: Mapping[str, str] | None = None,
    end: Callable[[subprocess.Popen[bytes]], None] = subprocess.Popen.terminate,
) -> Iterator[None]:
    """Run a server in `folder` from the moment at which it `is_up` to the end of the ``with``.

    Where it does not come up, the end of its `log` is told, which is its `output` unless it writes another one.
    """
    with output.open("w") as out:
        server = subprocess.Popen(list(map(str, command)), stdout=out, stderr=subprocess.STDOUT, cwd=folder, env=env)
    try:
        wait_until(is_up, seconds, process=server, said=lambda: (log or output).read_text()[-4000:])
        yield
    finally:
        end(server)
        server.wait()


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
