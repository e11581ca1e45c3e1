"""The journal, and that one driver has it, where a Hadoop file system keeps them."""

from __future__ import annotations

import logging

import numpy as np
import pytest

from hpt_spark.errors import InputError
from hpt_spark.search.evaluation import Fit
from hpt_spark.storage import lock as folder_lock
from hpt_spark.storage.hadoop import HadoopFolder
from hpt_spark.storage.hadoop_files import HadoopFiles
from hpt_spark.storage.lock import FolderLock
from tests.search.journal.journalled import Journalled

FITS = [Fit(number, number // 2, number % 2) for number in range(6)]


@pytest.fixture
def folder(spark, tmp_path):
    """A journal's folder, reached by Hadoop."""
    return HadoopFolder.open(f"file://{tmp_path}/journal")


def result(fit: Fit) -> dict:
    return {"test_scores": {"score": 0.1 + fit.number / 3}, "fit_time": 1.5}


def locks(folder) -> list[str]:
    return [name for name in folder.list() if name.startswith("lock")]


def test_a_journal_is_read_back_to_the_last_bit(folder):
    evaluation = Journalled(folder, {"data": "a"}, FITS)
    assert evaluation.results == {}
    evaluation.add([(fit, result(fit)) for fit in FITS[:2]])
    evaluation.add([(FITS[4], result(FITS[4]))])
    again = Journalled(HadoopFolder.open(folder.uri), {"data": "a"}, FITS)
    assert again.results == {fit: result(fit) for fit in (*FITS[:2], FITS[4])}
    again.add([(FITS[5], result(FITS[5]))])
    assert len(Journalled(folder, {"data": "a"}, FITS).results) == 4


def test_predictions_that_nobody_asks_for_are_not_brought_here(folder, monkeypatch):
    one, other = FITS[:2]
    predictions = {fit: np.arange(3.0) + fit.number for fit in (one, other)}
    journal = Journalled(folder, {"data": "a"}, FITS, keep=lambda *_: None)
    for fit in (one, other):
        journal.add([(fit, result(fit))], {fit: predictions[fit]})
    brought, download = [], HadoopFiles.download

    def download_noted(self, path, local):
        brought.append(local.suffix)
        download(self, path, local)

    monkeypatch.setattr(HadoopFiles, "download", download_noted)
    assert len(Journalled(folder, {"data": "a"}, FITS).results) == 2
    assert ".npz" not in brought
    kept = {}
    assert len(Journalled(folder, {"data": "a"}, [one], keep=kept.__setitem__).results) == 1
    assert brought.count(".npz") == 1
    np.testing.assert_array_equal(kept[one], predictions[one])


def test_another_searchs_journal_is_refused(folder):
    Journalled(folder, {"data": "a", "cv": "b"}, FITS)
    with pytest.raises(InputError, match=r"the journal file:.*/journal is of another search, different in data;"):
        Journalled(folder, {"data": "x", "cv": "b"}, FITS)


@pytest.mark.long
def test_the_second_driver_is_refused_until_the_first_ends(folder):
    with FolderLock(folder, "the journal"):
        with pytest.raises(InputError, match="is working with the journal"), FolderLock(folder, "the journal"):
            pass
        assert len(locks(folder)) == 1
    assert folder.list() == []
    with FolderLock(folder, "the journal"):
        pass


@pytest.mark.long
def test_the_lock_is_renewed_beside_what_the_main_thread_asks_of_the_jvm(folder, spark, monkeypatch, caplog):
    monkeypatch.setattr(folder_lock, "LEASE_SECONDS", 0.03)
    renewals, write = [], FolderLock._write
    monkeypatch.setattr(FolderLock, "_write", lambda lock: (write(lock), renewals.append(lock)))
    with caplog.at_level(logging.WARNING), FolderLock(folder, "the journal") as lock:
        for number in range(10):
            with folder.atomic_write(f"fits-{number}.jsonl") as path:
                path.write_text(str(number))
            assert spark.range(1000).count() == 1000
        lock.check()
    assert len(renewals) > 1
    assert caplog.records == []
    assert len(folder.list()) == 10
