"""The lock of a journal on a Hadoop file system: void ones, and renewals that fail."""

from __future__ import annotations

import json
import time

import pytest

from hpt_spark.errors import InputError
from hpt_spark.storage import lock as folder_lock
from hpt_spark.storage.folder import REPLACED
from hpt_spark.storage.hadoop import HadoopFolder
from hpt_spark.storage.lock import FolderLock
from tests.waiting import wait_until

ELSEWHERE = {"machine": "another", "pid": 1, "started": "1", "sign": "x"}


@pytest.fixture
def folder(spark, tmp_path):
    """A journal's folder, reached by Hadoop."""
    return HadoopFolder.open(f"file://{tmp_path}/journal")


def write(folder, holder: dict) -> None:
    with folder.atomic_write("lock-left.json") as path:
        path.write_text(json.dumps(holder))


def test_a_lock_of_another_machine_that_was_left_long_ago_is_void_at_once(folder):
    write(folder, {**ELSEWHERE, "renewed": time.time() - 86400})
    with FolderLock(folder, "the journal"):
        assert "lock-left.json" not in folder.list()
    assert folder.list() == []


@pytest.mark.long
def test_a_lock_of_another_machine_that_is_not_renewed_is_void_after_a_lease(folder, monkeypatch):
    monkeypatch.setattr(folder_lock, "LEASE_SECONDS", 2.0)
    write(folder, {**ELSEWHERE, "renewed": time.time()})
    with FolderLock(folder, "the journal"):
        assert "lock-left.json" not in folder.list()


@pytest.mark.long
def test_the_second_driver_is_refused(folder):
    with (
        FolderLock(folder, "the journal"),
        pytest.raises(InputError, match="of this machine is working with the journal"),
    ):
        FolderLock(folder, "the journal").__enter__()
    assert folder.list() == []


@pytest.mark.long
def test_the_second_driver_is_refused_also_while_the_first_one_renews_its_lock(folder, tmp_path):
    """Where a file is replaced by two renames, it has another name between them."""
    with FolderLock(folder, "the journal") as lock:
        journal = tmp_path / "journal"
        (journal / lock._name).rename(journal / f"{REPLACED}{lock._name}")
        with pytest.raises(InputError, match="of this machine is working with the journal"):
            FolderLock(folder, "the journal").__enter__()
        lock.check()
    assert folder.list() == []


def test_a_renewal_that_fails_is_told_and_tried_again(folder, monkeypatch, caplog):
    monkeypatch.setattr(folder_lock, "LEASE_SECONDS", 0.5)
    fails, writing, written = [OSError("no answer")], folder.atomic_write, []

    def writing_but_once(name):
        if fails:
            raise fails.pop()
        written.append(name)
        return writing(name)

    with FolderLock(folder, "the journal") as lock:
        monkeypatch.setattr(folder, "atomic_write", writing_but_once)
        wait_until(lambda: written)
        assert written[0] == lock._name
    (record,) = caplog.records
    assert record.getMessage().startswith("the lock of the journal ")
    assert record.getMessage().endswith(" could not be renewed: no answer")
