"""Each way in which a packed file can be wrong is told in one sentence that names the file."""

from __future__ import annotations

import gzip
import io
import logging
import random
import runpy
import struct
import sys
import zipfile
import zlib
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hpt_spark.data.csv import inflate
from hpt_spark.data.csv import unpack as unpacking
from hpt_spark.data.csv.unpack import unpack
from hpt_spark.data.sources.base import SourceFile
from hpt_spark.errors import InputError
from tests.property_settings import examples

NAMES = ("crc32", "open_gzip", "deflate_reader", "is_damage")


def inflate_without_isal():
    """Return what `inflate` has where the extra is not installed."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(sys.modules, "isal", None)
        return runpy.run_path(inflate.__file__)


WITHOUT_ISAL = inflate_without_isal()


@pytest.fixture(autouse=True, params=["isal", "zlib"], scope="module")
def inflater(request):
    """Run every test with the extra and without."""
    with pytest.MonkeyPatch.context() as patch:
        if request.param == "zlib":
            for name in NAMES:
                patch.setattr(inflate, name, WITHOUT_ISAL[name])
        yield request.param


TEXT = b"device_id\n" + b"".join(b"%d\n" % number for number in range(2000))


def zipped(*members: tuple[str, bytes], method: int = zipfile.ZIP_DEFLATED) -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", method) as archive:
        for name, text in members:
            archive.writestr(name, text)
    return packed.getvalue()


ZIP = zipped(("gender_age_test.csv", TEXT))


def source_file(name: str, data: bytes) -> SourceFile:
    return SourceFile(name, f"raw/{name}", len(data), lambda: io.BytesIO(data))


def read_all(name: str, data: bytes, size: int = 1000) -> bytes:
    with unpack(source_file(name, data)) as stream:
        text = b""
        while more := stream.read(size):
            text += more
        assert stream.crc32 == zlib.crc32(text)
    return text


def complaint(name: str, data: bytes) -> str:
    with pytest.raises(InputError) as caught:
        read_all(name, data)
    return str(caught.value)


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("t.csv.zip", ZIP),
        ("t.csv.zip", zipped(("t.csv", TEXT), method=zipfile.ZIP_STORED)),
        ("t.csv.gz", gzip.compress(TEXT)),
        ("t.csv.gz", gzip.compress(TEXT[:50]) + gzip.compress(TEXT[50:])),
        ("t.csv", TEXT),
    ],
)
@pytest.mark.parametrize("size", [7, 1000, 1 << 20])
def test_the_text_comes_out_as_it_went_in(name, data, size):
    assert read_all(name, data, size) == TEXT


def test_the_module_is_the_one_installed(inflater):
    decompressor = type(inflate.deflate_reader()).__module__
    assert decompressor.startswith(inflater), decompressor


@given(
    st.lists(st.binary(max_size=40), max_size=30),
    st.integers(1, 500),
    st.integers(1, 300),
    st.sampled_from([0, 1, 6, 9]),
)
def test_both_give_the_same_bytes(inflater, parts, size, at_a_time, level):
    text = b"".join(random.Random(size).choices(parts or [b""], k=40))
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED, compresslevel=level) as archive:
        archive.writestr("t.csv", text)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(unpacking, "_PACKED_SIZE", at_a_time)
        assert read_all("t.csv.zip", packed.getvalue(), size) == text
    assert read_all("t.csv.gz", gzip.compress(text, level), size) == text


@pytest.mark.parametrize("size", [1, 7, 64, len(TEXT) // 2, len(TEXT)])
def test_packed_bytes_are_read_in_pieces(monkeypatch, size):
    monkeypatch.setattr(unpacking, "_PACKED_SIZE", 64)
    assert read_all("t.csv.zip", ZIP, size) == TEXT


@pytest.mark.parametrize("size", [1000, len(TEXT), len(TEXT) // 2])
@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
def test_a_wrong_checksum_shows_at_the_end_whatever_is_read_at_a_time(method, size):
    packed = zipped(("t.csv", TEXT), method=method)
    wrong = edited(packed, 14, 16, packed[14] ^ 1)
    with pytest.raises(InputError, match="Bad CRC-32"):
        read_all("t.csv.zip", wrong, size)


def test_a_zip_whose_table_of_contents_tells_of_fewer_bytes_than_there_are():
    assert len(ZIP) < 1 << 16
    length = struct.unpack_from("<I", ZIP, 18)[0] - 100
    shorter = edited(edited(ZIP, 18, 20, length & 0xFF), 19, 21, length >> 8)
    assert complaint("t.csv.zip", shorter) == (
        "raw/t.csv.zip is damaged ('gender_age_test.csv' ends early): copy it again from where it came from"
    )


def test_a_packed_text_is_not_unpacked_as_a_whole():
    packed = zipped(("t.csv", b"0" * (1 << 24)))
    with unpack(source_file("t.csv.zip", packed)) as stream:
        assert len(stream.read(100)) == 100


@pytest.mark.parametrize(("name", "data"), [("t.csv.zip", ZIP), ("t.csv.gz", gzip.compress(TEXT)), ("t.csv", TEXT)])
def test_the_bytes_read_are_told(name, data):
    told = []
    with unpack(source_file(name, data), told.append) as stream:
        while stream.read(1000):
            pass
    assert len(data) * 0.9 <= sum(told) <= len(data) * 1.1 + 200  # a zip's table of contents may be read twice


def test_macos_extras_are_ignored_and_it_says_so(caplog):
    caplog.set_level(logging.INFO)
    packed = zipped(("t.csv", TEXT), ("__MACOSX/._t.csv", b"\0\1"))
    assert read_all("t.csv.zip", packed) == TEXT
    assert "raw/t.csv.zip: its __MACOSX/ members are ignored" in caplog.text


@pytest.mark.parametrize("name", ["t.csv.zip", "t.csv.gz", "t.csv"])
def test_a_file_of_no_bytes(name):
    assert complaint(name, b"") == f"raw/{name} is empty (0 bytes): copy it again from where it came from"


def test_a_file_that_cannot_be_opened():
    def refuse():
        raise PermissionError(13, "Permission denied")

    file = SourceFile("t.csv", "raw/t.csv", 1, refuse)
    with pytest.raises(InputError, match=r"^raw/t.csv cannot be opened: Permission denied$"), unpack(file):
        pass


@pytest.mark.parametrize("length", [10, len(ZIP) // 2, len(ZIP) - 1])
def test_a_zip_that_is_cut_short(length):
    assert complaint("t.csv.zip", ZIP[:length]).startswith("raw/t.csv.zip is cut short or damaged (")


@pytest.mark.parametrize("data", [TEXT, b"P", gzip.compress(TEXT)])
def test_a_file_that_is_no_zip(data):
    assert complaint("t.csv.zip", data) == (
        "raw/t.csv.zip is not a zip file, though its name says so: zip it, or correct the name"
    )


@pytest.mark.parametrize("packed", [zipped(), zipped(("__MACOSX/._t.csv", b"\0"))])
def test_a_zip_without_a_file(packed):
    assert complaint("t.csv.zip", packed) == "raw/t.csv.zip is a zip without a file in it: it must hold one CSV file"


def test_a_zip_of_two_files():
    assert complaint("t.csv.zip", zipped(("t.csv", TEXT), ("other.csv", TEXT))) == (
        "raw/t.csv.zip holds 2 files (t.csv, other.csv): it must hold one CSV file only"
    )


@pytest.mark.parametrize("name", ["data/t.csv", "../t.csv", "/etc/t.csv", "..\\t.csv", ".."])
def test_a_zip_of_a_file_with_a_path(name):
    assert complaint("t.csv.zip", zipped((name, TEXT))) == (
        f"raw/t.csv.zip holds a file with a path ({name}): zip the CSV file without its folder"
    )


def edited(data: bytes, local: int, central: int, value: int) -> bytes:
    """Set a byte in both headers of the zip's first member."""
    changed = bytearray(data)
    changed[data.index(b"PK\3\4") + local] = value
    changed[data.index(b"PK\1\2") + central] = value
    return bytes(changed)


