"""Other bytes than the server's are never taken for the blob."""

from __future__ import annotations

import io
import re
import zipfile

import pytest

from hpt_spark.errors import InputError, TransferError
from tests.data.sources.blob.conftest import contents, noise
from tests.data.sources.blob.proxy import cut_at

pytestmark = [pytest.mark.blob, pytest.mark.usefixtures("quick")]

SIZE = 1000 * 1024 + 7  # eight ranges, the last one not full


def zipped(text: bytes) -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("events.csv", text)
    return packed.getvalue()


def corrupt(exchange, data):
    """Change a byte of the content on its way."""
    place = next((at for at in range(len(data)) if exchange.sent + at == 2000), None)
    return data if place is None else data[:place] + bytes([data[place] ^ 1]) + data[place + 1 :]


def test_bytes_changed_on_the_way(place, tmp_path):
    data = place.put("a.csv", noise(SIZE))
    place.proxy.on_way = lambda exchange, part: corrupt(exchange, part) if exchange.number == 3 else part
    assert place.download(tmp_path) == {"a.csv": data}
    assert len(place.proxy.reads) == 16


def test_bytes_changed_on_the_way_of_a_blob_without_an_md5(place, tmp_path):
    data = place.put("a.csv", noise(SIZE), md5=False)
    place.proxy.on_way = lambda exchange, part: corrupt(exchange, part) if exchange.number == 3 else part
    assert place.download(tmp_path) == {"a.csv": data}
    assert len(place.proxy.reads) == 10  # each range has its own checksum; that one came again, in halves


def test_bytes_changed_on_every_way_of_a_blob_without_an_md5(place, tmp_path):
    place.put("a.csv", noise(SIZE), md5=False)
    place.proxy.on_way = lambda exchange, part: corrupt(exchange, part) if exchange.is_read else part
    with pytest.raises(TransferError, match="what arrived was not what was sent, again and again"):
        place.download(tmp_path)
    assert contents(tmp_path) == {}


def test_bytes_changed_on_every_way(place, tmp_path):
    place.put("a.csv", noise(SIZE))
    place.proxy.on_way = lambda exchange, part: corrupt(exchange, part) if exchange.is_read else part
    with pytest.raises(InputError, match=r"a\.csv is damaged, also when it is downloaded again \(its MD5 is"):
        place.download(tmp_path)
    assert contents(tmp_path) == {}


@pytest.mark.parametrize("cut", [30, 500])
def test_a_zip_that_is_damaged_where_it_lies(place, tmp_path, cut):
    place.put("a.csv.zip", zipped(noise(SIZE))[:-cut], md5=False)
    with pytest.raises(InputError, match=r"a\.csv\.zip is damaged, also when .*upload it again"):
        place.download(tmp_path)
    assert contents(tmp_path) == {}


@pytest.mark.parametrize("cut", [30, 500])
def test_a_zip_that_was_uploaded_damaged_is_not_taken_for_whole(place, tmp_path, cut):
    """Its MD5 is right, so that it is not downloaded again, neither now nor by the next run."""
    place.put("a.csv.zip", zipped(noise(SIZE))[:-cut])
    for _ in range(2):
        with pytest.raises(InputError, match=r"a\.csv\.zip is damaged where it lies .*upload it again"):
            place.download(tmp_path)
        assert contents(tmp_path) == {}
        assert len(place.proxy.reads) == 8


def test_a_length_that_is_too_small(place, tmp_path):
    data = place.put("a.csv", noise(SIZE))

    def shorter(exchange, part):
        if exchange.number != 2:
            return part
        if exchange.sent == 0:
            length = int(re.search(rb"(?i)content-length: (\d+)", part)[1])
            part = re.sub(rb"(?i)content-length: \d+", b"Content-Length: %d" % (length - 1000), part)
        return cut_at(exchange, part, 100_000) if exchange.sent > 200_000 else part

    place.proxy.on_way = shorter
    assert place.download(tmp_path) == {"a.csv": data}


def test_a_server_that_knows_no_ranges(place, tmp_path):
    place.put("a.csv", noise(SIZE))
    place.proxy.instead = lambda exchange: (
        b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabc" if exchange.is_read else None
    )
    with pytest.raises(TransferError):
        place.download(tmp_path)
    assert contents(tmp_path) == {}
