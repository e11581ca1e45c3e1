"""spark-submit, run by `hpt-spark submit`: how it is called, how it ends, and once for real."""

from __future__ import annotations

import json
import os
import signal
import stat
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from hpt_spark.cli import run_job
from hpt_spark.storage import open_folder
from hpt_spark.submit.bundle import pack_code
from jobs import submit
from tests.artifacts.searches import a_run
from tests.jobs.running import BIN, done, environment, set_words, split_scores
from tests.waiting import wait_until

SECRET = "S3CRET=a:b c\\é"
NAMES = ("PYSPARK_PYTHON", "PYSPARK_DRIVER_PYTHON", "SPARK_HOME")
FAKE = """#!{python}
import json, os, sys, time
words = sys.argv[1:]
file = words[words.index("--properties-file") + 1] if "--properties-file" in words else None
found = {{"words": words, "names": {{name: os.environ.get(name) for name in {names}}}}}
if file:
    found |= {{"file": file, "mode": os.stat(file).st_mode}}
    found |= {{"text": open(file, encoding="utf-8", errors="backslashreplace").read()}}
open({out!r}, "w").write(json.dumps(found))
{then}
"""


@pytest.fixture
def fake(tmp_path, monkeypatch):
    """Let SPARK_HOME have a spark-submit that writes down what it gets; return that, and how it goes on."""
    home, out = tmp_path / "spark", tmp_path / "got.json"
    (home / "bin").mkdir(parents=True)
    (home / "conf").mkdir()
    monkeypatch.setenv("SPARK_HOME", str(home))
    for name in ("SPARK_CONF_DIR", "PYSPARK_PYTHON", "PYSPARK_DRIVER_PYTHON"):
        monkeypatch.delenv(name, raising=False)

    def then(code: str = "") -> Path:
        script = home / "bin" / "spark-submit"
        script.write_text(FAKE.format(python=sys.executable, names=NAMES, out=str(out), then=code))
        script.chmod(0o755)
        return out

    then()
    then.home = home
    return then


def submitted(*settings: str) -> int:
    return run_job(submit.main, submit.__doc__, submit.options, ["tune", *set_words(*settings)])


def got(fake) -> dict:
    return json.loads(fake().read_text())


# --- how it is called ---


def test_cluster_mode_names_no_python_of_this_machine(fake, monkeypatch):
    monkeypatch.setenv("PYSPARK_DRIVER_PYTHON", "/here/python")
    monkeypatch.setenv("PYSPARK_PYTHON", "/here/python")
    environment = "submit.environment=hdfs:///env.tar.gz"
    assert submitted("spark.master=yarn", "submit.deploy_mode=cluster", "run.dir=hdfs:///a", environment) == 0
    assert got(fake)["names"] == {"PYSPARK_PYTHON": None, "PYSPARK_DRIVER_PYTHON": None, "SPARK_HOME": str(fake.home)}


def test_client_mode_has_this_python_here_and_the_packed_one_there(fake):
    assert submitted("spark.master=yarn", "submit.environment=hdfs:///env.tar.gz") == 0
    names = got(fake)["names"]
    assert (names["PYSPARK_DRIVER_PYTHON"], names["PYSPARK_PYTHON"]) == (sys.executable, "./env/bin/python")


def test_without_an_environment_the_users_own_choice_stays(fake, monkeypatch):
    assert submitted() == 0
    assert got(fake)["names"]["PYSPARK_PYTHON"] == sys.executable
    monkeypatch.setenv("PYSPARK_PYTHON", "/mine")
    assert submitted() == 0
    assert got(fake)["names"]["PYSPARK_PYTHON"] == "/mine"


def test_secrets_reach_spark_in_a_file_that_only_we_can_read(fake, monkeypatch, capsys):
    monkeypatch.setenv("MY_KEY", SECRET)
    (fake.home / "conf" / "spark-defaults.conf").write_bytes("spark.eventLog.dir /é\n".encode() + b"# f\xfcr\n")
    assert submitted("submit.secrets={spark.hadoop.fs.azure.account.key.a.b: MY_KEY}") == 0
    found = got(fake)
    assert stat.S_IMODE(found["mode"]) == 0o600
    kept = found["text"].splitlines()[:2]
    assert kept == ["spark.eventLog.dir /é", r"# f\xfcr"], "Spark reads no other file"
    assert "S3CRET" in found["text"]
    assert not Path(found["file"]).exists(), "gone with the job"
    assert "S3CRET" not in json.dumps(found["words"]) + str(capsys.readouterr())
    assert any(word.startswith("spark.redaction.regex=") for word in found["words"])


