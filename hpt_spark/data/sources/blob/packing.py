"""The check of a packed file against its own checksum."""

from __future__ import annotations

import gzip
import zipfile
import zlib
from collections.abc import Callable, Iterable
from pathlib import Path

_BYTES_AT_A_TIME = 4 * 1024 * 1024


class DamagedError(Exception):
    """The downloaded bytes do not fit the server's checksum, or the file's own."""


def check_packing(path: Path) -> None:
    """Raise DamagedError if a zip or gz file does not fit its own checksum.

    Nothing else is checked: `ingest` refuses a file that is no zip at all, or has a password.
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
        while read(_BYTES_AT_A_TIME):
            pass
