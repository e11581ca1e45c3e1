"""The Spark session of a job: which Python its workers have, and what it says while it starts."""

from __future__ import annotations

import contextlib
import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest
from py4j.protocol import Py4JNetworkError, get_return_value

from hpt_spark.config.sections import SparkSection
from hpt_spark.errors import ConfigError, InputError, MissingDependencyError
from hpt_spark.spark import session
from hpt_spark.spark.session import spark_if_needed, spark_session, started_by_spark_submit, stop_jvm
from tests.python_process import ROOT, run_python

# The JVM itself says this of an option that Spark 4 starts it with, before any setting of ours is read.
INCUBATOR = "WARNING: Using incubator modules: jdk.incubator.vector\n"

# Both sessions share one JVM. The second has the PYSPARK_PYTHON that the first must not need.
TWO_SESSIONS = """
import json, os, sys
from hpt_spark.config.sections import SparkSection
from hpt_spark.spark.session import spark_session
def facts(spark):
    context = spark.sparkContext
    batch = "spark.sql.execution.arrow.maxBytesPerBatch"
    settings = ("spark.sql.shuffle.partitions", batch, "spark.sql.ansi.enabled")
    return {
        "worker": context.parallelize([0], 1).map(lambda _: __import__("sys").executable).first(),
        "python": context.pythonExec,
        "name": context.appName,
        "master": context.master,
        "settings": [spark.conf.get(name) for name in settings],
    }
quiet = {"spark.ui.enabled": False}
given = {**quiet, "spark.sql.shuffle.partitions": 3, "spark.sql.ansi.enabled": True}
with spark_session("one", SparkSection(master="local[1]", conf=quiet)) as spark:
    one = facts(spark)
os.environ["PYSPARK_PYTHON"] = sys.argv[1]
with spark_session("two", SparkSection(master="local[2]", conf=given)) as spark:
    two = facts(spark)
print(json.dumps([one, two]))
"""


@pytest.fixture(scope="module")
def sessions(tmp_path_factory):
    """What two sessions were like, and what they wrote to stderr."""
    folder = tmp_path_factory.mktemp("session")
    python = folder / "python-of-the-user"
    python.write_text(f'#!/bin/sh\nexec {sys.executable} "$@"\n')
    python.chmod(0o755)
    # No `python3` on PATH could run a worker here.
    trap = folder / "bin"
    trap.mkdir()
    (trap / "python3").write_text("#!/bin/sh\nexit 9\n")
    (trap / "python3").chmod(0o755)
    environment = {**os.environ, "PATH": f"{trap}{os.pathsep}{os.environ['PATH']}"}
    answer = run_python(TWO_SESSIONS, python, env=environment, timeout=200)
    assert answer.returncode == 0, answer.stderr
    return [*json.loads(answer.stdout), answer.stderr, str(python)]


@pytest.mark.process
def test_workers_have_the_drivers_python_and_not_that_of_path(sessions):
    one, _, _, _ = sessions
    assert one["python"] == sys.executable
    assert os.path.realpath(one["worker"]) == os.path.realpath(sys.executable)


@pytest.mark.process
def test_pyspark_python_of_the_user_stays(sessions):
    _, two, _, python = sessions
    assert two["python"] == python


@pytest.mark.process
def test_spark_says_nothing_while_all_is_well(sessions):
    assert sessions[2].replace(INCUBATOR, "") == ""


@pytest.mark.process
def test_the_session_is_what_the_settings_say(sessions):
    one, two, _, _ = sessions
    assert (one["name"], one["master"]) == ("hpt-spark one", "local[1]")
    assert (two["name"], two["master"]) == ("hpt-spark two", "local[2]")
    assert one["settings"][:2] == ["32", str(2**31 - 1)]
    assert (two["settings"][0], two["settings"][2]) == ("3", "true")


