"""The account of what is on the disk says no more than was written down, whatever is torn."""

from __future__ import annotations

import threading

from hypothesis import given
from hypothesis import strategies as st

from hpt_spark.data.sources.blob.ledger import Ledger

VERSION = {"etag": "1", "size": 10}


def begun(path, entries):
    ledger = Ledger(path, VERSION)
    ledger.start()
    for index, checksum in entries.items():
        ledger.note(index, checksum)
    return ledger


@given(st.dictionaries(st.integers(0, 10**6), st.integers(0, 2**32 - 1), max_size=5))
def test_what_was_noted_is_read_again(tmp_path_factory, entries):
    path = tmp_path_factory.mktemp("ledger") / "account"
    assert begun(path, entries).checksums == entries
    assert Ledger(path, VERSION).checksums == entries


@given(st.integers(0, 200))
def test_a_file_cut_anywhere_lacks_only_its_end(tmp_path_factory, length):
    path = tmp_path_factory.mktemp("ledger") / "account"
    entries = {index: 10**6 + index for index in range(9)}
    begun(path, entries)
    path.write_bytes(path.read_bytes()[:length])
    read = Ledger(path, VERSION).checksums
    whole = {index: checksum for index, checksum in read.items() if entries[index] == checksum}
    assert len(read) - len(whole) <= 1  # a torn checksum fits no bytes: that range is fetched again
    assert list(whole) == list(entries)[: len(whole)]


def test_the_account_of_another_version_counts_for_nothing(tmp_path):
    begun(tmp_path / "account", {0: 1, 1: 2})
    assert Ledger(tmp_path / "account", {**VERSION, "etag": "2"}).checksums == {}


def test_going_on_keeps_what_is_there_and_beginning_anew_does_not(tmp_path):
    begun(tmp_path / "account", {0: 1})
    begun(tmp_path / "account", {1: 2})
    assert Ledger(tmp_path / "account", VERSION).checksums == {0: 1, 1: 2}
    ledger = Ledger(tmp_path / "account", VERSION)
    ledger.forget()
    assert not (tmp_path / "account").exists()
    ledger.start()
    assert Ledger(tmp_path / "account", VERSION).checksums == {}


def test_nonsense_is_no_account(tmp_path):
    for nonsense in (b"", b"\n", b"\xff\xfe\x00", b'{"etag": "1"', b"[]\n1 2\n"):
        (tmp_path / "account").write_bytes(nonsense)
        assert Ledger(tmp_path / "account", VERSION).checksums == {}


def test_threads_note_at_the_same_time(tmp_path):
    ledger = begun(tmp_path / "account", {})
    threads = [
        threading.Thread(target=lambda part=part: [ledger.note(index, index) for index in range(part, 400, 4)])
        for part in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert Ledger(tmp_path / "account", VERSION).checksums == {index: index for index in range(400)}
