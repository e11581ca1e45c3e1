"""Files and folders appear whole or not at all, on every kind of file system, whatever happens meanwhile."""

from __future__ import annotations

import hashlib
import logging
import os
import random
import signal
import threading
import time
from contextlib import suppress

import pytest

from hpt_spark.errors import InputError
from hpt_spark.storage import Folder
from hpt_spark.storage.hadoop_files import HadoopFiles
from tests.storage.files import write


def read(folder: Folder, name: str) -> str:
    with folder.reading(name) as path:
        return path.read_text()


def digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def test_digests_are_of_the_contents_of_files_and_of_all_files_below_folders(place):
    place.fill("run", one="1", two="2" * 3_000_000)
    place.fill("run/design", a="3")
    place.fill("run/design/deep", b="")
    folder = place.open()
    expected = {"one": digest("1"), "design/a": digest("3"), "design/deep/b": digest("")}
    assert folder.digests("one", "design", "none") == expected
    assert folder.digests("two") == {"two": digest("2" * 3_000_000)}
    assert folder.digests() == {}
    assert folder.sizes("one", "design", "none").keys() == expected.keys()
    assert folder.sizes("two") == {"two": 3_000_000}
    assert place.open("nowhere").digests("one") == {}


# --- one file


def test_whether_a_folder_can_be_written_is_found_without_a_trace(place):
    folder = place.open()
    folder.check_writable()
    assert place.contents() == {}
    write(folder, "report.html", "old")
    folder.check_writable()
    assert place.contents() == {"run/report.html": "old"}


def test_a_file_appears_under_its_name_when_it_is_whole(place):
    folder = place.open()
    with folder.atomic_write("model.ubj") as path:
        path.write_text("half")
        assert not folder.exists("model.ubj")
        assert folder.list() == []
        path.write_text("whole")
    assert place.contents() == {"run/model.ubj": "whole"}
    assert read(folder, "model.ubj") == "whole"
    write(folder, "model.ubj", "new")
    assert place.contents() == {"run/model.ubj": "new"}


def test_the_temporary_file_keeps_its_extension_because_writers_go_by_it(place):
    with place.open().atomic_write("design/X_train.npz") as path:
        assert path.name.endswith("X_train.npz")
        path.write_text("numbers")
    assert place.contents() == {"run/design/X_train.npz": "numbers"}


@pytest.mark.parametrize("error", [ValueError("no"), KeyboardInterrupt()], ids=["error", "interrupt"])
def test_a_failed_write_leaves_the_old_file_and_nothing_else(place, error):
    folder = place.open()
    write(folder, "report.html", "old")
    with pytest.raises(type(error)), folder.atomic_write("report.html") as path:
        path.write_text("new")
        raise error
    assert place.contents() == {"run/report.html": "old"}


def test_a_file_that_is_not_there(place):
    folder = place.open()
    with pytest.raises(FileNotFoundError):
        read(folder, "a")
    write(folder, "b", "b")
    with pytest.raises(FileNotFoundError):
        read(folder, "a")


def test_names_that_a_uri_would_write_otherwise(place):
    folder = place.open("a b%20c,é")
    write(folder, "50% of ü", "text")
    assert folder.list() == ["50% of ü"]
    assert read(place.open("a b%20c,é"), "50% of ü") == "text"


def test_where_messages_say_that_a_file_is(place):
    folder = place.open()
    assert str(folder).endswith("/run")
    assert folder.location("manifest.json") == f"{folder}/manifest.json"


# --- a whole folder


def test_a_folder_is_replaced_whole(place):
    place.fill("run/design", kept="old", dropped="old")
    folder = place.open()
    with folder.atomic_dir("design") as path:
        (path / "kept").write_text("new")
        (path / "below").mkdir()
        (path / "below" / "added").write_text("new")
        assert read(folder, "design/kept") == read(folder, "design/dropped") == "old"
        assert folder.list() == ["design"]
    assert place.contents() == {"run/design/kept": "new", "run/design/below/added": "new"}


