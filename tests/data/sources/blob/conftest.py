"""A real Azurite for the tests with the marker `blob`, and containers of their own."""

from __future__ import annotations

import random
import uuid
from dataclasses import dataclass
from pathlib import Path

import pytest

from bench.azurite import Azurite, running_azurite
from hpt_spark.data.sources.blob import blob_file, retry
from hpt_spark.data.sources.blob import container as container_module
from hpt_spark.data.sources.blob.address import parse_blob_uri
from hpt_spark.data.sources.blob.container import Container
from hpt_spark.data.sources.blob.download import download
from tests.data.sources.blob.proxy import Proxy, proxy_to

VARIABLES = ("CONNECTION_STRING", "ACCOUNT", "KEY", "SAS_TOKEN")


@pytest.fixture(autouse=True)
def _no_credentials(monkeypatch):
    for name in VARIABLES:
        monkeypatch.delenv(f"AZURE_STORAGE_{name}", raising=False)


@pytest.fixture(scope="session")
def azurite():
    with running_azurite() as server:
        yield server


@pytest.fixture
def quick(monkeypatch):
    """Small ranges, and pauses and patience that suit a test."""
    monkeypatch.setattr(blob_file, "RANGE_SIZE", 128 * 1024)
    monkeypatch.setattr(retry, "_FIRST_PAUSE", 0.01)
    monkeypatch.setattr(retry, "_LONGEST_PAUSE", 0.1)
    monkeypatch.setattr(container_module, "_SMALLEST_PIECE", 16 * 1024)
    monkeypatch.setattr(retry, "PATIENCE", 4.0)
    monkeypatch.setattr(retry, "FIRST_PATIENCE", 1.0)
    monkeypatch.setattr(container_module, "SILENCE", 0.5)


@dataclass(frozen=True)
class Place:
    """A container of Azurite, filled by the SDK's own client, and a proxy before it."""

    azurite: Azurite
    name: str
    proxy: Proxy

    @property
    def uri(self) -> str:
        """Through the proxy."""
        return f"{self.azurite.url_at(self.proxy.port)}/{self.name}"

    def put(self, blob: str, data: bytes, md5: bool = True) -> bytes:
        """Upload in one request, of which the server keeps the MD5; else in blocks, without one."""
        from azure.storage.blob import BlobBlock

        client = self.azurite.service().get_blob_client(self.name, blob)
        if md5:
            client.upload_blob(data, overwrite=True)
        else:
            client.stage_block("0", data)
            client.commit_block_list([BlobBlock("0")])
        assert bool(client.get_blob_properties().content_settings.content_md5) == md5
        return data

    def mark(self, name: str, data: bytes = b"", **metadata: str) -> None:
        """Upload a blob with metadata, as a file system does that keeps its folders as blobs."""
        self.azurite.service().get_blob_client(self.name, name).upload_blob(data, overwrite=True, metadata=metadata)

    def open(self) -> Container:
        return Container(parse_blob_uri(self.uri))

    def download(self, folder: Path) -> dict[str, bytes]:
        """Download all blobs with our own code and return what has their names then."""
        container = self.open()
        download(container, container.blobs(), folder)
        return contents(folder)


def contents(folder: Path) -> dict[str, bytes]:
    """Return the files of a folder, without the hidden ones that belong to the download."""
    return {path.name: path.read_bytes() for path in folder.glob("*") if not path.name.startswith(".")}


def noise(size: int, seed: int = 0) -> bytes:
    return random.Random(seed).randbytes(size)


@pytest.fixture
def place(azurite, monkeypatch):
    """An empty container whose account's connection string is in the environment."""
    name = f"c-{uuid.uuid4().hex}"
    azurite.service().create_container(name)
    monkeypatch.setenv("AZURE_STORAGE_CONNECTION_STRING", azurite.connection_string)
    with proxy_to(azurite.port) as proxy:
        yield Place(azurite, name, proxy)