def test_an_encrypted_zip():
    assert complaint("t.csv.zip", edited(ZIP, 6, 8, 1)) == (
        "raw/t.csv.zip is encrypted: zip gender_age_test.csv again without a password"
    )


def test_a_zip_packed_in_an_unusual_way():
    deflate64 = 9  # what Windows Explorer takes for large files
    for packed in (edited(ZIP, 8, 10, deflate64), zipped(("t.csv", TEXT), method=zipfile.ZIP_BZIP2)):
        assert complaint("t.csv.zip", packed).startswith("raw/t.csv.zip is packed in an unusual way: zip ")


def test_a_zip_whose_checksum_is_wrong():
    wrong = edited(ZIP, 14, 16, ZIP[14] ^ 1)
    with unpack(source_file("t.csv.zip", wrong)) as stream:
        assert stream.read(100) == TEXT[:100]  # only the end shows it
    assert complaint("t.csv.zip", wrong) == (
        "raw/t.csv.zip is damaged (Bad CRC-32 for file 'gender_age_test.csv'): copy it again from where it came from"
    )


def test_a_zip_with_a_hole():
    middle = len(ZIP) // 2
    damaged = ZIP[:middle] + b"\xff" * 50 + ZIP[middle + 50 :]
    assert complaint("t.csv.zip", damaged).startswith("raw/t.csv.zip is damaged (")


@pytest.mark.parametrize(
    "data",
    [
        gzip.compress(TEXT)[:-9],
        gzip.compress(TEXT)[:-4],
        gzip.compress(TEXT)[:5],
        gzip.compress(TEXT)[:100] + b"\xff" * 50 + gzip.compress(TEXT)[150:],
        gzip.compress(TEXT)[:-8] + b"\0" * 8,
        TEXT,
        ZIP,
    ],
    ids=["end", "length", "header", "middle", "checksum", "text", "zip"],
)
def test_a_damaged_gzip(data):
    assert complaint("t.csv.gz", data).startswith("raw/t.csv.gz is damaged (")


def test_a_zip_on_a_disk_that_has_lost_bytes(tmp_path):
    """Its member seems to begin before the file does, where a disk does not seek as memory does."""
    path = tmp_path / "t.csv.zip"
    path.write_bytes(ZIP[:100] + ZIP[120:])
    file = SourceFile(path.name, str(path), path.stat().st_size, lambda: path.open("rb"))
    with pytest.raises(InputError, match=r"t\.csv\.zip is damaged \("), unpack(file):
        pass


PACKED = {"t.csv.zip": ZIP, "t.csv.gz": gzip.compress(TEXT)}


@pytest.mark.parametrize("name", PACKED)
@examples(30)
@given(data=st.data())
def test_damage_is_harmless_or_told(name, data):
    """Whatever byte is changed: the text is as it was, or there is an InputError; never another text."""
    packed = bytearray(PACKED[name])
    last = len(packed) - 1
    place = data.draw(st.integers(0, 100) | st.integers(last - 150, last) | st.integers(0, last), "place")
    value = data.draw(st.integers(0, 255).filter(lambda value: value != packed[place]), "value")
    packed[place] = value
    with suppress(InputError):
        assert read_all(name, bytes(packed)) == TEXT
