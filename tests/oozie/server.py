"""A real Oozie beside the tests' YARN, and the commands that a head node has: `hdfs`, `oozie` and `spark-submit`."""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
import time
import urllib.request
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any
from xml.sax.saxutils import escape

from tests.hdfs import SECONDS_TO_START, SPARK_JARS
from tests.oozie.jars import SERVER_JARS
from tests.servers import answers, free_port, java, running_server
from tests.yarn import running_yarn

ACTIONS = ("oozie.SubWorkflowActionExecutor", "email.EmailActionExecutor", "decision.DecisionActionExecutor") + tuple(
    f"hadoop.{name}ActionExecutor" for name in ("Java", "Fs", "Shell", "Spark")
)
SERVICES = (
    "org.apache.oozie.service.EventHandlerService",
    "org.apache.oozie.sla.service.SLAService",
)
# Of Oozie's own libraries, those that its launcher takes for granted on a node; without guava 11 no output is captured.
OF_A_LAUNCHER = ("guava-11.*", "slf4j-api-1.*", "slf4j-log4j12-*", "log4j-1.2.17", "commons-logging-*")
SHARELIB = "share/lib/lib_20260101000000"
SECONDS_OF_A_WORKFLOW = 3000.0  # as of a job on YARN
ENDED = ("SUCCEEDED", "KILLED", "FAILED", "DONEWITHERROR")
# Spark's client starts in the launcher's own JVM, and Java 17 needs what Spark's launcher would say.
OPENED = ("java.lang", "java.lang.invoke", "java.io", "java.net", "java.nio", "java.util", "java.util.concurrent")
OPENED += ("java.util.concurrent.atomic", "sun.nio.ch", "sun.nio.cs", "sun.security.action", "sun.util.calendar")


class Oozie:
    """A running server.

    Parameters
    ----------
    url : str
        Of its REST API.
    hdfs : str
        The URI of the file system.
    resource_manager : str
        The ``host:port`` of YARN.
    folder : Path
        With its logs, and YARN's.
    """

    def __init__(self, url: str, hdfs: str, resource_manager: str, folder: Path) -> None:
        self.url, self.hdfs, self.resource_manager, self.folder = url, hdfs, resource_manager, folder

    def shell(self, script: str, cwd: Path) -> str:
        """Run lines of a shell as on a head node, and return what they print."""
        answer = subprocess.run(
            ["bash", "-euo", "pipefail", "-c", script],
            cwd=cwd,
            env={**os.environ, "OOZIE_URL": self.url},
            capture_output=True,
            text=True,
            timeout=SECONDS_TO_START,
            check=False,
        )
        assert answer.returncode == 0, answer.stdout + answer.stderr
        return answer.stdout

    def ask(self, path: str) -> Any:
        with urllib.request.urlopen(f"{self.url}/v2/{path}") as answer:
            return json.load(answer)

    def start(self, properties: Mapping[str, str], *options: str) -> str:
        """Start what `properties` describe and return the id of the job."""
        lines = "".join(f"{name}={value}\n" for name, value in properties.items())
        file = self.folder / f"job-{len(list(self.folder.glob('job-*')))}.properties"
        file.write_text(lines)
        words = ["oozie", "job", "-config", str(file), *(options or ["-run"])]
        return self.shell(shlex.join(words), self.folder).rpartition("job: ")[2].strip()

    def wait(self, job: str, seconds: float = SECONDS_OF_A_WORKFLOW) -> dict[str, Any]:
        """Return what there is to say of a job that has ended."""
        deadline = time.monotonic() + seconds
        while (info := self.ask(f"job/{job}?show=info&len=50"))["status"] not in ENDED:
            assert time.monotonic() < deadline, json.dumps(info, indent=1)
            time.sleep(0.5)
        return dict(info)

    def logs(self) -> str:
        """Return the ends of all containers' logs, for the message of a test that fails."""
        files = sorted(self.folder.rglob("container_*/std*"), key=lambda file: file.stat().st_mtime)
        return "\n".join(f"== {file}\n{file.read_text(errors='replace')[-3000:]}" for file in files[-6:])


@contextmanager
def running_oozie(folder: Path) -> Iterator[Oozie]:
    """Start HDFS, YARN and Oozie, and stop them at the end."""
    assert (SERVER_JARS / ".complete").exists(), "they are fetched by `make test-oozie`"
    path = os.environ["PATH"]
    os.environ["PATH"] = f"{folder / 'bin'}{os.pathsep}{path}"  # which YARN's containers have as well
    try:
        with running_yarn(folder) as yarn:
            hdfs = yarn.hdfs
            site = (folder / "conf" / "yarn-site.xml").read_text()
            address = _setting(site, "yarn.resourcemanager.address")
            _make_commands(folder)
            _fill_sharelib(folder)
            port = free_port()
            _configure(folder, hdfs, site, port)
            with _server(folder, port) as url:
                yield Oozie(url, hdfs, address, folder)
    finally:
        os.environ["PATH"] = path


def _make_commands(folder: Path) -> None:
    conf = folder / "conf"
    commands = {
        "hdfs": f"shift\nexec {java()} -Xmx128m -cp '{conf}:{SPARK_JARS}/*' org.apache.hadoop.fs.FsShell "
        '"$@" 2>/dev/null',
        "oozie": f'exec {java()} -Xmx128m -cp "{SERVER_JARS}/*" org.apache.oozie.cli.OozieCLI "$@"',
        "spark-submit": f"export HADOOP_CONF_DIR={conf} PYSPARK_PYTHON={sys.executable}\n"
        f'exec {Path(sys.executable).parent}/spark-submit "$@"',
    }
    (folder / "bin").mkdir()
    for name, lines in commands.items():
        file = folder / "bin" / name
        file.write_text(f"#!/bin/sh\n{lines}\n")
        file.chmod(0o755)


