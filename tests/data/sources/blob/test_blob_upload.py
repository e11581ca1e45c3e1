"""The seven files of a folder become blobs, once, with their checksums."""

from __future__ import annotations

import hashlib
import re

import pytest

from hpt_spark.data.schemas import TABLES
from hpt_spark.data.sources.blob import upload as upload_module
from hpt_spark.data.sources.blob.upload import upload
from hpt_spark.errors import InputError, TransferError
from tests.data.sources.blob.conftest import noise
from tests.data.sources.blob.proxy import CutError, cut_at

pytestmark = [pytest.mark.blob, pytest.mark.usefixtures("quick")]

BLOCK = 64 * 1024


@pytest.fixture(autouse=True)
def _small_blocks(monkeypatch):
    monkeypatch.setattr(upload_module, "_SMALLEST_BLOCK", BLOCK)


@pytest.fixture
def folder(tmp_path):
    """A folder with a file for each table, one of them of several blocks, one empty."""
    for seed, name in enumerate(TABLES):
        (tmp_path / f"{name}.csv").write_bytes(noise(1000 + seed, seed))
    (tmp_path / "app_events.csv").write_bytes(noise(5 * BLOCK + 3))
    (tmp_path / "app_labels.csv").write_bytes(b"")
    (tmp_path / "README.md").write_text("not one of the seven")
    return tmp_path


def blobs(place):
    client = place.azurite.service().get_container_client(place.name)
    return {name: client.download_blob(name).readall() for name in client.list_blob_names()}


def files(folder):
    return {path.name: path.read_bytes() for path in folder.glob("*.csv")}


def puts(place, kind):
    return [
        exchange for exchange in place.proxy.exchanges if exchange.line.startswith("PUT ") and kind in exchange.line
    ]


def test_all_seven_and_nothing_else(place, folder):
    outcome = upload(folder, place.uri)
    assert outcome == {f"{place.uri}/{name}.csv": "uploaded" for name in TABLES}
    assert blobs(place) == files(folder)


def test_the_server_knows_the_checksums(place, folder):
    upload(folder, place.uri)
    listed = place.azurite.service().get_container_client(place.name).list_blobs()
    md5 = {blob.name: bytes(blob.content_settings.content_md5) for blob in listed}
    assert md5 == {name: hashlib.md5(data).digest() for name, data in files(folder).items()}


def test_what_is_equal_is_not_sent_again(place, folder):
    upload(folder, place.uri)
    count = len(puts(place, ""))
    assert set(upload(folder, place.uri).values()) == {"is there already"}
    assert len(puts(place, "")) == count


def test_what_has_changed_is_replaced(place, folder):
    upload(folder, place.uri)
    (folder / "events.csv").write_bytes(noise(77))
    outcome = upload(folder, place.uri)
    assert outcome.pop(f"{place.uri}/events.csv") == "replaced"
    assert set(outcome.values()) == {"is there already"}
    assert blobs(place) == files(folder)


def test_a_blob_whose_checksum_the_server_does_not_know_is_replaced(place, folder):
    place.put("events.csv", (folder / "events.csv").read_bytes(), md5=False)
    assert upload(folder, place.uri)[f"{place.uri}/events.csv"] == "replaced"


def test_an_interrupted_upload_goes_on_and_was_never_seen(place, folder):
    stages = []

    def gone(exchange):
        if "comp=block&" in exchange.line and "app_events" in exchange.line:
            stages.append(exchange)
            if len(stages) > 3:
                return b"HTTP/1.1 403 No\r\nContent-Length: 0\r\n\r\n"
        return None

    place.proxy.instead = gone
    with pytest.raises(InputError):
        upload(folder, place.uri)
    assert "app_events.csv" not in blobs(place)
    place.proxy.instead = lambda exchange: None
    place.proxy.exchanges.clear()
    upload(folder, place.uri)
    assert blobs(place) == files(folder)
    assert len([one for one in puts(place, "comp=block&") if "app_events" in one.line]) == 3  # of six blocks


@pytest.mark.parametrize("position", [0, 20, 200])
def test_an_answer_that_is_cut(place, folder, position):
    place.proxy.on_way = lambda exchange, part: (
        cut_at(exchange, part, position) if place.proxy.exchanges.index(exchange) % 4 == 3 else part
    )
    upload(folder, place.uri)
    assert blobs(place) == files(folder)


def test_a_storm_of_503_that_passes(place, folder):
    storm = b"HTTP/1.1 503 Server Busy\r\nContent-Length: 0\r\n\r\n"
    place.proxy.instead = lambda exchange: storm if len(place.proxy.exchanges) in range(5, 20) else None
    upload(folder, place.uri)
    assert blobs(place) == files(folder)


def test_a_server_that_goes_away(place, folder):
    def gone(exchange, part):
        if len(place.proxy.exchanges) > 4:
            raise CutError(b"")
        return part

    place.proxy.on_way = gone
    with pytest.raises(TransferError, match="the connection broke again and again"):
        upload(folder, place.uri)


def test_bytes_that_change_on_the_way_are_sent_again(place, folder):
    """Azurite, as Azure, compares the checksum of every block that is sent."""
    seen = []

    def change(exchange, data):
        if "comp=block&" not in exchange.line or data.startswith(b"PUT ") or seen:
            return data
        seen.append(data)
        return bytes([data[0] ^ 1]) + data[1:]

    place.proxy.to_server = change
    upload(folder, place.uri)
    assert len(seen) == 1
    assert blobs(place) == files(folder)


def test_a_missing_container_is_created_only_if_asked(place, folder):
    uri = f"{place.uri}-new/in/deep"
    with pytest.raises(InputError, match=r"has no container '.*-new': set upload\.create_container=true to create it"):
        upload(folder, uri)
    upload(folder, uri, create_container=True)
    upload(folder, uri, create_container=True)
    client = place.azurite.service().get_container_client(f"{place.name}-new")
    assert set(client.list_blob_names()) == {f"in/deep/{name}.csv" for name in TABLES}


def test_a_folder_with_missing_files_is_refused_before_the_server_is_asked(place, folder):
    (folder / "events.csv").unlink()
    with pytest.raises(InputError, match="has no file for 1 of the 7 tables: events"):
        upload(folder, place.uri, create_container=True)
    assert place.proxy.exchanges == []


@pytest.mark.parametrize("uri", ["data/raw", "hdfs://h/p", "s3://k:S3CRET@h/p"])
def test_only_a_container_can_be_uploaded_to(folder, uri):
    with pytest.raises(InputError, match=r"is no blob container, to which to upload: write https://ACC") as caught:
        upload(folder, uri)
    assert "S3CRET" not in str(caught.value)


def test_a_file_that_changes_while_it_is_uploaded(place, folder):
    def change(exchange):
        if "comp=blocklist" in exchange.line and "app_events" in exchange.line:
            (folder / "app_events.csv").write_bytes(noise(5 * BLOCK + 3, 1))

    place.proxy.instead = change
    with pytest.raises(InputError, match=r"app_events\.csv was changed while it was uploaded: run the upload again"):
        upload(folder, place.uri)
    assert "app_events.csv" not in blobs(place)


def test_the_blocks_of_a_large_file_are_as_many_as_azure_allows(folder, monkeypatch):
    monkeypatch.setattr(upload_module, "_MOST_BLOCKS", 3)
    plan = upload_module._plan(folder / "app_events.csv")
    assert len(plan.blocks) == 3
    assert len({len(block) for block in plan.blocks}) == 1
    assert all(re.fullmatch(r"\d{5}-[0-9a-f]{32}", block) for block in plan.blocks)
