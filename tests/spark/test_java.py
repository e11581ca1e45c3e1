"""Whether a Java is there that Spark can run on."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from hpt_spark.errors import MissingDependencyError
from hpt_spark.spark.java import check_java, supported_java

ROOT = Path(__file__).parent.parent
OPENJDK = 'openjdk version "{0}" 2024-01-16\nOpenJDK Runtime Environment (build {0}+7)'


@pytest.fixture
def home(tmp_path, monkeypatch):
    """A JAVA_HOME whose java says what it is told to say."""

    def with_java(answer: str, shebang: str = "#!/bin/sh") -> Path:
        java = tmp_path / "bin" / "java"
        java.parent.mkdir(exist_ok=True)
        # The real one writes to stderr.
        java.write_text(f"{shebang}\ncat >&2 <<'END'\n{answer}\nEND\n")
        java.chmod(0o755)
        monkeypatch.setenv("JAVA_HOME", str(tmp_path))
        return java

    return with_java


def refusal(version: str = "4.1.0") -> str:
    with pytest.raises(MissingDependencyError) as refused:
        check_java(version)
    return str(refused.value)


@pytest.mark.parametrize(
    ("spark", "releases"),
    [("3.3.4", (8, 11, 17)), ("3.5.1", (8, 11, 17)), ("4.0.0", (17, 21)), ("4.1.0", (17, 21)), ("4.3.0", (17, 21, 25))],
)
def test_each_spark_has_its_java(spark, releases):
    assert supported_java(spark) == releases


@pytest.mark.parametrize(
    ("spark", "java", "release"),
    [
        ("4.1.0", "17.0.9", 17),
        ("4.1.0", "21", 21),
        ("4.1.0", "21.0.1-ea", 21),
        ("3.3.4", "1.8.0_392", 8),
        ("3.3.4", "11.0.21", 11),
    ],
)
def test_a_supported_java_passes(home, spark, java, release):
    home(OPENJDK.format(java))
    assert check_java(spark) == release


@pytest.mark.parametrize(("java", "release"), [("1.8.0_392", "8"), ("11.0.21", "11"), ("25", "25"), ("9-ea", "9")])
def test_another_java_is_told_with_what_to_install(home, java, release):
    path = home(OPENJDK.format(java))
    said = refusal()
    assert said.startswith(f"PySpark 4.1.0 needs Java 17 or 21, but {path} is Java {release}; install one")
    assert "openjdk-21-jre-headless" in said
    assert said.endswith("let JAVA_HOME name its folder.")
    assert "\n" not in said


def test_a_java_that_options_make_talkative_is_still_known(home):
    home("Picked up JAVA_TOOL_OPTIONS: -Dx=1\n" + OPENJDK.format("17.0.9"))
    check_java("4.1.0")


@pytest.mark.parametrize(("answer", "shebang"), [("no such thing", "#!/bin/sh"), ("", "#!/nowhere/sh")])
def test_a_java_that_is_none_is_told(home, answer, shebang):
    path = home(answer, shebang)
    assert f"but {path} is Java of an unknown release" in refusal()


def test_a_java_that_does_not_answer_is_told(home, monkeypatch):
    monkeypatch.setattr("hpt_spark.spark.java.SECONDS_TO_ANSWER", 0.2)
    path = home(OPENJDK.format("17.0.9"), "#!/bin/sh\nexec sleep 20")
    assert f"but {path} is Java of an unknown release" in refusal()


def test_a_java_that_may_not_be_run_is_told(home, tmp_path):
    home(OPENJDK.format("17.0.9")).chmod(0o644)
    assert f"JAVA_HOME={tmp_path} has no bin/java" in refusal()


@pytest.mark.process
def test_make_gets_the_sentence_and_a_failure(home):
    """`make java` runs the module."""
    command = [sys.executable, "-m", "hpt_spark.spark.java"]
    home(OPENJDK.format("17.0.9"))
    assert subprocess.run(command, capture_output=True, text=True, check=False, cwd=ROOT).returncode == 0
    path = home(OPENJDK.format("9"))
    answer = subprocess.run(command, capture_output=True, text=True, check=False, cwd=ROOT)
    assert (answer.returncode, answer.stdout) == (1, "")
    (line,) = answer.stderr.splitlines()
    assert line.startswith("hpt-spark: PySpark ")
    assert f", but {path} is Java 9; install one" in line


def test_a_java_home_without_java_is_told_even_if_path_has_one(tmp_path, monkeypatch):
    monkeypatch.setenv("JAVA_HOME", str(tmp_path))
    assert f"JAVA_HOME={tmp_path} has no bin/java" in refusal()


def test_path_counts_where_java_home_is_not_set(home, tmp_path, monkeypatch):
    java = home(OPENJDK.format("17.0.9"))
    monkeypatch.delenv("JAVA_HOME")
    monkeypatch.setenv("PATH", f"{java.parent}:/usr/bin:/bin")
    check_java("4.1.0")
    home(OPENJDK.format("11.0.2"))
    monkeypatch.delenv("JAVA_HOME")
    assert f"but {java} is Java 11" in refusal()
    monkeypatch.setenv("PATH", str(tmp_path))
    assert "there is no java on PATH and JAVA_HOME is not set" in refusal()