def _fill_sharelib(folder: Path) -> None:
    spark = SPARK_JARS.parent / "python" / "lib"
    libraries = {
        "oozie": SERVER_JARS.glob("oozie-sharelib-oozie-*.jar"),
        "spark": [
            *SERVER_JARS.glob("oozie-sharelib-spark-*.jar"),
            spark / "pyspark.zip",
            *spark.glob("py4j-*-src.zip"),
            _jar_of_jars(folder / "spark-jars.jar"),
        ],
    }
    stage = folder / "sharelib"
    for name, files in libraries.items():
        (stage / name).mkdir(parents=True)
        for file in files:
            shutil.copy(file, stage / name)
    script = f"hdfs dfs -mkdir -p {SHARELIB} && hdfs dfs -put {stage}/* {SHARELIB}/"
    subprocess.run(["bash", "-c", script], check=True)


def _jar_of_jars(file: Path) -> Path:
    """Make a jar that only says where Spark's own jars lie, which are 300 MB."""
    lines = "".join(f"\r\n  file:{jar}" for jar in sorted(SPARK_JARS.glob("*.jar")))
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("META-INF/MANIFEST.MF", f"Manifest-Version: 1.0\r\nClass-Path: {lines}\r\n\r\n")
    return file


def _configure(folder: Path, hdfs: str, yarn_site: str, port: int) -> None:
    home = folder / "oozie"
    for name in ("conf/hadoop-conf", "conf/action-conf", "data", "logs", "web/webapp", "launcher"):
        (home / name).mkdir(parents=True)
    of_a_launcher = [jar for pattern in OF_A_LAUNCHER for jar in SERVER_JARS.glob(f"{pattern}.jar")]
    for jar in [*of_a_launcher, *SPARK_JARS.glob("hadoop-client-*.jar")]:
        shutil.copy(jar, home / "launcher")
    launcher = f"{folder}/conf,{home}/launcher/*"
    # Four keys only: the Hadoop in this server does not know all that the cluster's configuration says.
    _write_xml(
        home / "conf/hadoop-conf/core-site.xml",
        {
            "fs.defaultFS": hdfs,
            "yarn.resourcemanager.address": _setting(yarn_site, "yarn.resourcemanager.address"),
            "yarn.resourcemanager.scheduler.address": _setting(yarn_site, "yarn.resourcemanager.scheduler.address"),
            "yarn.application.classpath": launcher,
        },
    )
    opened = " ".join(f"--add-opens=java.base/{package}=ALL-UNNAMED" for package in OPENED)
    _write_xml(
        home / "conf/oozie-site.xml",
        {
            "oozie.http.hostname": "127.0.0.1",
            "oozie.http.port": str(port),
            "oozie.service.JPAService.jdbc.driver": "org.apache.derby.jdbc.EmbeddedDriver",
            "oozie.service.JPAService.jdbc.url": "jdbc:derby:memory:oozie;create=true",
            "oozie.service.JPAService.create.db.schema": "true",
            "oozie.service.HadoopAccessorService.hadoop.configurations": "*=hadoop-conf",
            "oozie.launcher.prepend.javaopts": opened,
            "oozie.service.ActionService.executor.classes": ",".join(f"org.apache.oozie.action.{n}" for n in ACTIONS),
            "oozie.services.ext": ",".join(SERVICES),
            "oozie.service.coord.check.maximum.frequency": "false",  # or nothing starts within a test's minutes
            "oozie.service.CoordMaterializeTriggerService.lookup.interval": "5",
        },
    )
    (home / "conf/oozie-log4j.properties").write_text(
        f"""log4j.rootLogger=WARN, file
log4j.appender.file=org.apache.log4j.FileAppender
log4j.appender.file.File={home}/logs/oozie.log
log4j.appender.file.layout=org.apache.log4j.PatternLayout
log4j.appender.file.layout.ConversionPattern=%d{{ISO8601}} %5p %c{{1}} - %m%n
log4j.logger.org.apache.oozie=INFO
"""
    )


@contextmanager
def _server(folder: Path, port: int) -> Iterator[str]:
    home = folder / "oozie"
    command = [java(), "-Xmx384m", "--add-opens=java.base/java.lang=ALL-UNNAMED", f"-Doozie.home.dir={home}"]
    command += [
        f"-Doozie.data.dir={home}/data",
        f"-Doozie.log.dir={home}/logs",
        "-Doozie.log4j.file=oozie-log4j.properties",
    ]
    command += [f"-Dderby.stream.error.file={home}/logs/derby.log", "-cp", f"{SERVER_JARS}/*:{home}/web"]
    command += ["org.apache.oozie.server.EmbeddedOozieServer"]
    url, logs = f"http://127.0.0.1:{port}/oozie", home / "logs"
    up, end = partial(answers, f"{url}/v1/admin/status"), subprocess.Popen.kill
    with running_server(command, logs / "out", up, SECONDS_TO_START, home, logs / "oozie.log", end=end):
        yield url


def _setting(site: str, name: str) -> str:
    found = re.search(f"<name>{re.escape(name)}</name><value>([^<]+)", site)
    assert found, name
    return found[1]


def _write_xml(file: Path, properties: Mapping[str, str]) -> None:
    lines = (
        f"<property><name>{name}</name><value>{escape(value)}</value></property>" for name, value in properties.items()
    )
    file.write_text("\n".join(["<configuration>", *lines, "</configuration>"]))
