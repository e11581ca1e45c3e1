"""The last sentence of a job that fails, in the file that HPT_SPARK_FAILURE_FILE names."""

from __future__ import annotations

import signal

import pytest

from hpt_spark import cli
from hpt_spark.errors import ConfigError, HptSparkError, InputError
from hpt_spark.failure_file import VARIABLE


@pytest.fixture
def file(tmp_path, monkeypatch):
    file = tmp_path / "failure"
    monkeypatch.setenv(VARIABLE, str(file))
    return file


def ending(error: BaseException):
    def job(_: object) -> None:
        raise error

    return job


@pytest.mark.parametrize("kind", [HptSparkError, InputError, ConfigError])
def test_it_holds_what_the_job_says(file, capsys, kind):
    code = cli.run_job(ending(kind("the réason")), "x", None, [])
    assert code == kind.exit_code
    assert file.read_text(encoding="utf-8") == capsys.readouterr().err
    assert "the réason" in file.read_text(encoding="utf-8")


def test_an_error_of_ours_is_named_by_its_kind(file):
    with pytest.raises(ZeroDivisionError):
        cli.run_job(ending(ZeroDivisionError("by nothing")), "x", None, [])
    assert file.read_text() == "hpt-spark: ZeroDivisionError: by nothing\n"


def test_a_signal_is_named(file):
    def job(_: object) -> None:
        signal.raise_signal(signal.SIGTERM)

    with pytest.raises(SystemExit) as ending:
        cli.run_job(job, "x", None, [])
    assert ending.value.code == 143
    assert file.read_text() == "hpt-spark: ended by SIGTERM\n"


def test_a_job_that_succeeds_writes_nothing(file):
    assert cli.run_job(lambda _: None, "x", None, []) == 0
    assert not file.exists()


def test_what_an_earlier_attempt_has_left_goes_when_a_job_begins(file):
    file.write_text("why the first attempt failed")
    assert cli.run_job(lambda _: None, "x", lambda parser: None, []) == 0
    assert not file.exists()


def test_a_file_that_cannot_be_removed_is_said_and_the_job_runs(file, capsys):
    file.mkdir()
    assert cli.run_job(lambda _: print("done"), "x", lambda parser: None, []) == 0
    out, err = capsys.readouterr()
    assert out == "done\n"
    assert err.startswith(f"hpt-spark: {VARIABLE}={file} cannot be written: ")


def test_it_holds_no_secret_and_has_an_end(file):
    cli.run_job(ending(InputError("https://x.net/c?sig=abcdef" + " long" * 1000)), "x", None, [])
    text = file.read_text()
    assert "abcdef" not in text
    assert len(text) == 2001


@pytest.mark.parametrize("name", ["/nowhere/at/all", "no-such-scheme://place/file"])
def test_a_file_that_cannot_be_written_changes_nothing_else(spark, monkeypatch, capsys, name):
    monkeypatch.setenv(VARIABLE, name)
    assert cli.run_job(ending(InputError("the reason")), "x", None, []) == 2
    said, about_it = capsys.readouterr().err.splitlines()
    assert said == "hpt-spark: the reason"
    assert about_it.startswith(f"hpt-spark: {VARIABLE}={name} cannot be written: ")


def test_java_writes_it_too(spark, tmp_path, monkeypatch):
    """As on a Hadoop file system; the tests on Oozie have a real one."""
    from hpt_spark.failure_file import _write_by_java

    _write_by_java(f"file://{tmp_path}/deep/failure", "the réason\n".encode())
    assert (tmp_path / "deep" / "failure").read_text(encoding="utf-8") == "the réason\n"