REACH = """
import json
from pyspark import SparkContext
from hpt_spark.config.sections import SparkSection
from hpt_spark.spark.session import spark_if_needed, spark_session
settings = SparkSection(master="local[1]", conf={"spark.ui.enabled": False})
runs = lambda: SparkContext._active_spark_context is not None
facts = []
with spark_if_needed("x", settings, "runs/demo", "file:///data"):
    facts.append(runs())
for uris, required in ((["runs/demo", "hdfs://host/x"], False), (["runs/demo"], True)):
    with spark_if_needed("x", settings, *uris, required=required):
        facts.append(runs())
        with spark_session("y", settings) as spark:
            facts.append(spark.sparkContext.appName)
        facts.append(runs())
    facts.append(runs())
print(json.dumps(facts))
"""


@pytest.mark.process
def test_spark_runs_for_a_whole_job_where_a_path_needs_it():
    answer = run_python(REACH, timeout=200)
    assert answer.returncode == 0, answer.stderr
    assert json.loads(answer.stdout) == [False] + [True, "hpt-spark x", True, False] * 2


WRONG_SETTINGS = [
    (
        {"conf": {"spark.driver.memory": "lots"}},
        "Java does not start with spark.driver.memory=lots; above it says why.",
    ),
    (
        {"conf": {"spark.master": "local[x]"}},
        "Spark does not start with spark.master=local[x]: Could not parse Master URL: 'local[x]'",
    ),
    (
        {"master": "local[1]", "conf": {"spark.ssl.keyPassword": "S3CRET", "spark.sql.shuffle.partitions": "many"}},
        "Spark does not start with spark.ssl.keyPassword=***, spark.sql.shuffle.partitions=many, spark.master=local[1]",
    ),
    (
        {"master": "local[1]", "conf": {"spark.task.cpus": 8}},
        "Spark does not start with spark.task.cpus=8, spark.master=local[1]: The number of cores per executor (=1) has",
    ),
    (
        {"master": "local[1]", "conf": {"spark.eventLog.enabled": True, "spark.eventLog.dir": "/no"}},
        "Spark does not start with spark.eventLog.enabled=true, spark.eventLog.dir=/no, spark.master=local[1]: "
        "File file:/no does not exist",
    ),
]
MANY_STARTS = """
import json, sys
from hpt_spark.config.sections import SparkSection
from hpt_spark.errors import InputError
from hpt_spark.spark.session import spark_session
said = []
for settings in json.loads(sys.argv[1]):
    try:
        with spark_session("x", SparkSection(**settings)):
            said.append("it started")
    except InputError as error:
        said.append(str(error))
print(json.dumps(said))
"""


@pytest.mark.process
def test_settings_that_spark_cannot_start_with_are_the_users_mistake():
    settings = json.dumps([settings for settings, _ in WRONG_SETTINGS])
    answer = run_python(MANY_STARTS, settings, timeout=200)
    assert answer.returncode == 0, answer.stderr
    for said, (_, expected) in zip(json.loads(answer.stdout), WRONG_SETTINGS, strict=True):
        assert said.startswith(expected)


# --- in this process, on the session of all tests ---


def test_the_session_of_the_tests_is_what_its_settings_say(spark):
    context = spark.sparkContext
    assert (context.appName, context.master) == ("hpt-spark tests", "local[2]")
    assert spark.conf.get("spark.sql.shuffle.partitions") == "2"
    assert spark.conf.get("spark.sql.execution.arrow.maxBytesPerBatch") == str(2**31 - 1)
    worker = context.parallelize([0], 1).map(lambda _: __import__("sys").executable).first()
    assert os.path.realpath(worker) == os.path.realpath(sys.executable)


@pytest.mark.parametrize("error", [ConnectionRefusedError(111, "Connection refused"), Py4JNetworkError("no answer")])
def test_a_java_that_is_gone_before_spark_starts_is_told_in_a_sentence(spark, monkeypatch, error):
    """As where YARN's application master has waited for too long and has ended itself."""

    def refused():
        raise error

    monkeypatch.setattr("pyspark.SparkConf", refused)
    with pytest.raises(InputError, match=r"^Java ends while Spark starts with spark.a=1; above it says why\.$"):
        session._start({}, {"spark.a": "1"})


