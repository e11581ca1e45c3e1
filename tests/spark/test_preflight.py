"""What is looked at before Spark starts, and what a person reads where it is wrong."""

from __future__ import annotations

import os
import socket
import sys
import time

import pytest

from hpt_spark.errors import InputError
from hpt_spark.spark import preflight
from hpt_spark.spark.preflight import (
    check_arguments,
    check_master,
    check_python,
    check_spark_home,
    check_submit_arguments,
    utf8_locale_for_java,
)
from tests.python_process import CLI, ROOT, run_python

NOWHERE = "127.0.0.1:1"


@pytest.fixture(autouse=True)
def _no_settings_around(monkeypatch):
    for name in ("SPARK_HOME", "PYSPARK_PYTHON", "PYSPARK_SUBMIT_ARGS", "HADOOP_CONF_DIR", "YARN_CONF_DIR"):
        monkeypatch.delenv(name, raising=False)
    for name in preflight.PROXIES:
        monkeypatch.delenv(name, raising=False)


def refused(check, *arguments) -> str:
    with pytest.raises(InputError) as error:
        check(*arguments)
    assert "\n" not in str(error.value)
    return str(error.value)


# --- masters ---


@pytest.fixture
def address():
    """Where something listens."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield f"127.0.0.1:{server.getsockname()[1]}"


@pytest.mark.parametrize(
    "master",
    [
        f"spark://{NOWHERE}",
        f"spark://{NOWHERE},127.0.0.1:2",
        "spark://127.0.0.1:99999999",
        "spark://nowhere.invalid:7077",
        "spark://[::1]:1",
        f"k8s://{NOWHERE}",
        f"k8s://https://{NOWHERE}/api",
        "k8s://http://nowhere.invalid",
    ],
)
def test_a_master_where_nothing_listens_is_refused_within_seconds(master):
    began = time.monotonic()
    assert refused(check_master, master, "4.1.0").startswith(f"spark.master={master} cannot be reached (")
    assert time.monotonic() - began < 30


@pytest.mark.parametrize("master", ["spark://{}", "spark://127.0.0.1:1,{}", "k8s://{}", "k8s://http://{}/api"])
def test_a_master_where_something_listens_is_left_to_spark(address, master):
    check_master(master.format(address), "4.1.0")


@pytest.mark.parametrize("master", [None, "local", "local[*]", "local[2,3]", "local-cluster[1,1,1024]"])
def test_a_local_master_needs_nothing(master):
    check_master(master, "4.1.0")


def test_a_kubernetes_behind_a_proxy_is_left_to_spark(monkeypatch):
    monkeypatch.setenv("https_proxy", "http://proxy.invalid:3128")
    check_master(f"k8s://{NOWHERE}", "4.1.0")


def test_mesos_is_told_from_the_releases_that_know_it():
    assert refused(check_master, "mesos://127.0.0.1:5050", "4.1.0") == (
        "spark.master=mesos://127.0.0.1:5050: Spark 4.1.0 knows Mesos no more."
    )
    check_master("mesos://127.0.0.1:5050", "3.3.4")


def test_yarn_needs_its_configuration(monkeypatch, tmp_path):
    assert "neither HADOOP_CONF_DIR nor YARN_CONF_DIR is set" in refused(check_master, "yarn", "4.1.0")
    for folder in (tmp_path / "none", tmp_path):
        monkeypatch.setenv("HADOOP_CONF_DIR", str(folder))
        assert f"but HADOOP_CONF_DIR={folder} has no yarn-site.xml" in refused(check_master, "yarn", "4.1.0")
    (tmp_path / "yarn-site.xml").write_text("<configuration/>")
    check_master("yarn", "4.1.0")
    monkeypatch.setenv("YARN_CONF_DIR", str(tmp_path))
    monkeypatch.setenv("HADOOP_CONF_DIR", str(tmp_path / "none"))
    check_master("yarn", "4.1.0")


@pytest.mark.process
def test_an_unreachable_master_ends_a_job_in_one_line(tmp_path):
    words = ["ingest", "--set", f"spark.master=spark://{NOWHERE}", "--set", "source.via=hadoop"]
    answer = run_python(CLI, *words, timeout=100)
    assert (answer.returncode, answer.stdout, answer.stderr.count("\n")) == (2, "", 1), answer.stderr
    assert answer.stderr.startswith(f"hpt-spark: spark.master=spark://{NOWHERE} cannot be reached (")


# --- the environment ---


@pytest.mark.parametrize("home", ["", "/nonexistent", "FOLDER"])
def test_a_spark_home_without_spark_is_refused(monkeypatch, tmp_path, home):
    home = home.replace("FOLDER", str(tmp_path))
    monkeypatch.setenv("SPARK_HOME", home)
    assert refused(check_spark_home).startswith(f"SPARK_HOME={home} has no bin/spark-submit; ")


def test_a_spark_home_is_taken(monkeypatch, tmp_path):
    check_spark_home()
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "spark-submit").touch(0o755)
    monkeypatch.setenv("SPARK_HOME", str(tmp_path))
    check_spark_home()


@pytest.mark.parametrize("arguments", ["--foo", "'pyspark-shell", "", "--master local"])
def test_submit_arguments_that_pyspark_cannot_use_are_refused(monkeypatch, arguments):
    monkeypatch.setenv("PYSPARK_SUBMIT_ARGS", arguments)
    assert refused(check_submit_arguments).startswith("PYSPARK_SUBMIT_ARGS must be options of spark-submit")


@pytest.mark.parametrize("arguments", [None, "pyspark-shell", "--conf 'a=b c' pyspark-shell"])
def test_submit_arguments_are_taken(monkeypatch, arguments):
    if arguments is not None:
        monkeypatch.setenv("PYSPARK_SUBMIT_ARGS", arguments)
    check_submit_arguments()


ANSWERS = {
    "exit 3": "is none (it ends with 3)",
    "echo 'no version' >&2; exit 127": "is none (it ends with 127: no version)",
    "echo hello": "is none (it ends with 0)",
    "echo 2.7": "is Python 2.7, but this is Python ",
    "echo {ours} hpt_spark sklearn": "does not have hpt_spark, sklearn; ",
    "kill -9 $$": "is none (it ends with -9)",
}


@pytest.mark.parametrize("script", ANSWERS)
def test_a_python_that_cannot_run_workers_is_refused(monkeypatch, tmp_path, script):
    python = tmp_path / "python"
    python.write_text("#!/bin/sh\n" + script.replace("{ours}", "{}.{}".format(*sys.version_info[:2])) + "\n")
    python.chmod(0o755)
    monkeypatch.setenv("PYSPARK_PYTHON", str(python))
    said = refused(check_python, "local[2]")
    assert said.startswith(f"PYSPARK_PYTHON={python}, the Python of Spark's workers, {ANSWERS[script]}")
    assert said.endswith(f"or unset it, which takes {sys.executable}.")
    check_python("yarn")  # whose nodes have their own


@pytest.mark.parametrize("python", ["/nonexistent/python", "/dev/null", "/", ""])
def test_a_python_that_does_not_run_is_refused(monkeypatch, python):
    monkeypatch.setenv("PYSPARK_PYTHON", python)
    said = refused(check_python, "local")
    assert said.startswith(f"PYSPARK_PYTHON={python}, the Python of Spark's workers, does not run (")


def test_a_silent_python_is_not_waited_for_long(monkeypatch, tmp_path):
    (tmp_path / "python").write_text("#!/bin/sh\nexec sleep 100\n")
    (tmp_path / "python").chmod(0o755)
    monkeypatch.setenv("PYSPARK_PYTHON", str(tmp_path / "python"))
    monkeypatch.setattr(preflight, "SECONDS_TO_ANSWER", 0.2)
    assert "gives no answer for" in refused(check_python, "local")


def test_our_own_python_is_taken(monkeypatch, tmp_path):
    check_python("local")
    monkeypatch.chdir(ROOT)
    (tmp_path / "python").write_text(f'#!/bin/sh\nexec {sys.executable} "$@"\n')
    (tmp_path / "python").chmod(0o755)
    for python in (sys.executable, str(tmp_path / "python")):
        monkeypatch.setenv("PYSPARK_PYTHON", python)
        check_python("local[*]")


# --- locales ---


def test_letters_that_spark_submit_has_lost_are_told(monkeypatch):
    for name in ("LC_ALL", "LC_CTYPE", "LANG"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("LC_ALL", "C")
    check_arguments(["run.dir=/data/what?/run"])
    monkeypatch.setenv("PYSPARK_GATEWAY_PORT", "1")
    assert "start spark-submit with LC_ALL=C.UTF-8" in refused(check_arguments, ["run.dir=/data/????/run"])
    check_arguments(["run.dir=/data/run"])
    monkeypatch.setenv("LC_ALL", "C.UTF-8")
    check_arguments(["run.dir=/data/what?/run"])


def test_java_is_started_under_utf_8_and_the_environment_is_as_before(monkeypatch):
    monkeypatch.setenv("LC_ALL", "C")
    with utf8_locale_for_java():
        assert "utf" in os.environ["LC_ALL"].lower()
    assert os.environ["LC_ALL"] == "C"


def without_locale(**others):
    """Return this environment with `others`, and without a locale and options of Python."""
    bare = {name: value for name, value in os.environ.items() if not name.startswith(("LC_", "LANG", "PYTHON"))}
    return {**bare, **others}


LOST = """
import sys
from hpt_spark.cli import run_job
sys.exit(run_job(lambda config: print("it ran"), "x", None, sys.argv[1:]))
"""


@pytest.mark.parametrize(
    ("environment", "argument", "is_refused"),
    [
        ({"LC_ALL": "C", "PYSPARK_GATEWAY_PORT": "1"}, "run.dir=/data/????/run", True),
        ({"LC_ALL": "POSIX", "PYSPARK_GATEWAY_PORT": "1"}, "run.dir=/data/\ufffd/run", True),
        ({"LC_ALL": "C", "PYSPARK_GATEWAY_PORT": "1"}, "run.dir=/data/run", False),
        ({"LC_ALL": "C.UTF-8", "PYSPARK_GATEWAY_PORT": "1"}, "run.dir=/data/what?/run", False),
        ({"LC_ALL": "C"}, "run.dir=/data/what?/run", False),
    ],
)
@pytest.mark.process
def test_arguments_whose_letters_spark_submit_has_lost_are_refused(environment, argument, is_refused):
    answer = run_python(LOST, "--set", argument, encoding="utf-8", env=without_locale(**environment))
    if is_refused:
        assert (answer.returncode, answer.stdout) == (2, "")
        assert answer.stderr.startswith("hpt-spark: the argument run.dir=/data/")
        assert "start spark-submit with LC_ALL=C.UTF-8" in answer.stderr
    else:
        assert (answer.returncode, answer.stdout, answer.stderr) == (0, "it ran\n", "")


SHOW_LOCALE = """
import json, locale, os, sys
from hpt_spark.spark.preflight import utf8_locale_for_java
names = ("LC_ALL", "LC_CTYPE", "LANG")
before = {name: os.environ.get(name) for name in names}
with utf8_locale_for_java():
    # What another program finds, Java among them.
    charmap = os.popen("locale charmap").read().strip()
