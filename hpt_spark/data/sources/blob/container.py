"""A container as this package needs it: a few calls that try again, and explain what is refused.

The only module that talks to Azure's SDK. What the SDK raises never passes it, not even as the
cause of another error: its text may hold the URL of a request, and with it a SAS token.
"""

from __future__ import annotations

import logging
import random
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

from hpt_spark.config.secrets import mask_secrets
from hpt_spark.data.sources.blob.address import BlobAddress
from hpt_spark.data.sources.blob.credentials import Credential, find_credential
from hpt_spark.data.sources.blob.refusals import PASSING, code_of, status_of, translate_errors
from hpt_spark.errors import HptSparkError, InputError, MissingDependencyError

NO_AZURE = "Blob storage needs azure-storage-blob, which is not installed; run: pip install 'hpt-spark[azure]'."

PATIENCE = 120.0  # seconds without any progress after which a call gives up
FIRST_PATIENCE = 10.0  # the same until the server has answered once: the address may be wrong
CONNECT_TIMEOUT, SILENCE = 20.0, 20.0  # seconds
_FIRST_PAUSE, _LONGEST_PAUSE = 0.5, 20.0
_SMALLEST_PIECE = 64 * 1024
_FOLDER_MARKS = ("hdi_isfolder", "asv_isfolder")  # written by ADLS Gen2 and Hadoop; by Hadoop's first releases

T = TypeVar("T")
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Blob:
    """A version of a blob.

    Parameters
    ----------
    name : str
        Without the folder.
    size : int
        In bytes.
    etag : str
        Another version has another one.
    md5 : bytes or None
        Of the content, if the one who uploaded it has said so.
    """

    name: str
    size: int
    etag: str
    md5: bytes | None


class BlobChangedError(Exception):
    """The blob is not the version any more that was asked for."""


class StoppedError(Exception):
    """The work was given up because other work, on which it depends, has failed."""


