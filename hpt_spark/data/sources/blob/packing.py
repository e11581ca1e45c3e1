"""The check of a packed file against its own checksum."""

from __future__ import annotations

import gzip
import zipfile
from collections.abc import Callable, Iterable
from pathlib import Path

from hpt_spark.data.csv.inflate import is_damage

_BYTES_AT_A_TIME = 4 * 1024 * 1024


class DamagedError(Exception):
    """The downloaded bytes do not fit the server's checksum, or the file's own."""


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
