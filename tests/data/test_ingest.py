"""Seven files become seven tables, whole or not at all, in bounded memory."""

from __future__ import annotations

import gzip
import json
import os
import signal
import subprocess
import sys
import zipfile
import zlib
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from hpt_spark.data.ingest import ingest, ingest_table
from hpt_spark.data.schemas import TABLES
from hpt_spark.data.sources.opening import open_source
from hpt_spark.errors import InputError
from hpt_spark.storage import open_folder

ROWS = {
    "gender_age_train": "-5,M,35,M32-38\n7,F,22,F23-\n",
    "gender_age_test": "9\n-11\n",
    "events": "1,-5,2016-05-01 00:55:25,121.38,31.24\n2,7,2016-05-02 10:00:00,,\n",
    "app_events": "2,5927333115845830913,1,1\n2,-5720078949152207372,1,0\n",
    "app_labels": "5927333115845830913,251\n5927333115845830913,251\n",
    "label_categories": '1,\n251,"a, b"\n',
    "phone_brand_device_model": "-5,小米,MI 2\n-5,三星,Note\n",
}


def csv_text(name: str) -> bytes:
    return (",".join(TABLES[name].column_names) + "\n" + ROWS[name]).encode()


def write_zip(path: Path, text: bytes) -> None:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(path.name.removesuffix(".zip"), text)


@pytest.fixture
def raw(tmp_path):
    folder = tmp_path / "raw"
    folder.mkdir()
    for name in TABLES:
        write_zip(folder / f"{name}.csv.zip", csv_text(name))
    return folder


@pytest.fixture
def tables(tmp_path):
    return tmp_path / "tables"


