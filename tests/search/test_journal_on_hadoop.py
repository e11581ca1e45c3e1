"""The journal and its lock, where a Hadoop file system keeps them."""

from __future__ import annotations

import json
import logging
import threading
import time

import pytest

from hpt_spark.errors import InputError
from hpt_spark.folders.hadoop import HadoopFolder
from hpt_spark.search import journal_lock
from hpt_spark.search.evaluation import Fit
from hpt_spark.search.journal import Journal
from hpt_spark.search.journal_lock import JournalLock

FITS = [Fit(number, number // 2, number % 2) for number in range(6)]
LONG_AGO = 0.0


@pytest.fixture
def folder(spark, tmp_path):
    """A journal's folder, reached by Hadoop."""
    return HadoopFolder.open(f"file://{tmp_path}/journal")


def result(fit: Fit) -> dict:
    return {"test_scores": {"score": 0.1 + fit.number / 3}, "fit_time": 1.5}


def holder(folder) -> dict:
    with folder.reading("lock.json") as path:
        return json.loads(path.read_text())


def write(folder, text: str) -> None:
    with folder.writing("lock.json") as path:
        path.write_text(text)


def test_a_journal_is_read_back_to_the_last_bit(folder):
    evaluation = Journal(folder).next_evaluation({"data": "a"}, FITS)
    assert evaluation.results == {}
    evaluation.add([(fit, result(fit)) for fit in FITS[:2]])
    evaluation.add([(FITS[4], result(FITS[4]))])
    again = Journal(HadoopFolder.open(folder.uri)).next_evaluation({"data": "a"}, FITS)
    assert again.results == {fit: result(fit) for fit in (*FITS[:2], FITS[4])}
    again.add([(FITS[5], result(FITS[5]))])
    assert len(Journal(folder).next_evaluation({"data": "a"}, FITS).results) == 4


def test_another_searchs_journal_is_refused(folder):
    Journal(folder).next_evaluation({"data": "a", "cv": "b"}, FITS)
    with pytest.raises(InputError, match=r"the journal file:.*/journal is of another search, different in data;"):
        Journal(folder).next_evaluation({"data": "x", "cv": "b"}, FITS)


def test_the_second_driver_is_refused_until_the_first_ends(folder):
    with JournalLock(folder):
        with pytest.raises(InputError, match="is searching with the journal"), JournalLock(folder):
            pass
        assert "lock.json" in folder.list()
    assert folder.list() == []
    with JournalLock(folder):
        pass


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


def test_the_lock_is_renewed_beside_what_the_main_thread_asks_of_the_jvm(folder, spark, monkeypatch, caplog):
    monkeypatch.setattr(journal_lock, "LEASE_SECONDS", 0.03)
    with caplog.at_level(logging.WARNING), JournalLock(folder) as lock:
        first = holder(folder)["renewed"]
        for number in range(10):
            with folder.writing(f"evaluation-0-{number}.jsonl") as path:
                path.write_text(str(number))
            assert spark.range(1000).count() == 1000
        latest = holder(folder)
    assert latest["token"] == lock._token
    assert latest["renewed"] > first
    assert caplog.records == []
    assert len(folder.list()) == 10


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