assert {name: os.environ.get(name) for name in names} == before
print(json.dumps([charmap, sys.getfilesystemencoding()]))
"""


@pytest.mark.parametrize(
    "environment",
    [
        {"LC_ALL": "C"},
        {"LC_ALL": "POSIX"},
        {"LC_CTYPE": "C", "LANG": "C"},
        {"LANG": "C"},
        {},
        {"LC_ALL": "xx_YY.UTF-8"},
        {"LC_ALL": "C", "PYTHONUTF8": "1", "PYTHONCOERCECLOCALE": "0"},
        {"LC_ALL": "C.UTF-8"},
    ],
    ids=str,
)
@pytest.mark.skipif(sys.platform == "darwin", reason="Java takes UTF-8 there by itself")
@pytest.mark.process
def test_java_has_a_utf_8_locale_where_our_file_names_are_utf_8(environment):
    answer = run_python(SHOW_LOCALE, env=without_locale(**environment))
    assert answer.returncode == 0, answer.stderr
    assert answer.stdout in ('["UTF-8", "utf-8"]\n',), answer.stdout


@pytest.mark.process
def test_file_names_that_are_not_utf_8_here_are_not_for_java_either():
    ascii_only = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
    answer = run_python(SHOW_LOCALE, env=without_locale(**ascii_only))
    assert "utf-8" not in answer.stdout.lower(), answer.stdout + answer.stderr
