"""Blobs become files: several at once, in ranges, verified, and whole or not there at all.

A blob NAME is written to ``.downloading.NAME`` with the account ``.NAME.ranges`` beside it. It
takes its name when all its bytes are there and have been checked; the account stays, so that a
later run sees what it need not fetch again.
"""

from __future__ import annotations

import gzip
import hashlib
import logging
import os
import threading
import zipfile
import zlib
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Executor, ThreadPoolExecutor, as_completed
from pathlib import Path

from hpt_spark.data.csv.overlap import bounded_map
from hpt_spark.data.sources.blob.claim import claimed
from hpt_spark.data.sources.blob.container import Blob, BlobChangedError, Container
from hpt_spark.data.sources.blob.ledger import Ledger
from hpt_spark.errors import InputError, TransferError
from hpt_spark.progress import Progress

RANGE_SIZE = 4 * 1024 * 1024
BLOBS_AT_ONCE = 4
CONNECTIONS = 8  # of all blobs together
_RANGES_AHEAD = 4  # of one blob; they and the ranges that are hashed are all that is in memory

_MOST_CHANGES = 5
_MOST_DAMAGED = 2

_log = logging.getLogger(__name__)


class DamagedError(Exception):
    """What has arrived is not what the server, or the file's own checksum, says it should be."""


