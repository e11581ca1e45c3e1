"""From a container come the same tables and features as from the folder, byte for byte."""

from __future__ import annotations

import hashlib

import pytest

from hpt_spark.config.sections import FEATURE_SETS
from hpt_spark.data.ingest import ingest
from hpt_spark.data.schemas import TABLES
from hpt_spark.data.sources.base import find_files
from hpt_spark.data.sources.blob.upload import upload
from hpt_spark.data.sources.opening import open_source
from hpt_spark.data.tables import Tables
from hpt_spark.errors import InputError
from hpt_spark.matrix.collect import collect_blocks

pytestmark = pytest.mark.blob


def digests(folder):
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in folder.rglob("*")
        if path.is_file()
    }


def saved(spark, tables, folder):
    folder.mkdir()
    collect_blocks(Tables(spark, str(tables)), FEATURE_SETS, "fraction", 1).design().save(folder)
    return digests(folder)


def test_generate_upload_ingest_features(place, raw, tables, spark, tmp_path):
    uri = f"{place.uri}/raw"
    upload(raw, uri)
    ingest(open_source(uri, downloads=tmp_path / "downloads"), tmp_path / "tables")
    assert digests(tmp_path / "tables") == digests(tables)
    assert saved(spark, tmp_path / "tables", tmp_path / "ours") == saved(spark, tables, tmp_path / "the folder's")


def test_a_second_ingest_downloads_nothing(place, raw, tables, tmp_path):
    upload(raw, place.uri)
    for _ in range(2):
        count = len(place.proxy.reads)
        ingest(open_source(place.uri, "sdk", downloads=tmp_path / "downloads"), tmp_path / "tables")
        assert digests(tmp_path / "tables") == digests(tables)
    assert len(place.proxy.reads) == count > 0


def test_markers_of_folders_are_passed_over(place, raw, tables, tmp_path):
    uri = f"{place.uri}/raw"
    upload(raw, uri)
    place.mark("raw", hdi_isfolder="true")
    place.mark("raw/", hdi_isfolder="true")
    place.mark("raw/events.csv", hdi_isfolder="true")
    place.put("raw/events.csv/part-0", b"not ours")
    place.mark("raw/app_events.csv", Hdi_IsFolder="True")
    place.mark("raw/app_labels.csv.gz", asv_isfolder="true")
    place.mark("raw/gender_age_test.csv/")
    ingest(open_source(uri, downloads=tmp_path / "downloads"), tmp_path / "tables")
    assert digests(tmp_path / "tables") == digests(tables)
    read = {exchange.line.split()[1].rpartition("/")[2] for exchange in place.proxy.reads}
    assert read == {f"{name}.csv.zip" for name in TABLES}


@pytest.mark.parametrize(
    ("data", "metadata"),
    [(b"", {}), (b"", {"hdi_isfolder": "false"}), (b"", {"other": "true"}), (b"x", {"hdi_isfolder": "true"})],
)
def test_what_is_no_marker_of_a_folder_is_a_file(place, raw, tmp_path, data, metadata):
    upload(raw, place.uri)
    place.mark("events.csv", data, **metadata)
    with pytest.raises(InputError, match=r"more than one file for a table: events\.csv\.zip and events\.csv; keep one"):
        ingest(open_source(place.uri, downloads=tmp_path / "downloads"), tmp_path / "tables")


def test_a_folder_where_a_file_should_be_is_a_missing_file(place, raw, tmp_path):
    upload(raw, place.uri)
    place.mark("events.csv.zip", hdi_isfolder="true")
    with pytest.raises(InputError, match="has no file for 1 of the 7 tables: events"):
        ingest(open_source(place.uri, downloads=tmp_path / "downloads"), tmp_path / "tables")


def test_a_file_that_is_opened_without_being_fetched_is_downloaded_then(place, raw, tmp_path):
    upload(raw, place.uri)
    files = find_files(open_source(place.uri, downloads=tmp_path))
    assert place.proxy.reads == []
    with files["events"].open() as stream:
        assert stream.read() == (raw / "events.csv.zip").read_bytes()
    assert {exchange.line.split()[1].rpartition("/")[2] for exchange in place.proxy.reads} == {"events.csv.zip"}


def test_missing_files_are_named_before_anything_is_downloaded(place, tmp_path):
    for name in list(TABLES)[1:]:
        place.put(f"in/{name}.csv", b"x")
    with pytest.raises(InputError, match=r"/in has no file for 1 of the 7 tables: gender_age_train; each must be"):
        ingest(open_source(f"{place.uri}/in", downloads=tmp_path / "downloads"), tmp_path / "tables")
    assert place.proxy.reads == []


def test_a_message_about_a_file_names_the_blob(place, raw, tmp_path):
    for path in raw.iterdir():
        place.put(path.name, path.read_bytes() if "events" not in path.name else b"PK\3\4 nonsense")
    with pytest.raises(InputError) as caught:
        ingest(open_source(place.uri, downloads=tmp_path / "downloads"), tmp_path / "tables")
    assert str(caught.value).startswith(f"{place.uri}/")
    assert not (tmp_path / "tables").exists()