def test_a_folder_can_replace_itself(place):
    place.fill("tables", old="old")
    with place.open("tables").atomic_dir() as path:
        (path / "new").write_text("new")
    assert place.contents() == {"tables/new": "new"}


def test_a_folder_is_replaced_whole_file_by_file(place):
    place.fill("tables", old="old")
    with place.open("tables").staged_dir() as staging:
        assert staging.list() == []
        write(staging, "events/part-00000.parquet", "new")
        assert read(place.open("tables"), "old") == "old"
        write(staging, "manifest.json", "{}")
    assert place.contents() == {"tables/events/part-00000.parquet": "new", "tables/manifest.json": "{}"}


@pytest.mark.parametrize("way", ["atomic_dir", "staged_dir"])
@pytest.mark.parametrize("error", [ValueError("no"), KeyboardInterrupt()], ids=["error", "interrupt"])
def test_a_failed_replacement_leaves_the_old_folder_and_nothing_else(place, way, error):
    place.fill("run/design", old="old")
    with pytest.raises(type(error)), getattr(place.open(), way)("design") as new:
        if way == "staged_dir":
            write(new, "new", "new")
        else:
            (new / "new").write_text("new")
        raise error
    assert place.contents() == {"run/design/old": "old"}
    assert place.open(".").list() == ["run"]


@pytest.mark.parametrize("look", ["open", "exists", "reading", "atomic_dir", "staged_dir"])
def test_a_folder_whose_replacement_was_killed_between_two_renames_is_put_back(place, look):
    place.fill("run/.replaced.design", old="old")
    if look == "open":
        place.open("run/design")
    elif look == "exists":
        assert place.open().exists("design")
    elif look == "reading":
        with place.open().reading("design") as path:
            assert (path / "old").read_text() == "old"
    else:
        with pytest.raises(ValueError, match="no"), getattr(place.open(), look)("design"):
            raise ValueError("no")
    assert place.contents() == {"run/design/old": "old"}


class Killed(BaseException):
    """Stands for SIGKILL: from then on the process changes nothing any more."""


def kill_at_change(monkeypatch, place, number: int) -> list[str]:
    """Let the `number`-th rename or deletion be the process's last moment; return what was done before."""
    done: list[str] = []

    def dying(name, change):
        def changed(*arguments, **options):
            if len(done) >= number:
                raise Killed
            done.append(name)
            return change(*arguments, **options)

        return changed

    if place.kind == "local":
        for name in ("rename", "replace", "unlink", "rmdir"):
            monkeypatch.setattr(os, name, dying(name, getattr(os, name)))
    else:
        for name in ("rename", "replace_file", "delete"):
            monkeypatch.setattr(HadoopFiles, name, dying(name, getattr(HadoopFiles, name)))
    return done


def test_a_process_killed_at_any_change_leaves_the_old_folder_or_the_new_one(place, monkeypatch):
    outcomes = []
    for number in range(20):
        name = f"run{number}"
        place.fill(f"{name}/design", one="old", two="old")
        folder = place.open(name)
        with monkeypatch.context() as patched:
            done = kill_at_change(patched, place, number)
            with suppress(Killed), folder.atomic_dir("design") as path:
                (path / "one").write_text("new")
                (path / "two").write_text("new")
        with place.open(name).reading("design") as path:
            texts = {file.read_text() for file in path.iterdir() if not file.name.startswith(".")}
        assert texts in ({"old"}, {"new"})
        outcomes.append(texts == {"new"})
        assert place.open(name).list() == ["design"]
        if len(done) < number:
            break
    assert outcomes == sorted(outcomes)  # once new, it stays new
    assert not outcomes[0]
    assert outcomes[-1]


