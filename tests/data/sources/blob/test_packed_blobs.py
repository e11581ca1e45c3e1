"""The bytes of a blob are kept as they lie, whatever its properties say of their encoding."""

from __future__ import annotations

import base64
import gzip
import hashlib
import http.server
import re
import threading
from email.utils import formatdate

import pytest

from hpt_spark.data.sources.blob import retry
from hpt_spark.data.sources.blob.address import parse_blob_uri
from hpt_spark.data.sources.blob.container import Blob, Container

DATA = gzip.compress(b"device_id\n" + b"".join(b"%d\n" % (number**5) for number in range(1000)))


class Server(http.server.BaseHTTPRequestHandler):
    """Answers as Azure does for ranges of a blob with the property Content-Encoding: gzip."""

    def do_GET(self):
        start, end = map(int, re.findall(r"\d+", self.headers["x-ms-range"]))
        part = DATA[start : end + 1]
        self.send_response(206)
        for name, value in {
            "Content-Length": len(part),
            "Content-Range": f"bytes {start}-{end}/{len(DATA)}",
            "Content-Encoding": "gzip",
            "Content-MD5": base64.b64encode(hashlib.md5(part).digest()).decode(),
            "ETag": '"1"',
            "Last-Modified": formatdate(usegmt=True),
            "x-ms-blob-type": "BlockBlob",
        }.items():
            self.send_header(name, str(value))
        self.end_headers()
        self.wfile.write(part)

    def log_message(self, *_):
        """Say nothing."""


@pytest.fixture
def container(monkeypatch):
    monkeypatch.setattr(retry, "PATIENCE", 1.0)
    monkeypatch.setattr("hpt_spark.data.sources.blob.container.SILENCE", 5.0)
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Server) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield Container(parse_blob_uri(f"http://127.0.0.1:{server.server_port}/me/box"), "anonymous")
        server.shutdown()


@pytest.mark.long
@pytest.mark.parametrize("md5", [None, hashlib.md5(DATA).digest()], ids=["no MD5", "MD5"])
@pytest.mark.parametrize("start", [0, 1000])
def test_a_blob_that_is_said_to_be_gzip_is_not_unpacked_on_the_way(container, md5, start):
    blob = Blob("events.csv.gz", len(DATA), '"1"', md5)
    assert container.read(blob, start, len(DATA) - start) == DATA[start:]