def download(container: Container, blobs: Sequence[Blob], folder: Path) -> list[Blob]:
    """Bring blobs into a folder and return, in order, the versions that are there now.

    What an earlier run has brought whole is not fetched again, what it has begun is gone on with.

    Parameters
    ----------
    container : Container
    blobs : sequence of Blob
    folder : Path
        It is created if it is missing.

    Raises
    ------
    InputError
        If a blob is refused, is damaged where it lies, or the disk cannot take it.
    TransferError
        If the server cannot be reached, or a blob does not stop changing.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with claimed(folder):
            return _download_all(container, blobs, folder)
    except OSError as error:
        raise InputError(
            f"cannot write {error.filename or folder} ({error.strerror or error}): free some space, or name another "
            "folder in source.downloads; what has been transferred is kept"
        ) from error


def _download_all(container: Container, blobs: Sequence[Blob], folder: Path) -> list[Blob]:
    total = sum(blob.size for blob in blobs)
    with ThreadPoolExecutor(CONNECTIONS) as connections, ThreadPoolExecutor(BLOBS_AT_ONCE) as several:
        files = [_BlobFile(container, blob, folder) for blob in blobs]
        missing = [file for file, is_whole in zip(files, several.map(_BlobFile.is_whole, files)) if not is_whole]
        if not missing:
            _log.info("%s: %d blobs are already in %s", container.address, len(blobs), folder)
            return [file.blob for file in files]
        there = total - sum(file.blob.size - file.present for file in missing)
        with Progress("download", total, "B", done=there) as progress:
            tally = _Tally(progress)
            # The largest first, so that it is not alone at the end.
            ordered = sorted(missing, key=lambda file: -file.blob.size)
            running = [several.submit(file.bring, connections, tally) for file in ordered]
            try:
                for future in as_completed(running):
                    future.result()
            except BaseException:
                container.stop()
                raise
    return [file.blob for file in files]


class _Tally:
    """Progress, told by several threads."""

    def __init__(self, progress: Progress) -> None:
        self._progress = progress
        self._lock = threading.Lock()

    def advance(self, size: int, name: str) -> None:
        with self._lock:
            self._progress.advance(size, note=name)


class _BlobFile:
    """One blob on its way to the disk."""

    def __init__(self, container: Container, blob: Blob, folder: Path) -> None:
        self.blob = blob
        self._container = container
        self._path = folder / blob.name
        self._unfinished = folder / f".downloading.{blob.name}"
        self._account = folder / f".{blob.name}.ranges"
        self._turn_to(blob)

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

    def bring(self, connections: Executor, tally: _Tally) -> None:
        """Fetch what is missing, check the whole, give it its name."""
        changes = damaged = 0
        while True:
            try:
                self._fetch(connections, tally)
                return
            except BlobChangedError:
                changes += 1
                if changes == _MOST_CHANGES:
                    raise TransferError(
                        f"{self._place} was changed {changes} times while it was downloaded: wait until it is whole"
                    ) from None
                _log.warning("%s was changed while it was downloaded: starting again", self._place)
                self._start_again(tally)
                self._turn_to(self._container.look_up(self.blob.name))
            except DamagedError as damage:
                damaged += 1
                if damaged == _MOST_DAMAGED:
                    raise InputError(
                        f"{self._place} is damaged, also when it is downloaded again ({damage}): upload it again from "
                        "where it came from"
                    ) from None
                _log.warning("%s arrived damaged (%s): starting again", self._place, damage)
                self._start_again(tally)

    def _turn_to(self, blob: Blob) -> None:
        self.blob = blob
        self._place = self._container.address.location_of(blob.name)
        self._indices = range(-(-blob.size // RANGE_SIZE))
        self._ledger = Ledger(self._account, {"etag": blob.etag, "size": blob.size, "range_size": RANGE_SIZE})

    def _start_again(self, tally: _Tally) -> None:
        tally.advance(-self.present, self.blob.name)
        self._unfinished.unlink(missing_ok=True)
        self._ledger.forget()

    def _fetch(self, connections: Executor, tally: _Tally) -> None:
        if not self._unfinished.exists():
            self._ledger.forget()  # it was the account of a file that is whole, of this or another version
        self._ledger.start()
        handle = os.open(self._unfinished, os.O_RDWR | os.O_CREAT, 0o666)
        try:
            self._fetch_ranges(handle, connections, tally)
            os.fsync(handle)
        finally:
            os.close(handle)
        os.replace(self._unfinished, self._path)

    def _fetch_ranges(self, handle: int, connections: Executor, tally: _Tally) -> None:
        digest = hashlib.md5(usedforsecurity=False)
        os.truncate(handle, self.blob.size)

        def fetch(index: int) -> bytes:
            return self._range(handle, index, tally)

        for data in bounded_map(connections, fetch, self._indices, _RANGES_AHEAD):
            digest.update(data)
        self._check(digest.digest())

    def _range(self, handle: int, index: int, tally: _Tally) -> bytes:
        """Return a range, from the disk if it is there, else from the server and put on the disk."""
        size = self._size_of(index)
        data = self._on_disk(handle, index)
        if data is None:
            if index in self._ledger.checksums:  # it was counted, but is not what it was
                tally.advance(-size, self.blob.name)
            data = self._container.read(self.blob, index * RANGE_SIZE, size)
            _write_at(handle, data, index * RANGE_SIZE)
            self._ledger.note(index, zlib.crc32(data))
            tally.advance(size, self.blob.name)
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
            # What arrived is what was uploaded: to download it again would bring the same.
            raise InputError(
                f"{self._place} is damaged where it lies ({damage}): upload it again from where it came from"
            ) from None


def check_packing(path: Path) -> None:
    """Raise DamagedError if a zip or gz file is not what its own checksum says.

    Nothing else is checked: a file that is not a zip at all, or has a password, is for the one who unpacks it.
    """
    try:
        if path.name.endswith(".zip") and _starts_as_zip(path):
            with zipfile.ZipFile(path) as archive:
                _read_through(archive.open(member).read for member in archive.infolist() if not member.flag_bits & 1)
        elif path.name.endswith(".gz"):
            with gzip.open(path) as stream:
                _read_through([stream.read])
    except (zipfile.BadZipFile, zlib.error, EOFError, gzip.BadGzipFile) as error:
        raise DamagedError(str(error)) from error
    except NotImplementedError:
        return  # an unusual way of packing


def _starts_as_zip(path: Path) -> bool:
    with path.open("rb") as file:
        return file.read(2) == b"PK"


def _read_through(streams: Iterable[Callable[[int], bytes]]) -> None:
    for read in streams:
        while read(RANGE_SIZE):
            pass


def _write_at(handle: int, data: bytes, position: int) -> None:
    view = memoryview(data)
    while view:
        written = os.pwrite(handle, view, position)
        view, position = view[written:], position + written
