"""A container: a few calls, each repeated while that may help.

Azure's SDK is called here alone, without retries of its own and without secrets in its log; what it raises does not
pass `retry`.
"""

from __future__ import annotations

import logging
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from hpt_spark.data.sources.blob.address import BlobAddress
from hpt_spark.data.sources.blob.credentials import Credential, find_credential
from hpt_spark.data.sources.blob.refusals import code_of
from hpt_spark.data.sources.blob.retry import Retry
from hpt_spark.errors import MissingDependencyError
from hpt_spark.masking import mask_secrets

NO_AZURE = "Blob storage needs azure-storage-blob, which is not installed; run: pip install 'hpt-spark[azure]'."

CONNECT_TIMEOUT, SILENCE = 20.0, 20.0  # seconds

_SMALLEST_PIECE = 64 * 1024
_FOLDER_MARKS = ("hdi_isfolder", "asv_isfolder")  # written by ADLS Gen2 and Hadoop; by Hadoop's first releases


@dataclass(frozen=True)
class Blob:
    """A version of a blob."""

    name: str  # without the folder
    size: int  # in bytes
    etag: str  # another version has another one
    md5: bytes | None  # of the content, if the one who uploaded it has said so


class Container:
    """A folder of a container, and the way into it; `named_credential` is what ``source.credential`` says."""

    def __init__(self, address: BlobAddress, named_credential: str | None = None) -> None:
        self.address = address
        credential = find_credential(address, named_credential)
        self._client = _open_client(address, credential)
        self._retry = Retry(address, credential)

    def stop(self) -> None:
        """Let running and later calls of all threads raise StoppedError."""
        self._retry.stop()

    def blobs(self, to_write: bool = False) -> list[Blob]:
        """Return the files directly in the folder; `to_write` says for what, if it is refused."""
        prefix = self.address.prefix

        def walk() -> list[Blob]:
            try:
                found = list(self._client.walk_blobs(name_starts_with=prefix, include=["metadata"], delimiter="/"))
            except AttributeError:  # so the SDK ends when an answer was cut before its body
                raise EOFError from None
            return [_blob(one, prefix) for one in found if not _is_folder(one)]

        return self._retry.call(walk, writes=to_write)

    def look_up(self, name: str) -> Blob:
        """Return the present version of a blob."""
        client = self._blob_client(name)
        return self._retry.call(lambda: _blob(client.get_blob_properties(), self.address.prefix), name)

    def read(self, blob: Blob, start: int, size: int) -> bytes:
        """Return `size` bytes of this version of a blob.

        A connection that keeps breaking is asked for less at a time, so that it gets on all the same.

        Raises
        ------
        BlobChangedError
            If there is another version now.
        """
        from azure.core import MatchConditions

        client, at, end, piece = self._blob_client(blob.name), start, start + size, size
        # Where the whole has no checksum, the server is asked for one of each piece.
        options = {"match_condition": MatchConditions.IfNotModified, "validate_content": blob.md5 is None}

        def read_on() -> bytes:
            wanted = min(piece, end - at)
            data: bytes = client.download_blob(at, wanted, etag=blob.etag, **options).readall()
            if len(data) != wanted:
                raise EOFError
            return data

        def ask_for_less() -> None:
            nonlocal piece
            piece = max(piece // 2, _SMALLEST_PIECE)

        pieces: list[bytes] = []
        while at < end:
            pieces.append(self._retry.call(read_on, blob.name, on_failure=ask_for_less))
            at += len(pieces[-1])
        return pieces[0] if len(pieces) == 1 else b"".join(pieces)

    def create(self) -> None:
        """Create the container unless there is one."""
        from azure.core.exceptions import ResourceExistsError

        def create() -> None:
            with suppress(ResourceExistsError):
                self._client.create_container()

        self._retry.call(create, writes=True)

    def staged(self, name: str) -> dict[str, int]:
        """Return id and size of the blocks that an unfinished upload of a blob has left."""

        def staged() -> dict[str, int]:
            from azure.core.exceptions import ResourceNotFoundError

            try:
                _, uncommitted = self._blob_client(name).get_block_list("uncommitted")
            except ResourceNotFoundError as error:
                if code_of(error) == "ContainerNotFound":
                    raise
                return {}
            return {block.id: block.size for block in uncommitted}

        return self._retry.call(staged, name, writes=True)

    def stage(self, name: str, block: str, data: bytes) -> None:
        """Upload a block; the server compares its checksum."""
        client = self._blob_client(name)
        self._retry.call(lambda: client.stage_block(block, data, len(data), validate_content=True), name, writes=True)

    def commit(self, name: str, blocks: list[str], md5: bytes) -> None:
        """Make the blob out of its staged blocks, all at once."""
        from azure.storage.blob import BlobBlock, ContentSettings

        settings = ContentSettings(content_type="application/octet-stream", content_md5=bytearray(md5))
        client = self._blob_client(name)
        listed = [BlobBlock(block) for block in blocks]
        self._retry.call(lambda: client.commit_block_list(listed, content_settings=settings), name, writes=True)

    def _blob_client(self, name: str) -> Any:
        return self._client.get_blob_client(self.address.prefix + name)


def _is_folder(listed: Any) -> bool:
    """Return whether a listed name is a folder: a prefix of other names, or the empty blob that stands for a folder."""
    if listed.name.endswith("/"):
        return True
    # The blob service lists a key of metadata in the case in which its author wrote it.
    marks = {str(value).lower() for key, value in (listed.metadata or {}).items() if key.lower() in _FOLDER_MARKS}
    return listed.size == 0 and "true" in marks


def _blob(properties: Any, prefix: str) -> Blob:
    if properties.etag is None or properties.size is None:
        raise EOFError
    md5 = properties.content_settings.content_md5
    etag = '"{}"'.format(properties.etag.strip('"'))
    return Blob(properties.name.removeprefix(prefix), properties.size, etag, bytes(md5) if md5 else None)


def _open_client(address: BlobAddress, credential: Credential) -> Any:
    """Return the SDK's client of a container."""
    try:
        from azure.core.credentials import AzureNamedKeyCredential, AzureSasCredential
        from azure.core.pipeline.transport import RequestsTransport
        from azure.storage.blob import ContainerClient
    except ImportError:
        raise MissingDependencyError(NO_AZURE) from None
    value = credential.value
    if credential.kind == "key":
        value = AzureNamedKeyCredential(address.account, value)
    elif credential.kind == "sas":
        value = AzureSasCredential(value)
    _mask_urllib3_logs()
    transport = RequestsTransport(connection_timeout=CONNECT_TIMEOUT, read_timeout=SILENCE)
    transport.open()
    transport.session.hooks["response"].append(_keep_packed)
    return ContainerClient(
        address.account_url,
        address.container,
        credential=value,
        retry_total=0,  # `Retry` tries again, whatever the failure
        transport=transport,
    )


def _keep_packed(response: Any, **_: Any) -> None:
    """Let a range of a blob stay as it lies: where the blob has a Content-Encoding, it would be unpacked by itself."""
    if "x-ms-range" in response.request.headers:
        response.raw.headers.pop("Content-Encoding", None)


def _mask_urllib3_logs() -> None:
    """Mask the URLs of requests in urllib3's log lines: a SAS token is part of them."""
    for name in ("connection", "connectionpool", "poolmanager", "response", "util.retry"):
        log = logging.getLogger(f"urllib3.{name}")
        if _mask not in log.filters:
            log.addFilter(_mask)


def _mask(record: logging.LogRecord) -> bool:
    record.msg, record.args = mask_secrets(record.getMessage()), ()
    return True
