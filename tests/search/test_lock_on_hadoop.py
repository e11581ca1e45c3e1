"""The lock of a journal on a Hadoop file system: void ones, and one that is just being written."""

from __future__ import annotations

import json
import threading
import time

import pytest

from hpt_spark.errors import InputError
from hpt_spark.folders.hadoop import HadoopFolder
from hpt_spark.search import journal_lock
from hpt_spark.search.journal_lock import JournalLock

LONG_AGO = 0.0


@pytest.fixture
def folder(spark, tmp_path):
    """A journal's folder, reached by Hadoop."""
    return HadoopFolder.open(f"file://{tmp_path}/journal")


def holder(folder) -> dict:
    with folder.reading("lock.json") as path:
        return json.loads(path.read_text())


def write(folder, text: str) -> None:
    with folder.writing("lock.json") as path:
        path.write_text(text)


@pytest.mark.parametrize(
    "left", [{"host": "another", "pid": 1, "renewed": LONG_AGO, "token": "x"}, "", '{"host": "ano'], ids=str
)
def test_a_lock_that_nobody_holds_any_more_is_taken_over(folder, left, monkeypatch):
    monkeypatch.setattr(journal_lock, "SECONDS_TO_WRITE", 1)
    write(folder, json.dumps(left) if isinstance(left, dict) else left)
    with JournalLock(folder) as lock:
        assert holder(folder)["token"] == lock._token
    assert folder.list() == []


def test_a_lock_that_is_just_being_written_is_waited_for(folder):
    write(folder, "")  # as an object store shows a new file
    living = {"host": "another", "pid": 1, "renewed": time.time(), "token": "x"}
    writing = threading.Timer(0.3, write, (folder, json.dumps(living)))
    writing.start()
    with pytest.raises(InputError, match="process 1 on another is searching"), JournalLock(folder):
        pass
    writing.join()
    assert holder(folder) == living


def test_a_renewal_that_fails_is_told_and_tried_again(folder, monkeypatch, caplog):
    monkeypatch.setattr(journal_lock, "LEASE_SECONDS", 0.03)
    fails, writing = [OSError("no answer")], folder.writing

    def writing_but_once(name):
        if fails:
            raise fails.pop()
        return writing(name)

    with JournalLock(folder):
        monkeypatch.setattr(folder, "writing", writing_but_once)
        first = holder(folder)["renewed"]
        deadline = time.monotonic() + 60
        while holder(folder)["renewed"] == first and time.monotonic() < deadline:
            time.sleep(0.01)
        assert holder(folder)["renewed"] > first
    assert [record.getMessage() for record in caplog.records] == [
        "the lock of the journal could not be renewed: no answer"
    ]