def test_a_session_that_a_job_has_started_already_is_taken_and_left_running(spark, monkeypatch):
    monkeypatch.setattr(session, "_kept", [spark])
    with spark_session("another", SparkSection()) as taken:
        assert taken is spark
    stop_jvm()
    assert spark.range(3).count() == 3


def test_no_spark_is_started_for_local_paths(monkeypatch):
    monkeypatch.setattr(session, "spark_session", lambda *_: pytest.fail("it has been started"))
    with spark_if_needed("x", SparkSection(), "runs/demo", "file:///data"):
        pass


def test_a_setting_that_spark_cannot_use_is_told_without_secrets(spark, monkeypatch):
    # From the first session on PySpark translates Java's exceptions itself, and this one is to be the first.
    monkeypatch.setattr("py4j.java_gateway.get_return_value", get_return_value)
    given = {"spark.ssl.keyPassword": "S3CRET", "spark.sql.shuffle.partitions": "many"}
    with pytest.raises(ConfigError) as error:
        session._start({}, given)
    expected = "Spark does not start with spark.ssl.keyPassword=***, spark.sql.shuffle.partitions=many"
    assert str(error.value).startswith(expected)
    assert "S3CRET" not in str(error.value)


# --- signals ---

LONG_JOB = """
import sys, time
from hpt_spark.cli import run_job
from hpt_spark.spark.session import spark_session
def sleep(_):
    open(sys.argv[1], "w").close()
    time.sleep(1000)
def main(config):
    with spark_session("x", config.spark) as spark:
        spark.sparkContext.parallelize([0], 1).foreach(sleep)
sys.exit(run_job(main, "x", None, ["--set", "spark.conf.spark.ui.enabled=false"]))
"""


def gateways_of(pid: int) -> list[psutil.Process]:
    """Return the JVM that waits for commands of the process; `java -version`, which it runs before, is none."""
    with contextlib.suppress(psutil.NoSuchProcess, psutil.ZombieProcess):
        children = psutil.Process(pid).children()
        return [child for child in children if child.name() == "java" and "-version" not in child.cmdline()]
    return []


@pytest.mark.timeout(900)  # the only limit: on a busy machine Java alone may take minutes to start
@pytest.mark.parametrize(
    ("moment", "number", "code"),
    [
        ("Java starts", signal.SIGTERM, 143),
        ("a task runs", signal.SIGTERM, 143),
        ("a task runs", signal.SIGINT, 130),
    ],
)
@pytest.mark.process
def test_a_signal_ends_the_job_and_its_java(tmp_path, moment, number, code):
    """PySpark leaves an idle Java for ever when its start is cut short, and fails when an answer of it is."""
    with subprocess.Popen(
        [sys.executable, "-c", LONG_JOB.replace("sys.argv[1]", repr(str(tmp_path / "task")))],
        cwd=ROOT,
        stdout=subprocess.DEVNULL,
        stderr=(tmp_path / "stderr").open("w"),
    ) as process:
        javas: list[psutil.Process] = []
        try:
            while not javas or (moment == "a task runs" and not (tmp_path / "task").exists()):
                assert process.poll() is None, (tmp_path / "stderr").read_text()
                javas = gateways_of(process.pid)
                time.sleep(0.01)
            process.send_signal(number)
            assert process.wait() == code, (tmp_path / "stderr").read_text()
        finally:
            process.kill()
    said = (tmp_path / "stderr").read_text().replace(INCUBATOR, "")
    assert said == ("hpt-spark: interrupted\n" if number == signal.SIGINT else "")
    psutil.wait_procs(javas)


def test_without_java_nothing_starts(monkeypatch, tmp_path):
    monkeypatch.delenv("PYSPARK_GATEWAY_PORT", raising=False)
    monkeypatch.setenv("JAVA_HOME", str(tmp_path))
    with pytest.raises(MissingDependencyError, match="has no bin/java"), spark_session("x", SparkSection()):
        pass


