"""A process's folder goes with what needs it, or with the next one where the process was killed."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
import tempfile

import pytest

from hpt_spark.storage import scratch
from hpt_spark.storage.scratch import new_scratch_folder, scratch_folder
from tests.killed import run_until

HOLD = """
import sys, tempfile
tempfile.tempdir = sys.argv[1]
from hpt_spark.storage.scratch import scratch_folder
with scratch_folder() as folder:
    (folder / "data").write_text("x")
    print(folder, flush=True)
    sys.stdin.read()
"""


@pytest.fixture
def place(tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    return tmp_path


def test_it_stays_as_long_as_a_process_that_has_inherited_it_lives(place):
    folder, held = new_scratch_folder()
    command = [sys.executable, "-c", "import sys; sys.stdin.read()"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, pass_fds=[held]) as heir:
        os.close(held)
        with scratch_folder():
            assert folder.exists()
        heir.communicate()
    with scratch_folder():
        assert not folder.exists()


def driver(place) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", HOLD, str(place)]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert process.stdout.readline()
    return process


def test_it_is_gone_at_the_end_also_of_a_search_that_fails(place):
    with scratch_folder() as folder:
        assert folder.parent == place
    with pytest.raises(KeyboardInterrupt), scratch_folder():
        raise KeyboardInterrupt
    assert list(place.iterdir()) == []


def test_what_a_driver_left_that_was_killed_while_it_deleted_goes_with_the_next_search(place):
    def search(_):
        with scratch_folder() as folder:
            for number in range(20):  # a folder has its files in any order
                (folder / f"{number}.shared").touch()

    killed, dies_at = True, 0
    while killed:
        _, killed, _ = run_until(dies_at, search)
        with scratch_folder():
            pass
        assert list(place.glob("hpt_spark-*/*.shared")) == [], f"killed at change {dies_at}"
        dies_at += 1
    assert dies_at > 20


def test_what_a_killed_driver_left_goes_and_a_living_ones_stays(place):
    (place / "hpt_spark-of-something-else").mkdir()
    with driver(place) as killed, driver(place) as living:
        killed.kill()
        killed.wait()
        assert len(list(place.iterdir())) == 3
        with scratch_folder() as folder:
            names = {path.name for path in place.iterdir()}
            assert len(names) == 3
            assert {folder.name, "hpt_spark-of-something-else"} < names
        living.stdin.close()
        living.wait()
    assert [path.name for path in place.iterdir()] == ["hpt_spark-of-something-else"]


def test_what_is_another_user_s_stays(place, monkeypatch):
    folder, held = new_scratch_folder()
    os.close(held)
    this_user = os.getuid()
    monkeypatch.setattr(os, "getuid", lambda: this_user + 1)
    with scratch_folder():
        assert folder.exists()


def test_a_disk_without_locks_has_folders_too_and_nobody_else_deletes_them(place, monkeypatch):
    def cannot(handle, **how):
        raise OSError(errno.ENOSYS, "Function not implemented")

    monkeypatch.setattr(scratch, "lock_descriptor", cannot)
    with scratch_folder() as one, scratch_folder():
        assert one.exists()
    assert list(place.iterdir()) == []
