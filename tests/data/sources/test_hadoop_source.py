"""Input and tables on a Hadoop file system: the same tables, with one part of a table at a time on this machine."""

from __future__ import annotations

import tempfile
import threading

import pytest

from hpt_spark.data.ingest import ingest
from hpt_spark.data.sources.base import find_files
from hpt_spark.data.sources.opening import is_read_by_hadoop, open_source
from hpt_spark.data.tables import Tables
from hpt_spark.errors import InputError
from hpt_spark.storage.hadoop import HadoopFolder
from hpt_spark.storage.hadoop_files import HadoopFiles


@pytest.fixture
def hadoop_tables(spark, monkeypatch):
    """Let `ingest` reach its tables by Hadoop, although they are on a local disk."""
    monkeypatch.setattr("hpt_spark.data.ingest.open_folder", lambda path: HadoopFolder.open(f"file://{path}"))


def contents(folder) -> dict[str, bytes]:
    files = [path for path in folder.rglob("*") if path.is_file() and path.suffix != ".crc"]
    return {str(path.relative_to(folder)): path.read_bytes() for path in files}


@pytest.mark.parametrize(
    ("uri", "via", "by_hadoop"),
    [
        ("data/raw", "auto", False),
        ("data/raw", "hadoop", True),
        ("hdfs://host/raw", "auto", True),
        ("abfss://c@a.dfs.core.windows.net/raw", "auto", False),  # by azure-storage-blob
        ("abfss://c@a.dfs.core.windows.net/raw", "hadoop", True),
        ("https://a.blob.core.windows.net/raw", "hadoop", True),
    ],
)
def test_which_sources_are_read_by_hadoop(uri, via, by_hadoop):
    assert is_read_by_hadoop(uri, via) == by_hadoop


@pytest.mark.parametrize("scheme", ["", "file:", "file://"])
def test_the_files_of_a_source_are_those_of_the_folder(spark, raw, scheme):
    files = find_files(open_source(f"{scheme}{raw}", "hadoop"))
    assert {file.name: file.size for file in files.values()} == {p.name: p.stat().st_size for p in raw.glob("*.zip")}
    for file in files.values():
        assert file.location == f"file:{raw}/{file.name}"
        with file.open() as stream:
            assert stream.read() == (raw / file.name).read_bytes()


def test_no_such_folder(spark, tmp_path):
    with pytest.raises(InputError, match=r"^the source folder .*/raw does not exist: correct source\.uri$"):
        open_source(tmp_path / "raw", "hadoop")


def test_a_file_instead_of_a_folder(spark, tmp_path):
    (tmp_path / "events.csv").write_text("text")
    with pytest.raises(InputError, match=r"^the source .*/events\.csv is a file: source\.uri must be the folder"):
        open_source(tmp_path / "events.csv", "hadoop")


def test_a_blob_url_leads_to_the_driver_of_the_cluster(spark):
    said = r"^https://me.blob.core.windows.net/raw cannot be used \(ClassNotFoundException: .*NativeAzureFileSystem"
    with pytest.raises(InputError, match=said):
        open_source("https://me.blob.core.windows.net/raw", "hadoop")


@pytest.mark.long
def test_the_tables_are_the_same_by_hadoop(hadoop_tables, spark, raw, tables, tmp_path, monkeypatch):
    scratch, together = tmp_path / "scratch", []
    scratch.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(scratch))
    upload = HadoopFiles.upload

    def counted(*arguments):
        together.append(len([*scratch.glob("*/files/*")]))
        upload(*arguments)

    monkeypatch.setattr(HadoopFiles, "upload", counted)
    threads = set(threading.enumerate())
    manifest = ingest(open_source(raw, "hadoop"), tmp_path / "tables")
    assert contents(tmp_path / "tables") == contents(tables)
    assert together == [1] * (sum(table["parts"] for table in manifest["tables"].values()) + 1)
    assert list(scratch.iterdir()) == []
    left = {thread.name for thread in set(threading.enumerate()) - threads}
    assert left <= {"hpt-spark-files"}  # which stays, for the next request to the file system

    opened = Tables(spark, f"file:{tmp_path}/tables")
    assert opened["events"].count() == manifest["tables"]["events"]["rows"]


@pytest.mark.long
def test_a_file_that_breaks_off_leaves_the_old_tables(hadoop_tables, raw, tmp_path):
    for path in raw.iterdir():
        (tmp_path / "raw").mkdir(exist_ok=True)
        (tmp_path / "raw" / path.name).write_bytes(path.read_bytes())
    ingest(open_source(tmp_path / "raw", "hadoop"), tmp_path / "tables")
    before = contents(tmp_path / "tables")
    broken = tmp_path / "raw" / "events.csv.zip"
    broken.write_bytes(broken.read_bytes()[:-100])
    with pytest.raises(InputError, match=r"events.csv.zip is cut short or damaged"):
        ingest(open_source(tmp_path / "raw", "hadoop"), tmp_path / "tables")
    assert contents(tmp_path / "tables") == before
    assert sorted(path.name for path in tmp_path.iterdir()) == ["raw", "tables"]