@pytest.mark.parametrize("value", [SECRET, "中文 \t#!x", " blank at both ends ", "a\\nb", "😀"])
def test_java_reads_the_very_value(spark, tmp_path, value):
    from hpt_spark.submit.properties import write_properties

    write_properties(tmp_path / "p", {"spark.a:b": value}, "spark.a:b below\nspark.c d")
    read = spark._jvm.org.apache.spark.util.Utils.getPropertiesFromFile(str(tmp_path / "p"))
    # Spark itself strips what it reads.
    assert read.apply("spark.a:b") == value.strip()
    assert read.apply("spark.c") == "d"


# --- the last words of a driver elsewhere ---

ON_YARN = ("spark.master=yarn", "submit.deploy_mode=cluster", "run.dir=hdfs:///runs/a")
PROPERTY = "spark.yarn.appMasterEnv.HPT_SPARK_FAILURE_FILE"


@pytest.fixture
def hadoops_shell(fake, tmp_path):
    """Let SPARK_HOME have a shell of Hadoop that writes down what it gets, and answers as it is told to."""
    calls = tmp_path / "calls"

    def answering(code: str) -> Path:
        script = fake.home / "bin" / "spark-class"
        script.write_text(f'#!/bin/sh\necho "$@" >> {calls}\n{code}\n')
        script.chmod(0o755)
        return calls

    return answering


def failure_files(fake) -> list[str]:
    return [word.partition("=")[2] for word in got(fake)["words"] if word.startswith(f"{PROPERTY}=")]


def test_the_last_words_of_a_driver_on_yarn_are_read_and_taken_away(fake, hadoops_shell, capsys):
    calls = hadoops_shell("echo hpt-spark: there are no results")
    fake("sys.exit(1)")
    assert submitted(*ON_YARN) == 1
    err = capsys.readouterr().err
    assert err.endswith("exit code 1; the driver's last words:\nhpt-spark: there are no results\n")
    fake("sys.exit(1)")
    (file,) = failure_files(fake)
    assert file.startswith("hdfs:///runs/a.failure-")
    shell = "org.apache.hadoop.fs.FsShell"
    assert calls.read_text().splitlines() == [f"{shell} -cat {file}", f"{shell} -rm -f -skipTrash {file}"]


@pytest.mark.parametrize("code", ["exit 1", "true"], ids=["no file", "an empty one"])
def test_a_driver_that_left_no_words_is_said_as_one_on_this_machine(fake, hadoops_shell, capsys, code):
    calls = hadoops_shell(code)
    fake("sys.exit(1)")
    assert submitted(*ON_YARN) == 1
    assert capsys.readouterr().err.endswith("exit code 1; above it says why.\n")
    assert len(calls.read_text().splitlines()) == 1


def test_no_shell_of_hadoop_changes_nothing(fake, capsys):
    fake("sys.exit(1)")
    assert submitted(*ON_YARN) == 1
    assert capsys.readouterr().err.endswith("exit code 1; above it says why.\n")


def test_a_job_that_succeeds_has_no_last_words(fake, hadoops_shell):
    calls = hadoops_shell("true")
    assert submitted(*ON_YARN) == 0
    assert not calls.exists()


@pytest.mark.parametrize(
    "changed",
    ["submit.deploy_mode=client", "run.dir=/runs/a", f"spark.conf={{{PROPERTY}: hdfs:///mine}}"],
    ids=["a driver here", "a folder of its own machine", "another file"],
)
def test_no_file_of_ours_where_it_could_not_be_read_or_there_is_another(fake, hadoops_shell, changed):
    calls = hadoops_shell("true")
    fake("sys.exit(1)")
    assert submitted(*ON_YARN, changed) == 1
    assert [file for file in failure_files(fake) if "failure-" in file] == []
    assert not calls.exists()


def test_each_submission_has_a_file_of_its_own(fake):
    submitted(*ON_YARN)
    first = failure_files(fake)
    submitted(*ON_YARN)
    assert first != failure_files(fake)


def test_a_secret_that_is_not_set_is_said_before_anything_starts(fake, monkeypatch, capsys):
    monkeypatch.delenv("MY_KEY", raising=False)
    assert submitted("submit.secrets={spark.a.password: MY_KEY}") == 2
    assert "submit.secrets names the environment variable MY_KEY, which is not set" in capsys.readouterr().err
    assert not (fake.home.parent / "got.json").exists()


# --- how it ends ---


@pytest.mark.parametrize(
    ("then", "code"), [("", 0), ("sys.exit(2)", 2), ("sys.exit(1)", 1), ("os.kill(os.getpid(), 9)", 137)]
)
def test_the_exit_code_is_spark_submits(fake, capsys, then, code):
    fake(then)
    assert submitted() == code
    err = capsys.readouterr().err
    assert bool(err) == (code != 0)
    assert "Traceback" not in err