def snapshot(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_the_tables_hold_what_the_files_hold(raw, tables):
    ingest(raw, tables)
    assert sorted(os.listdir(tables)) == sorted([*TABLES, "manifest.json"])
    rows = {name: [tuple(row.values()) for row in pq.read_table(tables / name).to_pylist()] for name in TABLES}
    assert rows == {
        "gender_age_train": [(-5, "M", 35, "M32-38", 0), (7, "F", 22, "F23-", 1)],
        "gender_age_test": [(9, 0), (-11, 1)],
        "events": [(1, -5, "2016-05-01 00:55:25", 121.38, 31.24), (2, 7, "2016-05-02 10:00:00", None, None)],
        "app_events": [(2, 5927333115845830913, 1, 1), (2, -5720078949152207372, 1, 0)],
        "app_labels": [(5927333115845830913, 251)] * 2,
        "label_categories": [(1, None), (251, "a, b")],
        "phone_brand_device_model": [(-5, "小米", "MI 2", 0), (-5, "三星", "Note", 1)],
    }


def test_the_manifest_says_what_was_read(raw, tables):
    (raw / "events.csv.zip").unlink()
    (raw / "events.csv.gz").write_bytes(gzip.compress(csv_text("events") + b"3,x,2016-05-02 10:00:00,,\n"))
    manifest = ingest(str(raw), str(tables), max_bad_rows=1)
    assert json.loads((tables / "manifest.json").read_text()) == manifest
    assert list(manifest["tables"]) == list(TABLES)
    assert manifest["tables"]["events"] == {
        "source": "events.csv.gz",
        "source_bytes": (raw / "events.csv.gz").stat().st_size,
        "csv_crc32": f"{zlib.crc32(csv_text('events') + b'3,x,2016-05-02 10:00:00,,' + bytes([10])):08x}",
        "rows": 2,
        "dropped_rows": 1,
        "parts": 1,
        "columns": {
            "event_id": "int64",
            "device_id": "int64",
            "timestamp": "string",
            "longitude": "double",
            "latitude": "double",
        },
    }
    assert manifest["tables"]["gender_age_test"]["columns"] == {"device_id": "int64", "file_row": "int64"}


@pytest.mark.parametrize("pack", [lambda text: text, gzip.compress])
def test_however_it_is_packed_it_is_the_same_table(raw, tables, pack):
    expected = ingest(raw, tables)["tables"]["app_labels"]
    stored = snapshot(tables / "app_labels")
    (raw / "app_labels.csv.zip").unlink()
    name = "app_labels.csv" if pack(b"a") == b"a" else "app_labels.csv.gz"
    (raw / name).write_bytes(pack(csv_text("app_labels")))
    found = ingest(raw, tables)["tables"]["app_labels"]
    assert found["csv_crc32"] == expected["csv_crc32"]
    assert snapshot(tables / "app_labels") == stored


def test_a_source_of_another_kind(raw, tables):
    assert ingest(open_source(raw), tables)["tables"]["events"]["rows"] == 2


def test_many_rows_are_several_parts_of_several_row_groups(tmp_path, raw):
    number = 1_200_000
    text = "event_id,app_id,is_installed,is_active\n" + "".join(f"{n},{-n},1,0\n" for n in range(number))
    (raw / "big.csv").write_text(text)
    file = next(file for file in open_source(raw).list_files() if file.name == "big.csv")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("hpt_spark.data.ingest.ROW_GROUP_ROWS", 200_000)
        patch.setattr("hpt_spark.data.csv.parts.ROW_GROUPS_PER_PART", 2)
        entry = ingest_table(TABLES["app_events"], file, open_folder(tmp_path), chunk_size=1 << 20)
    files = [pq.ParquetFile(path) for path in sorted((tmp_path / "app_events").iterdir())]
    assert entry["rows"] == number
    assert entry["parts"] == len(files) == 3
    assert [file.num_row_groups for file in files] == [2, 2, 2]
    sizes = [file.metadata.row_group(group).num_rows for file in files for group in range(file.num_row_groups)]
    assert all(200_000 <= size < 300_000 for size in sizes[:-1])
    column = files[0].metadata.row_group(0).column(0)
    assert column.statistics.min == 0
    assert column.statistics.max == sizes[0] - 1
    assert column.compression == "SNAPPY"
    assert pq.read_table(tmp_path / "app_events")["event_id"].to_pylist() == list(range(number))


def test_progress_counts_the_bytes_of_the_source(raw, tables, monkeypatch):
    seen = []

    class Seen:
        def __init__(self, *args):
            seen.append(args)

        def __enter__(self):
            return self

        def __exit__(self, *args):
            pass

        def advance(self, amount, note):
            seen.append((note, amount))

    monkeypatch.setattr("hpt_spark.data.ingest.Progress", Seen)
    ingest(raw, tables)
    sizes = {name: (raw / f"{name}.csv.zip").stat().st_size for name in TABLES}
    assert seen[0] == ("ingest", sum(sizes.values()), "B")
    assert list(dict(seen[1:])) == list(TABLES)
    for name, size in sizes.items():  # a zip's table of contents is read more than once
        assert size - 100 <= sum(amount for note, amount in seen[1:] if note == name) <= size + 300


# --- whole or not at all


def test_a_second_ingest_replaces_the_first(raw, tables):
    ingest(raw, tables)
    write_zip(raw / "gender_age_test.csv.zip", b"device_id\n1\n2\n3\n")
    ingest(raw, tables)
    assert pq.read_table(tables / "gender_age_test")["device_id"].to_pylist() == [1, 2, 3]
    assert sorted(os.listdir(tables.parent)) == ["raw", "tables"]


@pytest.mark.parametrize("name", ["gender_age_train", "phone_brand_device_model"])
def test_a_failed_ingest_leaves_the_old_tables_and_nothing_else(raw, tables, name):
    ingest(raw, tables)
    old = snapshot(tables)
    path = raw / f"{name}.csv.zip"
    path.write_bytes(path.read_bytes()[:-30])
    with pytest.raises(InputError, match=rf"{name}\.csv\.zip is cut short"):
        ingest(raw, tables)
    assert snapshot(tables) == old
    assert sorted(os.listdir(tables.parent)) == ["raw", "tables"]


def test_a_first_ingest_that_fails_leaves_nothing(raw, tables):
    write_zip(raw / "app_labels.csv.zip", csv_text("app_labels") + b"1,x\n")
    with pytest.raises(InputError, match="1 of 3 rows cannot be parsed: line 4: label_id is 'x'"):
        ingest(raw, tables)
    assert os.listdir(tables.parent) == ["raw"]


@pytest.mark.parametrize(
    ("present", "named"),
    [
        (["notes.txt"], "notes.txt"),
        (["events/mine.parquet"], "events"),
        (["manifest.json", "events/part-00000.parquet", "raw/events.csv.zip"], "raw"),
    ],
)
def test_a_folder_with_other_things_is_never_replaced(raw, tables, present, named):
    for name in present:
        (tables / name).parent.mkdir(parents=True, exist_ok=True)
        (tables / name).write_text("mine")
    old = snapshot(tables)
    with pytest.raises(InputError) as caught:
        ingest(raw, tables)
    assert str(caught.value) == (
        f"the tables' folder {tables} holds other things ({named}), which would be lost: choose for tables.uri a "
        "folder that is new, empty or holds an earlier ingest's tables"
    )
    assert snapshot(tables) == old


def test_the_source_is_never_replaced(raw):
    with pytest.raises(InputError, match="holds other things"):
        ingest(raw, raw)
    with pytest.raises(InputError, match=r"holds other things \(raw\)"):
        ingest(raw, raw.parent)
    assert len(snapshot(raw)) == 7


def test_an_empty_folder_may_be_used(raw, tables):
    tables.mkdir()
    ingest(raw, tables)
    assert (tables / "manifest.json").exists()


# The source's last file flows slowly, so that the signal arrives while all threads are at work.
SLOW_INGEST = """
import dataclasses, sys, time
from hpt_spark.data import ingest as rooms

class Slow:
    def __init__(self, stream):
        self.stream = stream
    def read(self, size=-1):
        if self.stream.tell() > 200_000:
            print("reading", flush=True)
            time.sleep(0.05)
        return self.stream.read(min(size, 10_000))
    def __enter__(self):
        return self
    def __exit__(self, *args):
        self.stream.close()

class SlowSource:
    def __init__(self, source):
        self.source, self.location = source, source.location
    def list_files(self):
        return [
            dataclasses.replace(file, open=lambda file=file: Slow(file.open())) if file.name.endswith(".csv") else file
            for file in self.source.list_files()
        ]
    def fetch(self, files):
        return files

rooms.ingest(SlowSource(rooms.open_source(sys.argv[1])), sys.argv[2])
"""


@pytest.fixture
def interrupted(raw, tables):
    """Ingest, then again with other rows in a process of its own, and signal it in the midst of the last file."""

    def interrupted(number: int) -> int:
        ingest(raw, tables)
        (raw / "phone_brand_device_model.csv.zip").unlink()
        text = csv_text("phone_brand_device_model") + b"1,a,b\n" * 1_000_000
        (raw / "phone_brand_device_model.csv").write_bytes(text)
        with subprocess.Popen(
            [sys.executable, "-c", SLOW_INGEST, str(raw), str(tables)], stdout=subprocess.PIPE, text=True
        ) as child:
            assert child.stdout.readline() == "reading\n"
            child.send_signal(number)
            child.communicate()
        return child.returncode

    return interrupted


def test_after_kill_9_the_old_tables_are_whole_and_the_next_ingest_cleans_up(raw, tables, interrupted):
    assert interrupted(signal.SIGKILL) == -signal.SIGKILL
    assert sorted(os.listdir(tables.parent)) == [".writing.tables", "raw", "tables"]
    assert pq.read_table(tables / "phone_brand_device_model").num_rows == 2
    manifest = json.loads((tables / "manifest.json").read_text())
    assert {name: entry["rows"] for name, entry in manifest["tables"].items()} == dict.fromkeys(TABLES, 2)
    assert ingest(raw, tables)["tables"]["phone_brand_device_model"]["rows"] == 1_000_002
    assert sorted(os.listdir(tables.parent)) == ["raw", "tables"]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
@pytest.mark.process
def test_after_a_signal_nothing_is_left_behind(tables, interrupted, number):
    assert interrupted(number) == -number
    assert sorted(os.listdir(tables.parent)) == ["raw", "tables"]
    assert pq.read_table(tables / "phone_brand_device_model").num_rows == 2


MEMORY_OF_INGEST = """
import resource, sys
from hpt_spark.data import ingest as rooms
rooms.ROW_GROUP_ROWS = 1 << 15
file = next(file for file in rooms.open_source(sys.argv[1]).list_files() if file.name == sys.argv[2])
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
rooms.ingest_table(rooms.TABLES["app_events"], file, rooms.open_folder(sys.argv[1]), chunk_size=1 << 18)
after = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
print((after - before) * (1 if sys.platform == "darwin" else 1024))
"""


@pytest.mark.process
def test_memory_does_not_grow_with_the_file(tmp_path):
    size = 120_000_000
    row = b"2,5927333115845830913,1,1\n"
    text = b"event_id,app_id,is_installed,is_active\n" + row * (size // len(row))
    write_zip(tmp_path / "big.csv.zip", text)
    peak = subprocess.run(
        [sys.executable, "-c", MEMORY_OF_INGEST, str(tmp_path), "big.csv.zip"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert int(peak.stdout) < size / 2
