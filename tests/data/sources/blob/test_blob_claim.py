"""A folder of downloads is one process's at a time, and nobody's when that process has ended."""

from __future__ import annotations

import errno
import logging
import shutil
import subprocess
import sys
import threading

import pytest

from hpt_spark.data.sources.blob import claim
from hpt_spark.data.sources.blob.claim import claimed

HOLD = """
import sys
from pathlib import Path
from hpt_spark.data.sources.blob.claim import claimed
with claimed(Path(sys.argv[1])):
    print("held", flush=True)
    sys.stdin.read()
"""


@pytest.fixture
def holder(tmp_path):
    command = [sys.executable, "-c", HOLD, str(tmp_path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout.readline() == "held\n"
        yield process
        process.kill()


@pytest.fixture
def waiting(tmp_path, monkeypatch, caplog):
    """Start a thread that claims the folder, and return it when it waits; `done` is set when it has had its turn."""
    monkeypatch.setattr(claim, "_SECONDS_BETWEEN_LOOKS", 0.01)
    caplog.set_level(logging.INFO)
    done, told = threading.Event(), threading.Event()
    monkeypatch.setattr(claim._log, "info", lambda *words: told.set())

    def run():
        with claimed(tmp_path):
            done.set()

    def start():
        threading.Thread(target=run, daemon=True).start()
        assert told.wait(20)
        assert not done.is_set()
        return done

    return start


def test_a_killed_process_lets_go(holder, waiting):
    done = waiting()
    holder.kill()
    assert done.wait(20)


def test_a_folder_that_is_removed_while_another_process_waits(holder, waiting, tmp_path):
    done = waiting()
    shutil.rmtree(tmp_path)
    holder.stdin.close()
    assert done.wait(20)


@pytest.mark.parametrize("number", [errno.ENOLCK, errno.EOPNOTSUPP, errno.ENOSYS])
def test_a_file_system_without_locks(tmp_path, monkeypatch, number):
    tried = []

    def no_locks(handle, **_):
        tried.append(handle)
        raise OSError(number, "no locks here")

    monkeypatch.setattr(claim, "lock_descriptor", no_locks)
    with claimed(tmp_path), claimed(tmp_path):
        assert len(tried) == 2


def test_a_folder_that_is_not_there(tmp_path):
    with pytest.raises(FileNotFoundError), claimed(tmp_path / "gone"):
        pytest.fail("nothing is held")
