"""Blobs arrive whole, verified and once, whatever the network, the server and the disk do meanwhile."""

from __future__ import annotations

import errno
import json
import os
import threading
import time

import pytest

from hpt_spark.data.sources.blob import blob_file, claim
from hpt_spark.data.sources.blob.claim import claimed
from hpt_spark.errors import InputError, TransferError
from tests.data.sources.blob.conftest import contents, noise
from tests.data.sources.blob.proxy import CutError, cut_at

pytestmark = [pytest.mark.blob, pytest.mark.usefixtures("quick")]

KIB = 1024
SIZE = 1000 * KIB + 7  # eight ranges, the last one not full
STORM = b"HTTP/1.1 503 Server Busy\r\nx-ms-error-code: ServerBusy\r\nContent-Length: 0\r\n\r\n"


# --- without faults


@pytest.mark.parametrize("size", [0, 1, 128 * KIB - 1, 128 * KIB, 128 * KIB + 1, SIZE])
@pytest.mark.parametrize("md5", [True, False])
def test_a_blob_of_any_size(place, tmp_path, size, md5):
    data = place.put("a.csv", noise(size), md5)
    assert place.download(tmp_path) == {"a.csv": data}


def test_several_blobs_at_once(place, tmp_path):
    blobs = {f"{seed}.csv": place.put(f"{seed}.csv", noise(300 * KIB * seed, seed)) for seed in range(1, 6)}
    at_once, most = set(), []

    def watch(exchange, data):
        at_once.add(exchange.line.split()[1].rpartition("/")[2])
        most.append(len(at_once))
        return data

    place.proxy.on_way = watch
    assert place.download(tmp_path) == blobs
    assert max(most) > 1


def test_only_what_lies_directly_in_the_folder(place, tmp_path):
    for name in ("in/a.csv", "in/deep/b.csv", "inner.csv", "c.csv"):
        place.put(name, name.encode())
    object.__setattr__(place, "name", f"{place.name}/in")
    assert place.download(tmp_path) == {"a.csv": b"in/a.csv"}


def test_what_is_there_is_not_downloaded_again(place, tmp_path):
    place.put("a.csv", noise(SIZE))
    place.put("b.csv", noise(5))
    first = place.download(tmp_path)
    count = len(place.proxy.reads)
    assert place.download(tmp_path) == first
    assert len(place.proxy.reads) == count


def test_only_the_blob_that_has_changed_is_downloaded_again(place, tmp_path):
    a, _ = place.put("a.csv", noise(SIZE)), place.put("b.csv", noise(5))
    place.download(tmp_path)
    count = len(place.proxy.reads)
    b = place.put("b.csv", noise(6, 1))
    assert place.download(tmp_path) == {"a.csv": a, "b.csv": b}
    assert {exchange.line.split()[1].rpartition("/")[2] for exchange in place.proxy.reads[count:]} == {"b.csv"}


def test_a_file_that_was_changed_on_this_disk_is_replaced(place, tmp_path):
    data = place.put("a.csv", noise(SIZE))
    place.download(tmp_path)
    (tmp_path / "a.csv").write_bytes(bytes(SIZE))
    assert place.download(tmp_path) == {"a.csv": data}


def test_a_file_that_somebody_else_put_there_is_replaced(place, tmp_path):
    data = place.put("a.csv", noise(SIZE))
    (tmp_path / "a.csv").write_bytes(bytes(SIZE))
    assert place.download(tmp_path) == {"a.csv": data}


