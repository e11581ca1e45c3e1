"""Standard streams that are closed, broken or full: the job goes on, its exit code is its own."""

from __future__ import annotations

import errno
import io
import os
import subprocess
import sys

import pytest

from hpt_spark import streams
from hpt_spark.streams import show
from tests.python_process import CLI, ROOT, run_python

# What a job does to its streams, and after which it writes what it was for.
JOB = """
import logging, os, sys
from pathlib import Path
from hpt_spark.cli import run_job
from hpt_spark.progress import Progress
done, how = Path(sys.argv[1]), sys.argv[2]
def main(config):
    with open(done, "w") as file:
        assert file.fileno() > 2, "a file in the place of a standard stream"
        for name in ("stdout", "stderr"):
            print("line\\n" * 9000, file=getattr(sys, name))
            print("\\ud800 \\u1234", file=getattr(sys, name), flush=True)
            getattr(sys, name).flush()
        os.write(2, b"as native code does") if how == "native" else None
        logging.getLogger("hpt_spark").info("logged %s", "\\ud800")
        with Progress("work", 3, "fits") as progress:
            progress.advance()
        sys.stdin.read()
        print("not flushed", end="")
        print("not flushed", end="", file=sys.stderr)
        if how == "mistake":
            from hpt_spark.errors import InputError
            raise InputError("a mistake.")
        file.write("done")
sys.exit(run_job(main, "x", None, []))
"""


def started(tmp_path, shell: str, how: str = "well", python: str = "", **environment: str):
    """Run the job by a line of the shell in which JOB stands for it; return the shell's answer."""
    (tmp_path / "job.py").write_text(JOB, encoding="utf-8")
    words = f"{sys.executable} {python} {tmp_path / 'job.py'} {tmp_path / 'done'} {how}"
    return subprocess.run(
        ["bash", "-c", shell.replace("JOB", words)],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        errors="replace",
        timeout=100,
        check=False,
        env={**os.environ, "PYTHONPATH": str(ROOT), **environment},
    )


def is_done(tmp_path) -> bool:
    return (tmp_path / "done").read_text() == "done"


@pytest.mark.parametrize(
    "shell",
    [
        "JOB 2>&-; exit $?",
        "JOB >&-; exit $?",
        "JOB <&- >&- 2>&-; exit $?",
        "JOB <&-; exit $?",
        "JOB >/dev/full; exit $?",
        "JOB 2>/dev/full; exit $?",
        "JOB >/dev/full 2>&1; exit $?",
        "JOB | true; exit ${PIPESTATUS[0]}",
        "JOB 2>&1 | head -1; exit ${PIPESTATUS[0]}",
        "JOB 2>&1 >/dev/null | true; exit ${PIPESTATUS[0]}",
        "trap '' PIPE; JOB 2>&1 | true; exit ${PIPESTATUS[0]}",
    ],
)
@pytest.mark.process
def test_a_job_ends_well_whatever_its_streams_are(tmp_path, shell):
    answer = started(tmp_path, shell)
    assert (answer.returncode, is_done(tmp_path)) == (0, True), answer.stderr
    for word in ("Traceback", "Exception ignored", "Logging error", "BrokenPipe"):
        assert word not in answer.stdout + answer.stderr


@pytest.mark.parametrize("python", ["-u", "-X dev -W ignore"])
@pytest.mark.process
def test_so_it_does_however_python_buffers(tmp_path, python):
    answer = started(tmp_path, "JOB >/dev/full 2>&1; exit $?", python=python)
    assert (answer.returncode, is_done(tmp_path), answer.stderr) == (0, True, "")


@pytest.mark.parametrize(
    "shell", ["JOB 2>&-; exit $?", "JOB >/dev/full 2>&1; exit $?", "JOB 2>&1|true; exit ${PIPESTATUS[0]}"]
)
@pytest.mark.process
def test_a_mistake_keeps_its_exit_code(tmp_path, shell):
    assert started(tmp_path, shell, "mistake").returncode == 2