def test_a_process_killed_at_any_change_leaves_the_old_file_or_the_new_one(place, monkeypatch):
    outcomes = []
    for number in range(20):
        folder = place.open(f"run{number}")
        write(folder, "best_params.json", "old")
        with monkeypatch.context() as patched:
            done = kill_at_change(patched, place, number)
            with suppress(Killed):
                write(folder, "best_params.json", "new")
        outcomes.append(read(place.open(f"run{number}"), "best_params.json"))
        if len(done) < number:
            break
    assert set(outcomes) == {"old", "new"}
    assert outcomes == sorted(outcomes, reverse=True)


def test_an_interrupt_at_any_moment_leaves_nothing_behind(place, monkeypatch):
    handler = signal.signal(signal.SIGINT, signal.default_int_handler)  # PySpark's own asks Java for things
    monkeypatch.setattr(logging.getLogger("py4j"), "disabled", True)
    for number in range(10):
        ctrl_c = threading.Timer(random.uniform(0.01, 0.15), os.kill, (os.getpid(), signal.SIGINT))
        ctrl_c.start()
        deadline = time.monotonic() + 60
        with pytest.raises(KeyboardInterrupt), place.open().staged_dir(f"folder-{number}") as staging:
            while time.monotonic() < deadline:
                write(staging, f"part/{time.monotonic_ns()}", "text")
        ctrl_c.join()
    signal.signal(signal.SIGINT, handler)
    time.sleep(0.2)  # what Java might still be about to do
    assert place.open().list() == []
    assert place.contents() == {}


@pytest.mark.long
def test_a_reader_that_puts_the_old_folder_back_does_not_stop_the_writer(place):
    if place.kind == "hadoop":
        pytest.skip("Hadoop renames a local folder onto another by copying; test_hadoop.py lets a reader come between")
    folder, done = place.open(), threading.Event()

    def look():
        while not done.is_set():
            folder.exists("design")

    reader = threading.Thread(target=look)
    reader.start()
    try:
        for turn in range(100 if place.kind == "local" else 10):
            with folder.atomic_dir("design") as path:
                (path / "turn").write_text(str(turn))
            assert read(folder, "design/turn") == str(turn)
    finally:
        done.set()
        reader.join()
    assert place.contents() == {"run/design/turn": str(turn)}


# --- listing, deleting, what is in the way


def test_listing_and_deleting(place):
    folder = place.open()
    assert folder.list() == []
    place.fill("run/b", x="x")
    place.fill("run", **{"a": "a", ".writing.c": "half", ".replaced.d": "old", ".deleted.e": "old"})
    assert folder.list() == ["a", "b", "d"], "what is just being replaced is there"
    assert folder.exists("b")
    folder.delete("b")
    folder.delete("no such thing")
    assert folder.list() == ["a", "d"]
    for name in ("a", "d"):
        folder.delete(name)
        assert not folder.exists(name)
    assert folder.list() == []


def test_what_is_deleted_does_not_come_back(place):
    """A run was killed after it had replaced them, before it had taken the old ones away."""
    place.fill("run", **{"manifest.json": "new", ".replaced.manifest.json": "old"})
    place.fill("run/design", a="new")
    place.fill("run/.replaced.design", a="old")
    for name in ("manifest.json", "design"):
        place.open().delete(name)
        assert not place.open().exists(name)
    assert place.contents() == {}


def test_a_file_where_a_folder_is_needed(place):
    place.fill(".", run="text")
    with pytest.raises(InputError) as caught:
        place.open("run")
    assert str(caught.value).endswith(
        "/run is a file where a folder is needed: choose another path or move the file away"
    )
    with pytest.raises(InputError):
        write(place.open("run/deep"), "a", "text")
    assert place.contents() == {"run": "text"}


def test_a_thread_may_write(place):
    thread = threading.Thread(target=write, args=(place.open(), "a", "text"))
    thread.start()
    thread.join()
    assert place.contents() == {"run/a": "text"}
