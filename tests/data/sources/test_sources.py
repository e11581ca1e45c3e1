"""Each table is found in one file of the source, or it is said what is missing."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from hpt_spark.data.schemas import TABLES
from hpt_spark.data.sources import opening
from hpt_spark.data.sources.base import find_files
from hpt_spark.data.sources.opening import open_source
from hpt_spark.errors import InputError
from tests.rights import without_rights


def fill(folder, *names):
    folder.mkdir(exist_ok=True)
    for name in names:
        (folder / name).write_text(name)
    return folder


def test_each_packing_is_accepted(tmp_path):
    suffixes = [".csv", ".csv.gz", ".csv.zip"] * 3
    names = [name + suffix for name, suffix in zip(TABLES, suffixes, strict=False)]
    files = find_files(open_source(fill(tmp_path, *names, "README.md", "events.txt")))
    assert [file.name for file in files.values()] == names
    assert list(files) == list(TABLES)
    for file in files.values():
        assert file.location == f"{tmp_path}/{file.name}"
        with file.open() as stream:
            assert stream.read() == file.name.encode()
        assert file.size == len(file.name)


def test_a_file_uri_is_a_folder(tmp_path):
    fill(tmp_path, *[f"{name}.csv" for name in TABLES])
    files = find_files(open_source(f"file://{tmp_path}"))
    assert files["events"].location == f"{tmp_path}/events.csv"


def test_all_missing_tables_are_named_at_once(tmp_path):
    fill(tmp_path, *[f"{name}.csv.zip" for name in TABLES if name not in ("events", "app_labels")], "events.zip")
    (tmp_path / "app_labels.csv").mkdir()  # what Spark writes under such a name
    with pytest.raises(InputError) as caught:
        find_files(open_source(tmp_path))
    assert str(caught.value) == (
        f"{tmp_path} has no file for 2 of the 7 tables: events, app_labels; "
        "each must be there as NAME.csv.zip, NAME.csv.gz or NAME.csv"
    )


def test_two_files_for_a_table(tmp_path):
    fill(tmp_path, *[f"{name}.csv.zip" for name in TABLES], "events.csv", "app_labels.csv.gz")
    with pytest.raises(InputError) as caught:
        find_files(open_source(tmp_path))
    assert str(caught.value) == (
        f"{tmp_path} has more than one file for a table: events.csv.zip and events.csv; "
        "app_labels.csv.zip and app_labels.csv.gz; keep one of them"
    )


def test_no_such_folder(tmp_path):
    with pytest.raises(InputError, match=r"^the source folder .*/raw does not exist: correct source\.uri$"):
        open_source(tmp_path / "raw")


def test_a_file_instead_of_a_folder(tmp_path):
    fill(tmp_path, "events.csv")
    with pytest.raises(InputError, match=r"^the source .*/events\.csv is a file: source\.uri must be the folder"):
        open_source(tmp_path / "events.csv")


def test_a_folder_that_may_not_be_read(tmp_path, monkeypatch):
    def refuse(path):
        raise PermissionError

    source = open_source(tmp_path)
    monkeypatch.setattr("os.scandir", refuse)
    with pytest.raises(InputError, match=r"^the source folder .* may not be read: ask for access to it$"):
        find_files(source)


@pytest.mark.parametrize("closed", [".", "raw"])
def test_a_folder_that_may_not_be_entered(tmp_path, closed):
    (tmp_path / "raw").mkdir()
    fill(tmp_path / "raw", "events.csv")
    (tmp_path / closed).chmod(0o444)
    try:
        with without_rights(), pytest.raises(InputError, match=r"raw may not be read: ask for access to it$"):
            find_files(open_source(tmp_path / "raw"))
    finally:
        (tmp_path / closed).chmod(0o755)


def test_a_file_that_may_not_be_read(tmp_path):
    fill(tmp_path, *[f"{name}.csv" for name in TABLES])
    (tmp_path / "events.csv").chmod(0)
    tmp_path.chmod(0o755)
    file = find_files(open_source(tmp_path))["events"]
    with without_rights(), pytest.raises(InputError, match=r"events\.csv cannot be opened: Permission denied$"):
        file.open()


def test_azures_sdk_reads_no_folder(tmp_path):
    with pytest.raises(InputError, match=r"^source.via=sdk is for blobs, but source.uri="):
        open_source(tmp_path, via="sdk")


BLOBS = [
    "https://account.blob.core.windows.net/box",
    "wasbs://box@account.blob.core.windows.net/a",
    "abfss://box@account.dfs.core.windows.net",
]


@pytest.mark.parametrize(
    ("uris", "via", "kind"),
    [
        (["data/raw", "file:///data/raw"], "auto", "FolderSource"),
        (BLOBS, "auto", "BlobSource"),
        (BLOBS, "sdk", "BlobSource"),
        (["hdfs://host/raw", "s3a://box/raw"], "auto", "HadoopSource"),
        (["/data/raw", *BLOBS], "hadoop", "HadoopSource"),
    ],
)
def test_each_uri_is_read_by_one_kind_of_source(monkeypatch, uris, via, kind):
    for name in ("FolderSource", "BlobSource", "HadoopSource"):
        monkeypatch.setattr(opening, name, lambda *_, name=name: SimpleNamespace(kind=name))
    assert [opening.open_source(uri, via).kind for uri in uris] == [kind] * len(uris)


@pytest.mark.parametrize("uri", ["data/raw", "hdfs://host/raw"])
def test_the_sdk_reads_blobs_alone(uri):
    with pytest.raises(InputError, match=rf"^source.via=sdk is for blobs, but source.uri={uri} is none: use auto$"):
        open_source(uri, "sdk")