def test_no_unfinished_file_remains(place, tmp_path):
    place.put("a.csv", noise(SIZE))
    place.download(tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == {"a.csv", ".a.csv.ranges", ".lock"}


# --- the connection breaks


@pytest.mark.parametrize("position", [0, 1, 100, 700, 1500, 65_536, 100_000, 131_071, 131_500])
@pytest.mark.parametrize("which", [1, 4, 8])
def test_a_connection_cut_once(place, tmp_path, position, which):
    data = place.put("a.csv", noise(SIZE))
    place.proxy.on_way = lambda exchange, part: cut_at(exchange, part, position) if exchange.number == which else part
    assert place.download(tmp_path) == {"a.csv": data}


@pytest.mark.parametrize("position", [0, 20, 100, 200, 300, 450, 900])
def test_a_list_of_blobs_cut_once(place, tmp_path, position):
    data = place.put("a.csv", noise(5))
    place.proxy.on_way = lambda exchange, part: (
        cut_at(exchange, part, position) if exchange is place.proxy.exchanges[0] else part
    )
    assert place.download(tmp_path) == {"a.csv": data}


def test_every_connection_breaks_after_less_than_a_range(place, tmp_path, monkeypatch):
    monkeypatch.setattr("azure.storage.blob._download.time.sleep", lambda seconds: None)
    data = place.put("a.csv", noise(300 * KIB))
    place.proxy.on_way = lambda exchange, part: cut_at(exchange, part, 40_000) if exchange.is_read else part
    assert place.download(tmp_path) == {"a.csv": data}


def test_a_server_that_goes_away_and_the_next_run(place, tmp_path):
    data = place.put("a.csv", noise(SIZE))

    def gone_after_three(exchange, part):
        if exchange.number > 3:
            raise CutError(b"")
        return part

    place.proxy.on_way = gone_after_three
    with pytest.raises(TransferError, match=r"a\.csv cannot be reached: the connection broke.*what has been transf"):
        place.download(tmp_path)
    assert contents(tmp_path) == {}
    place.proxy.on_way = lambda exchange, part: part
    count = len(place.proxy.reads)
    assert place.download(tmp_path) == {"a.csv": data}
    assert 0 < len(place.proxy.reads[count:]) <= 6  # of eight ranges


def test_what_an_interrupted_run_left_is_trusted_only_as_far_as_its_checksums_say(place, tmp_path):
    data = place.put("a.csv", noise(SIZE))
    place.proxy.on_way = lambda exchange, part: cut_at(exchange, part, 0 if exchange.number > 4 else 10**9)
    with pytest.raises(TransferError):
        place.download(tmp_path)
    unfinished = tmp_path / ".downloading.a.csv"
    unfinished.write_bytes(bytes(SIZE))  # as a disk does whose machine lost its power
    place.proxy.on_way = lambda exchange, part: part
    assert place.download(tmp_path) == {"a.csv": data}


def test_a_torn_line_of_the_account_is_not_believed(place, tmp_path):
    data = place.put("a.csv", noise(SIZE))
    place.proxy.on_way = lambda exchange, part: cut_at(exchange, part, 0 if exchange.number > 4 else 10**9)
    with pytest.raises(TransferError):
        place.download(tmp_path)
    account = tmp_path / ".a.csv.ranges"
    account.write_bytes(account.read_bytes()[:-4] + b"\n7")
    place.proxy.on_way = lambda exchange, part: part
    assert place.download(tmp_path) == {"a.csv": data}


def test_a_slow_connection(place, tmp_path):
    data = place.put("a.csv", noise(SIZE))

    def late(exchange, part):
        time.sleep(0.02)
        return part

    place.proxy.on_way = late
    assert place.download(tmp_path) == {"a.csv": data}


def test_a_connection_that_falls_silent(place, tmp_path):
    data = place.put("a.csv", noise(SIZE))

    def silent(exchange, part):
        if exchange.number == 2 and exchange.sent > 20_000:
            time.sleep(2)
        return part

    place.proxy.on_way = silent
    assert place.download(tmp_path) == {"a.csv": data}


def test_a_server_that_stays_silent(place, tmp_path):
    place.put("a.csv", noise(SIZE))

    def silent(exchange, part):
        if exchange.is_read:
            time.sleep(30)
        return part

    place.proxy.on_way = silent
    with pytest.raises(TransferError, match="it was silent for too long"):
        place.download(tmp_path)
    assert contents(tmp_path) == {}


# --- the server is busy


def test_a_storm_of_503_that_passes(place, tmp_path):
    data = place.put("a.csv", noise(SIZE))
    place.proxy.instead = lambda exchange: STORM if 0 < exchange.number <= 20 else None
    assert place.download(tmp_path) == {"a.csv": data}
    assert len(place.proxy.reads) >= 28


def test_a_storm_of_503_that_stays(place, tmp_path):
    place.put("a.csv", noise(SIZE))
    place.proxy.instead = lambda exchange: STORM if exchange.is_read else None
    with pytest.raises(TransferError, match=r"a\.csv: the server answered 503 ServerBusy$"):
        place.download(tmp_path)
    assert contents(tmp_path) == {}


# --- the blob changes


def test_a_blob_that_is_replaced_half_way(place, tmp_path):
    place.put("a.csv", noise(SIZE))
    versions = []

    def replace(exchange):
        if exchange.number == 4 and not versions:
            versions.append(place.put("a.csv", noise(SIZE + 5, 1)))

    place.proxy.instead = replace
    assert place.download(tmp_path) == {"a.csv": versions[0]}


def test_a_blob_that_is_replaced_between_two_runs(place, tmp_path):
    place.put("a.csv", noise(SIZE))
    place.proxy.on_way = lambda exchange, part: cut_at(exchange, part, 0 if exchange.number > 4 else 10**9)
    with pytest.raises(TransferError):
        place.download(tmp_path)
    data = place.put("a.csv", noise(SIZE, 1))
    place.proxy.on_way = lambda exchange, part: part
    assert place.download(tmp_path) == {"a.csv": data}


def test_a_blob_that_does_not_stop_changing(place, tmp_path):
    place.put("a.csv", noise(SIZE))
    place.proxy.instead = lambda exchange: place.put("a.csv", noise(SIZE)) and None if exchange.is_read else None
    with pytest.raises(TransferError, match=r"a\.csv was changed 5 times while it was downloaded"):
        place.download(tmp_path)
    assert contents(tmp_path) == {}


def test_a_blob_that_is_deleted_half_way(place, tmp_path):
    place.put("a.csv", noise(SIZE))
    blob = place.azurite.service().get_blob_client(place.name, "a.csv")
    place.proxy.instead = lambda exchange: blob.delete_blob() if exchange.number == 5 else None
    with pytest.raises(InputError, match=r"a\.csv is not there any more"):
        place.download(tmp_path)
    assert contents(tmp_path) == {}


# --- the disk, and other processes


def test_a_disk_that_fills_up(place, tmp_path, monkeypatch):
    data = place.put("a.csv", noise(SIZE))
    written, pwrite = [], os.pwrite

    def full(handle, view, position):
        written.append(position)
        if len(written) > 4:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return pwrite(handle, view, position)

    monkeypatch.setattr(os, "pwrite", full)
    with pytest.raises(InputError, match=r"^cannot write .* \(No space left on device\): free some space, or name"):
        place.download(tmp_path)
    assert contents(tmp_path) == {}
    monkeypatch.setattr(os, "pwrite", pwrite)
    assert place.download(tmp_path) == {"a.csv": data}


def test_a_file_where_the_folder_should_be(place, tmp_path):
    place.put("a.csv", b"x")
    (tmp_path / "file").write_text("mine")
    with pytest.raises(InputError, match=r"^cannot write .*/file"):
        place.download(tmp_path / "file")


def test_a_second_run_waits_for_the_first_and_downloads_nothing(place, tmp_path, monkeypatch):
    data = place.put("a.csv", noise(SIZE))
    monkeypatch.setattr(claim, "_SECONDS_BETWEEN_LOOKS", 0.01)
    place.proxy.on_way = lambda exchange, part: time.sleep(0.01) or part
    found = []
    runs = [threading.Thread(target=lambda: found.append(place.download(tmp_path))) for _ in range(3)]
    for run in runs:
        run.start()
    for run in runs:
        run.join()
    assert found == [{"a.csv": data}] * 3
    assert len(place.proxy.reads) == 8


def test_a_claim_waits_until_the_other_one_ends(tmp_path, monkeypatch):
    monkeypatch.setattr(claim, "_SECONDS_BETWEEN_LOOKS", 0.01)
    order = []

    def second():
        with claimed(tmp_path):
            order.append("second")

    with claimed(tmp_path):
        thread = threading.Thread(target=second)
        thread.start()
        time.sleep(0.1)
        order.append("first")
    thread.join()
    assert order == ["first", "second"]


def test_a_range_is_written_whole_though_the_system_writes_it_in_parts(tmp_path, monkeypatch):
    pwrite = os.pwrite
    monkeypatch.setattr(os, "pwrite", lambda handle, view, position: pwrite(handle, view[:7], position))
    with (tmp_path / "file").open("wb") as file:
        blob_file._write_at(file.fileno(), b"0123456789" * 3, 2)
    assert (tmp_path / "file").read_bytes() == b"\0\0" + b"0123456789" * 3


def test_the_account_names_the_version(place, tmp_path):
    place.put("a.csv", noise(SIZE))
    place.download(tmp_path)
    heading, *_ = (tmp_path / ".a.csv.ranges").read_text().splitlines()
    blob = place.azurite.service().get_blob_client(place.name, "a.csv").get_blob_properties()
    assert json.loads(heading) == {"etag": blob.etag, "size": SIZE, "range_size": 128 * KIB}
