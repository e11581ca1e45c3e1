"""What only folders of this machine have: links, locks that die with a process, and the disk itself."""

from __future__ import annotations

import os
import signal
import stat
import subprocess
import sys

import pytest

from hpt_spark.errors import InputError
from hpt_spark.storage import open_folder
from tests.storage.files import contents, fill, write

# --- one file


def test_a_file_is_on_disk_before_it_has_its_name(tmp_path, monkeypatch):
    calls = []
    fsync, replace = os.fsync, os.replace

    def note_fsync(handle):
        calls.append("fsync folder" if stat.S_ISDIR(os.fstat(handle).st_mode) else "fsync file")
        fsync(handle)

    def note_replace(*paths):
        calls.append("rename")
        replace(*paths)

    monkeypatch.setattr(os, "fsync", note_fsync)
    monkeypatch.setattr(os, "replace", note_replace)
    write(open_folder(tmp_path), "a", "text")
    assert calls == ["fsync file", "rename", "fsync folder"]


def test_what_a_killed_run_left_is_not_part_of_the_next_file(tmp_path):
    (tmp_path / ".writing.a").write_text("a text of a run that was killed")
    with open_folder(tmp_path).atomic_write("a") as path, path.open("a") as file:
        file.write("new")
    assert contents(tmp_path) == {"a": "new"}


# --- a whole folder


def test_a_link_to_a_folder_stays_a_link(tmp_path):
    fill(tmp_path / "disk" / "tables", old="old")
    (tmp_path / "tables").symlink_to(tmp_path / "disk" / "tables")
    with open_folder(tmp_path / "tables").atomic_dir() as path:
        fill(path, new="new")
    assert (tmp_path / "tables").is_symlink()
    assert contents(tmp_path / "disk" / "tables") == {"new": "new"}


def test_a_folder_takes_the_place_of_a_link_again_and_again(tmp_path):
    fill(tmp_path / "disk", theirs="of another disk")
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "design").symlink_to(tmp_path / "disk")
    for text in ("first", "second", "third"):
        with open_folder(tmp_path / "run").atomic_dir("design") as path:
            fill(path, new=text)
        assert contents(tmp_path / "run" / "design") == {"new": text}
    assert os.listdir(tmp_path / "run") == ["design"]
    assert contents(tmp_path / "disk") == {"theirs": "of another disk"}


def test_what_a_killed_run_left_is_removed(tmp_path):
    fill(tmp_path / ".writing.design" / "below", leftover="x")
    fill(tmp_path / ".deleted.design", leftover="x")
    fill(tmp_path / ".replaced.design", leftover="x")
    fill(tmp_path / "design", old="old")
    with open_folder(tmp_path).atomic_dir("design") as path:
        assert contents(path) == {}
        fill(path, new="new")
    assert contents(tmp_path) == {"design/new": "new"}
    assert os.listdir(tmp_path) == ["design"]


# --- processes


CHILD = """
import sys, time
from hpt_spark.storage import open_folder
with open_folder(sys.argv[1]).atomic_dir("design") as path:
    (path / "half").write_text("half")
    print("writing", flush=True)
    time.sleep(60)
"""


@pytest.fixture
def writer_process(tmp_path):
    fill(tmp_path / "design", old="old")
    child = subprocess.Popen([sys.executable, "-c", CHILD, str(tmp_path)], stdout=subprocess.PIPE, text=True)
    assert child.stdout.readline() == "writing\n"
    yield child
    child.kill()
    child.wait()
    child.stdout.close()


@pytest.mark.process
def test_two_processes_do_not_write_the_same_folder(tmp_path, writer_process):
    with (
        pytest.raises(InputError, match=r"design is being written by another process: wait until it ends"),
        open_folder(tmp_path).atomic_dir("design"),
    ):
        pass
    writer_process.kill()
    writer_process.wait()
    assert contents(tmp_path / "design") == {"old": "old"}
    with open_folder(tmp_path).atomic_dir("design") as path:
        fill(path, new="new")
    assert contents(tmp_path) == {"design/new": "new"}


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
@pytest.mark.process
def test_a_stopped_process_leaves_nothing_behind(tmp_path, writer_process, number):
    writer_process.send_signal(number)
    assert writer_process.wait(10) == -number
    assert contents(tmp_path) == {"design/old": "old"}
    assert os.listdir(tmp_path) == ["design"]


def test_sigterm_is_again_what_it_was(tmp_path):
    before = signal.getsignal(signal.SIGTERM)
    write(open_folder(tmp_path), "a", "text")
    assert signal.getsignal(signal.SIGTERM) is before


def test_a_handler_of_the_program_is_left_alone(tmp_path):
    def own(number, frame):
        raise AssertionError

    before = signal.signal(signal.SIGTERM, own)
    try:
        with open_folder(tmp_path).atomic_write("a") as path:
            assert signal.getsignal(signal.SIGTERM) is own
            path.touch()
    finally:
        signal.signal(signal.SIGTERM, before)