class Container:
    """A folder of a container, and the way into it.

    Parameters
    ----------
    address : BlobAddress
    named_credential : str, optional
        What ``source.credential`` says.
    """

    def __init__(self, address: BlobAddress, named_credential: str | None = None) -> None:
        self.address = address
        self._stopping = threading.Event()
        self._has_answered = False
        self._credential = find_credential(address, named_credential)
        self._client = _client(address, self._credential)

    def stop(self) -> None:
        """Let all calls that are under way in other threads, or still come, raise StoppedError."""
        self._stopping.set()

    def blobs(self, to_write: bool = False) -> list[Blob]:
        """Return the files directly in the folder; `to_write` says for what, if it is refused."""
        prefix = self.address.prefix

        def walk() -> list[Blob]:
            try:
                found = list(self._client.walk_blobs(name_starts_with=prefix, include=["metadata"], delimiter="/"))
            except AttributeError:  # so the SDK ends when an answer was cut before its body
                raise EOFError from None
            return [_blob(one, prefix) for one in found if not _is_folder(one)]

        return self._patiently(walk, writes=to_write)

    def look_up(self, name: str) -> Blob:
        """Return the present version of a blob."""
        client = self._blob_client(name)
        return self._patiently(lambda: _blob(client.get_blob_properties(), self.address.prefix), name)

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
            pieces.append(self._patiently(read_on, blob.name, on_failure=ask_for_less))
            at += len(pieces[-1])
        return pieces[0] if len(pieces) == 1 else b"".join(pieces)

    def create(self) -> bool:
        """Create the container unless there is one; return whether it was created."""

        def create() -> bool:
            from azure.core.exceptions import ResourceExistsError

            try:
                self._client.create_container()
            except ResourceExistsError:
                return False
            return True

        return self._patiently(create, writes=True)

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

        return self._patiently(staged, name, writes=True)

    def stage(self, name: str, block: str, data: bytes) -> None:
        """Upload a block; the server compares its checksum."""
        client = self._blob_client(name)
        self._patiently(lambda: client.stage_block(block, data, len(data), validate_content=True), name, writes=True)

    def commit(self, name: str, blocks: list[str], md5: bytes) -> None:
        """Make the blob out of its staged blocks, all at once."""
        from azure.storage.blob import BlobBlock, ContentSettings

        settings = ContentSettings(content_type="application/octet-stream", content_md5=bytearray(md5))
        client = self._blob_client(name)
        listed = [BlobBlock(block) for block in blocks]
        self._patiently(lambda: client.commit_block_list(listed, content_settings=settings), name, writes=True)

    def _blob_client(self, name: str) -> Any:
        return self._client.get_blob_client(self.address.prefix + name)

    def _patiently(
        self, call: Callable[[], T], name: str = "", writes: bool = False, on_failure: Callable[[], None] = lambda: None
    ) -> T:
        """Return what `call` returns; repeat it while it fails in a way that may pass."""
        start, pause = time.monotonic(), _FIRST_PAUSE
        while True:
            if self._stopping.is_set():
                raise StoppedError
            result = self._attempt(call, name, writes)
            if not isinstance(result, _Failure):
                return result
            patience = PATIENCE if self._has_answered else FIRST_PATIENCE
            if result.final or time.monotonic() + pause > start + patience:
                raise result.error  # here, not where the SDK's error was caught, which would be its context
            _log.info("%s: %s; next attempt in %.1f s", self.address.location_of(name), result.reason, pause)
            self._stopping.wait(max(result.server_wants, pause * random.uniform(0.8, 1.2)))
            pause = min(2 * pause, _LONGEST_PAUSE)
            on_failure()

    def _attempt(self, call: Callable[[], T], name: str, writes: bool) -> T | _Failure:
        from azure.core.exceptions import AzureError

        try:
            result = call()
        except (AzureError, OSError, EOFError, ValueError) as error:
            # The last two come of an answer that was cut in its head, or is not that of a blob server.
            return self._failure(error, name, writes)
        self._has_answered = True
        return result

    def _failure(self, error: Exception, name: str, writes: bool) -> _Failure:
        status = status_of(error)
        self._has_answered |= status is not None
        if status == 412:
            return _Failure(BlobChangedError(name), final=True)
        told = translate_errors(error, self.address, self._credential, name, writes)
        damaged_on_the_way = code_of(error) == "Md5Mismatch"
        reason = f"the server answered {status}" if status else "the connection broke"
        final = isinstance(told, InputError) or not (status in PASSING or damaged_on_the_way)
        return _Failure(told, final, reason, _seconds_to_wait(error))


@dataclass(frozen=True)
class _Failure:
    error: HptSparkError | BlobChangedError
    final: bool
    reason: str = ""
    server_wants: float = 0.0


def _client(address: BlobAddress, credential: Credential) -> Any:
    try:
        from azure.core.credentials import AzureNamedKeyCredential, AzureSasCredential
        from azure.storage.blob import ContainerClient
    except ImportError:
        raise MissingDependencyError(NO_AZURE) from None
    value = credential.value
    if credential.kind == "key":
        value = AzureNamedKeyCredential(address.account, value)
    elif credential.kind == "sas":
        value = AzureSasCredential(value)
    _keep_secrets_out_of_the_log()
    return ContainerClient(
        address.account_url,
        address.container,
        credential=value,
        retry_total=0,  # trying again is done here, once for all kinds of failure
        connection_timeout=CONNECT_TIMEOUT,
        read_timeout=SILENCE,
    )


def _keep_secrets_out_of_the_log() -> None:
    """Mask what urllib3 logs at DEBUG and in warnings: the URL of a request, of which a SAS token is a part."""
    for name in ("connection", "connectionpool", "poolmanager", "response", "util.retry"):
        log = logging.getLogger(f"urllib3.{name}")
        if _mask not in log.filters:
            log.addFilter(_mask)


def _mask(record: logging.LogRecord) -> bool:
    record.msg, record.args = mask_secrets(record.getMessage()), ()
    return True


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


def _seconds_to_wait(error: Exception) -> float:
    headers = getattr(getattr(error, "response", None), "headers", None) or {}
    asked = str(headers.get("Retry-After", ""))
    return min(float(asked), _LONGEST_PAUSE) if asked.isdigit() else 0.0