def test_without_pyspark_the_way_to_install_it_is_told(monkeypatch):
    monkeypatch.setitem(sys.modules, "pyspark", None)
    with pytest.raises(MissingDependencyError, match=r"pip install 'hpt-spark\[spark\]'"):
        with spark_session("x", SparkSection()):
            pass


def test_java_ignores_a_hangup_of_the_terminal(spark):
    """A job keeps what it has when its terminal closes, for which it still needs Java."""
    status = Path(f"/proc/{spark.sparkContext._gateway.proc.pid}/status").read_text()
    ignored = int(re.search(r"SigIgn:\s*(\w+)", status)[1], 16)
    assert ignored & 1 << signal.SIGHUP - 1


def test_spark_submit_is_known_by_its_gateway(monkeypatch):
    monkeypatch.delenv("PYSPARK_GATEWAY_PORT", raising=False)
    assert not started_by_spark_submit()
    monkeypatch.setenv("PYSPARK_GATEWAY_PORT", "1")
    assert started_by_spark_submit()


def test_in_cluster_mode_spark_is_started_whether_a_job_needs_it_or_not(spark, monkeypatch):
    started = []

    @contextlib.contextmanager
    def starting(job, settings):
        started.append(job)
        yield spark

    monkeypatch.setattr(session, "spark_session", starting)
    system, mode = spark.sparkContext._jvm.java.lang.System, "spark.submit.deployMode"
    before = system.getProperty(mode)
    try:
        for gateway, value in ((None, "cluster"), ("1", "client"), ("1", "cluster")):
            monkeypatch.delenv("PYSPARK_GATEWAY_PORT", raising=False)
            if gateway is not None:
                monkeypatch.setenv("PYSPARK_GATEWAY_PORT", gateway)
            system.setProperty(mode, value)
            with session.spark_if_needed(f"{gateway} {value}", SparkSection(), "data/tables"):
                pass
    finally:
        system.clearProperty(mode) if before is None else system.setProperty(mode, before)
    assert started == ["1 cluster"]


WITHOUT_MEMORY = """
from hpt_spark.errors import MemoryExhaustedError
from hpt_spark.config.sections import SparkSection
from hpt_spark.spark.session import spark_session
conf = {"spark.ui.enabled": False, "spark.driver.memory": "512m"}
try:
    with spark_session("x", SparkSection(master="local[1]", conf=conf)) as spark:
        spark.sparkContext._jvm.java.lang.StringBuilder(2_000_000_000)
except MemoryExhaustedError as error:
    print(error)
"""


KILLED = """
import os, sys
from hpt_spark.errors import SparkEndedError
from hpt_spark.config.sections import SparkSection
from hpt_spark.spark.session import spark_session
try:
    with spark_session("x", SparkSection(master="local[1]", conf={"spark.ui.enabled": False})) as spark:
        if sys.argv[1:] == ["java"]:
            os.kill(spark.sparkContext._gateway.proc.pid, 9)
        spark.range(3).mapInArrow(lambda batches: os.kill(os.getpid(), 9), "id long").count()
except SparkEndedError as error:
    print(error)
"""


@pytest.mark.parametrize(
    ("killed", "said"),
    [
        ("java", "Java, which runs Spark, was ended by SIGKILL; start the job again."),
        ("worker", "a Python worker of Spark was killed; lack of memory is the usual cause: "),
    ],
)
@pytest.mark.process
def test_a_killed_process_of_spark_is_one_sentence(killed, said):
    answer = run_python(KILLED, killed, timeout=200)
    assert answer.returncode == 0, answer.stderr
    assert answer.stdout.startswith(said)
    assert answer.stdout.count("\n") == 1


@pytest.mark.process
def test_java_without_memory_is_told_and_not_waited_for():
    answer = run_python(WITHOUT_MEMORY, timeout=100)
    assert answer.returncode == 0, answer.stderr
    assert "give it more, e.g. --set spark.conf.spark.driver.memory=4g" in answer.stdout