def test_no_spark_submit_is_said(monkeypatch, capsys):
    monkeypatch.delenv("SPARK_HOME", raising=False)
    monkeypatch.setattr("hpt_spark.submit.installation.find_spec", lambda name: None)
    monkeypatch.setenv("PATH", "/nowhere")
    assert submitted() == 1
    assert "There is no spark-submit to run: let SPARK_HOME name the folder of a Spark" in capsys.readouterr().err


def test_a_wrong_spark_home_is_said(monkeypatch, capsys):
    monkeypatch.setenv("SPARK_HOME", "/no/spark")
    assert submitted() == 2
    assert "SPARK_HOME=/no/spark has no bin/spark-submit" in capsys.readouterr().err


@pytest.mark.long
@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_who_is_ended_ends_spark_submit(fake, tmp_path, number, code):
    out = fake("time.sleep(100)")
    process = subprocess.Popen([BIN / "hpt-spark", "submit", "tune"], stderr=subprocess.PIPE, text=True, cwd=tmp_path)
    wait_until(out.exists, process=process)
    (child,) = psutil.Process(process.pid).children()
    process.send_signal(number)
    _, err = process.communicate(timeout=60)
    assert process.returncode == code
    assert 'Traceback (most recent call last):\n  File "' + str(BIN) not in err
    assert not child.is_running()


# --- for real, in a local master ---

TELLING = """import os, sys, time
from pyspark.sql import SparkSession
spark = SparkSession.builder.getOrCreate()
print("KEY", ascii(spark.sparkContext._jsc.hadoopConfiguration().get("fs.azure.account.key.a.b")))
print("DEFAULT", spark.conf.get("spark.of.the.installation", None))
print("EXTRA", *[line for f in os.listdir("/proc") if f.isdigit() for line in [command(f)] if "S3CRET" in line])
sys.exit(int(sys.argv[-1]))
"""
COMMAND = """
def command(number):
    try:
        return open(f"/proc/{number}/cmdline").read().replace("\\0", " ")
    except OSError:
        return ""
"""


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_a_real_search_from_the_bundle_gives_what_tune_gives(tmp_path):
    pack_code(open_folder(tmp_path / "dist"))
    (tmp_path / "c.yaml").write_text(
        "search: {cv: 2, param_grid: {n_estimators: [2, 4], max_depth: [2]}}\n"
        "spark: {master: 'local[2]', conf: {spark.ui.enabled: false, spark.driver.memory: 600m}}\n"
        "submit: {name: of the night}\n"
    )
    for run in ("here", "submitted"):
        a_run(tmp_path / run)
    conf = ("--conf", tmp_path / "c.yaml")
    done(BIN / "hpt-spark", "tune", *conf, "--set", f"run.dir={tmp_path}/here")
    out = ("--set", f"run.dir={tmp_path}/submitted", "--set", f"submit.bundle={tmp_path}/dist")
    (tmp_path / "events").mkdir()
    events = ("spark.eventLog.enabled=true", f"spark.eventLog.dir={tmp_path}/events", "spark.eventLog.compress=false")
    done(BIN / "hpt-spark", "submit", "tune", *conf, *out, *set_words(*(f"spark.conf.{event}" for event in events)))
    assert '"App Name":"of the night"' in "".join(
        path.read_text() for path in (tmp_path / "events").rglob("*") if path.is_file()
    )
    assert split_scores(tmp_path / "submitted") == split_scores(tmp_path / "here")


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_a_real_secret_reaches_hadoop_and_no_list_of_processes(tmp_path):
    """spark-defaults.conf counts all the same, and the job's own exit code comes back."""
    pack_code(open_folder(tmp_path / "dist"))
    (tmp_path / "dist" / "jobs" / "report.py").write_text(COMMAND + TELLING)
    (tmp_path / "conf").mkdir()
    (tmp_path / "conf" / "spark-defaults.conf").write_text("spark.of.the.installation yes\n")
    settings = ["spark.master=local[1]", f"submit.bundle={tmp_path}/dist", "spark.conf.spark.ui.enabled=false"]
    settings += ["submit.secrets={spark.hadoop.fs.azure.account.key.a.b: MY_KEY}"]
    words = [BIN / "hpt-spark", "submit", "report", "--job-arg=3", *set_words(*settings)]
    answer = subprocess.run(
        list(map(str, words)),
        env={**environment(), "MY_KEY": SECRET, "SPARK_CONF_DIR": str(tmp_path / "conf"), "TMPDIR": str(tmp_path)},
        capture_output=True,
        text=True,
        cwd=tmp_path,
        check=False,
    )
    assert answer.returncode == 3, answer.stderr[-3000:]
    assert answer.stdout.splitlines() == [f"KEY {SECRET!a}", "DEFAULT yes", "EXTRA"]
    assert "S3CRET" not in answer.stderr
    assert not [name for name in os.listdir(tmp_path) if name.startswith("hpt_spark-")]