@pytest.mark.process
def test_what_native_code_writes_goes_into_no_file(tmp_path):
    assert started(tmp_path, "JOB 2>&- >&- <&-; exit $?", "native").returncode == 0
    assert is_done(tmp_path)


@pytest.mark.process
def test_a_full_disk_is_told_on_stderr(tmp_path):
    said = started(tmp_path, "JOB >/dev/full; exit $?").stderr
    last = said.splitlines()[-1]
    assert last.endswith(
        "hpt-spark: stdout could not be written (No space left on device); what it was to show is lost"
    )
    assert "could not be written" not in started(tmp_path, "JOB | true; exit ${PIPESTATUS[0]}").stderr


@pytest.mark.process
def test_nothing_is_lost_where_all_is_well(tmp_path):
    answer = started(tmp_path, "JOB", PYTHONIOENCODING="ascii")
    assert answer.stdout == "line\n" * 9000 + "\n\\ud800 \\u1234\nnot flushed"
    assert answer.stderr.count("line\n") == 9000
    assert answer.stderr.endswith("not flushed")


@pytest.mark.process
def test_a_pipe_that_somebody_has_made_non_blocking_loses_nothing(tmp_path):
    reading, writing = os.pipe()
    os.set_blocking(writing, False)
    (tmp_path / "job.py").write_text(JOB, encoding="utf-8")
    words = [sys.executable, str(tmp_path / "job.py"), str(tmp_path / "done"), "well"]
    with subprocess.Popen(
        words, stdin=subprocess.DEVNULL, stdout=writing, stderr=subprocess.DEVNULL, cwd=ROOT
    ) as process:
        os.close(writing)
        with os.fdopen(reading, "rb") as pipe:
            said = pipe.read()
    assert process.returncode == 0
    assert said.count(b"line\n") == 9000
    assert said.endswith(b"not flushed")


@pytest.mark.parametrize("words", [["--help"], ["tune", "--help"], ["tune", "--dry-run"]])
@pytest.mark.process
def test_help_and_dry_run_do_not_fail_either(words):
    with open("/dev/full", "w") as full:
        answer = run_python(CLI, *words, stdout=full)
    assert answer.returncode == 0
    assert "Traceback" not in answer.stderr


def test_a_full_disk_is_noted_and_not_raised():
    with open("/dev/full", "w") as full:
        safe = streams._safe(full)
        print("line\n" * 9000, file=safe, flush=True)
        assert streams._raw(safe).lost.errno == errno.ENOSPC


def test_a_reader_that_has_gone_is_noted_and_not_raised():
    reading, writing = os.pipe()
    os.close(reading)
    with os.fdopen(writing, "w") as pipe:
        safe = streams._safe(pipe)
        print("line\n" * 9000, file=safe, flush=True)
        assert streams._raw(safe).lost.errno == errno.EPIPE


# --- in a process that is not ours ---


@pytest.mark.parametrize("kind", ["closed", "full", "without the letter"])
def test_what_a_fit_has_printed_ends_no_search_where_print_would(monkeypatch, kind):
    stream = io.TextIOWrapper(io.FileIO("/dev/full", "w"), encoding="ascii", write_through=True)
    if kind == "closed":
        stream.close()
    text = "ä" if kind == "without the letter" else "a fit\n"
    with monkeypatch.context() as patch:
        patch.setattr(sys, "stdout", stream)
        show("")
        show(text)
        with pytest.raises((OSError, ValueError)):
            print(text, end="")


def test_without_stdout_what_a_fit_has_printed_goes_nowhere(monkeypatch, capfd):
    with monkeypatch.context() as patch:
        patch.setattr(sys, "stdout", None)
        show("a fit\n")
    assert capfd.readouterr() == ("", "")


def test_what_a_fit_has_printed_is_shown(capsys):
    show("[CV] END\n")
    assert capsys.readouterr().out == "[CV] END\n"
