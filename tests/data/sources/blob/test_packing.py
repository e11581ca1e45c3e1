"""A downloaded file is held against its own checksum."""

from __future__ import annotations

import io
import zipfile
from pathlib import Path

import pytest

from hpt_spark.data.sources.blob.blob_file import DamagedError, check_packing


def zipped(name: str = "events.csv", method: int = zipfile.ZIP_DEFLATED) -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", method) as archive:
        archive.writestr(name, b"".join(b"%d,1\n" % number for number in range(1000)))
    return packed.getvalue()


def check(folder: Path, packed: bytes) -> None:
    (folder / "events.csv.zip").write_bytes(packed)
    check_packing(folder / "events.csv.zip")


def test_a_zip_that_has_lost_bytes_is_damaged(tmp_path):
    with pytest.raises(DamagedError, match="Invalid argument"):
        check(tmp_path, zipped()[:100] + zipped()[120:])


def test_a_zip_whose_name_of_a_file_is_no_text_is_damaged(tmp_path):
    with pytest.raises(DamagedError, match="utf-8"):
        check(tmp_path, zipped("ö.csv").replace("ö".encode(), b"\xff\xff"))


def test_what_ingest_refuses_itself_is_left_to_it(tmp_path):
    unusual = bytearray(zipped(method=zipfile.ZIP_BZIP2))
    unusual[100:200] = bytes(100)
    for packed in (b"no zip", bytes(unusual)):
        check(tmp_path, packed)
