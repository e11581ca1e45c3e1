"""The download of a blob into a file: in ranges, verified, complete or absent.

A blob NAME is written to ``.downloading.NAME`` with the account ``.NAME.ranges`` beside it. It
takes its name when all its bytes are there and have been checked; the account stays, so that a
later run sees what it need not fetch again.
"""

from __future__ import annotations

import gzip
import hashlib
import logging
import os
import zipfile
import zlib
from collections.abc import Callable, Iterable
from concurrent.futures import Executor
from pathlib import Path

from hpt_spark.data.csv.inflate import is_damage
from hpt_spark.data.csv.overlap import bounded_map
from hpt_spark.data.sources.blob.container import Blob, Container
from hpt_spark.data.sources.blob.ledger import Ledger
from hpt_spark.data.sources.blob.retry import BlobChangedError
from hpt_spark.errors import InputError, TransferError
from hpt_spark.progress import Progress

RANGE_SIZE = 4 * 1024 * 1024
_RANGES_AHEAD = 4  # of one blob; they and the ranges that are hashed are all that is in memory

_MOST_CHANGES = 5
_MOST_DAMAGED = 2
_BYTES_AT_A_TIME = 4 * 1024 * 1024

_log = logging.getLogger(__name__)


class DamagedError(Exception):
    """The downloaded bytes do not fit the server's checksum, or the file's own."""


class BlobFile:
    """One blob on its way to the disk."""

    def __init__(self, container: Container, blob: Blob, folder: Path) -> None:
        self.blob = blob
        self._container = container
        self._path = folder / blob.name
        self._unfinished = folder / f".downloading.{blob.name}"
        self._account = folder / f".{blob.name}.ranges"
        self._set_version(blob)

    @property
    def present(self) -> int:
        """How many bytes of the blob, to all appearances, are on the disk."""
        return sum(self._size_of(index) for index in self._ledger.checksums) if self._unfinished.exists() else 0

    def is_whole(self) -> bool:
        """Return whether the file is there and is this version, as its checksums say."""
        if self._unfinished.exists() or not self._path.is_file() or self._path.stat().st_size != self.blob.size:
            return False
        with self._path.open("rb") as file:
            return all(self._on_disk(file.fileno(), index) is not None for index in self._indices)

    def download(self, connections: Executor, progress: Progress) -> None:
        """Fetch the missing ranges, check the whole, give it its name."""
        changes = damaged = 0
        while True:
            try:
                self._fetch(connections, progress)
                return
            except BlobChangedError:
                changes += 1
                if changes == _MOST_CHANGES:
                    raise TransferError(
                        f"{self._place} was changed {changes} times while it was downloaded: wait until it is whole"
                    ) from None
                _log.warning("%s was changed while it was downloaded: starting again", self._place)
                self._restart(progress)
                self._set_version(self._container.look_up(self.blob.name))
            except DamagedError as damage:
                damaged += 1
                if damaged == _MOST_DAMAGED:
                    raise InputError(
                        f"{self._place} is damaged, also when it is downloaded again ({damage}): upload it again from "
                        "where it came from"
                    ) from None
                _log.warning("%s arrived damaged (%s): starting again", self._place, damage)
                self._restart(progress)

    def _set_version(self, blob: Blob) -> None:
        self.blob = blob
        self._place = self._container.address.location_of(blob.name)
        self._indices = range(-(-blob.size // RANGE_SIZE))
        self._ledger = Ledger(self._account, {"etag": blob.etag, "size": blob.size, "range_size": RANGE_SIZE})

    def _restart(self, progress: Progress) -> None:
        progress.advance(-self.present, self.blob.name)
        self._unfinished.unlink(missing_ok=True)
        self._ledger.forget()

    def _fetch(self, connections: Executor, progress: Progress) -> None:
        if not self._unfinished.exists():
            self._ledger.forget()  # it was the account of a file that is whole, of this or another version
        self._ledger.start()
        handle = os.open(self._unfinished, os.O_RDWR | os.O_CREAT, 0o666)
        try:
            self._fetch_ranges(handle, connections, progress)
            os.fsync(handle)
        finally:
            os.close(handle)
        os.replace(self._unfinished, self._path)

    def _fetch_ranges(self, handle: int, connections: Executor, progress: Progress) -> None:
        digest = hashlib.md5(usedforsecurity=False)
        os.truncate(handle, self.blob.size)

        def fetch(index: int) -> bytes:
            return self._range(handle, index, progress)

        for data in bounded_map(connections, fetch, self._indices, _RANGES_AHEAD):
            digest.update(data)
        self._check(digest.digest())

    def _range(self, handle: int, index: int, progress: Progress) -> bytes:
        """Return a range, from the disk if it is there, else from the server and put on the disk."""
        size = self._size_of(index)
        data = self._on_disk(handle, index)
        if data is None:
            if index in self._ledger.checksums:  # it was counted, but has changed
                progress.advance(-size, self.blob.name)
            data = self._container.read(self.blob, index * RANGE_SIZE, size)
            _write_at(handle, data, index * RANGE_SIZE)
            self._ledger.note(index, zlib.crc32(data))
            progress.advance(size, self.blob.name)
        return data

    def _on_disk(self, handle: int, index: int) -> bytes | None:
        if index not in self._ledger.checksums:
            return None
        data = os.pread(handle, self._size_of(index), index * RANGE_SIZE)
        return data if zlib.crc32(data) == self._ledger.checksums[index] else None

    def _size_of(self, index: int) -> int:
        return min(RANGE_SIZE, self.blob.size - index * RANGE_SIZE)

    def _check(self, md5: bytes) -> None:
        if self.blob.md5 not in (None, md5):
            raise DamagedError(f"its MD5 is {md5.hex()}, where the server says {self.blob.md5.hex()}")
        try:
            check_packing(self._unfinished)
        except DamagedError as damage:
            if self.blob.md5 is None:
                raise
            # The server's checksum fits: another download would bring the same bytes.
            raise InputError(
                f"{self._place} is damaged where it lies ({damage}): upload it again from where it came from"
            ) from None


def _write_at(handle: int, data: bytes, position: int) -> None:
    view = memoryview(data)
    while view:
        written = os.pwrite(handle, view, position)
        view, position = view[written:], position + written


def check_packing(path: Path) -> None:
    """Raise DamagedError if a zip or gz file does not fit its own checksum.

    Nothing else is checked: `ingest` refuses a file that is no zip, has a password or is packed in an unusual way.
    """
    try:
        if path.name.endswith(".zip") and _starts_as_zip(path):
            with zipfile.ZipFile(path) as archive:
                _read_through(archive.open(member).read for member in archive.infolist() if _is_usual(member))
        elif path.name.endswith(".gz"):
            with gzip.open(path) as stream:
                _read_through([stream.read])
    except NotImplementedError:
        return  # of a later release of the format
    except Exception as error:
        if not is_damage(error):
            raise
        raise DamagedError(str(error)) from error


def _is_usual(member: zipfile.ZipInfo) -> bool:
    """Return whether a member is packed in the usual way and without a password."""
    return not member.flag_bits & 1 and member.compress_type in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)


def _starts_as_zip(path: Path) -> bool:
    with path.open("rb") as file:
        return file.read(2) == b"PK"


def _read_through(streams: Iterable[Callable[[int], bytes]]) -> None:
    for read in streams:
        while read(_BYTES_AT_A_TIME):
            pass
