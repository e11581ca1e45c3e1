"""DEFLATE by ISA-L, in a third of the time, where the extra ``hpt-spark[fast]`` is installed; else by zlib."""

from __future__ import annotations

import errno
import gzip
import io
import struct
import zipfile
import zlib
from types import ModuleType
from typing import IO, Any

_gzip: ModuleType = gzip
_zlib: ModuleType = zlib
try:
    from isal import igzip, isal_zlib
except ImportError:
    pass
else:  # with the standard library's names
    _gzip, _zlib = igzip, isal_zlib

# The last three come from nonsense in a zip's table of contents.
_OF_DAMAGE = (
    *(zipfile.BadZipFile, gzip.BadGzipFile, zlib.error, _zlib.error, EOFError),
    *(ValueError, struct.error, NotImplementedError),
)


def crc32(data: bytes, before: int) -> int:
    """Return the checksum of a text, given that of the text before `data`."""
    checksum: int = _zlib.crc32(data, before)
    return checksum


def open_gzip(packed: io.RawIOBase) -> IO[bytes]:
    """Return the text of a gzip file."""
    text: IO[bytes] = _gzip.open(packed, "rb")
    return text


def deflate_reader() -> Any:
    """Return a decompressor of bare DEFLATE data, as they lie in a zip; its methods are those of ``zlib``."""
    return _zlib.decompressobj(-zlib.MAX_WBITS)


def is_damage(error: Exception) -> bool:
    """Return whether `error`, raised while a packed file was read, comes from its bytes and not from the disk."""
    # In a zip that has lost bytes, a member may seem to begin before the file does: a disk refuses to seek there.
    return isinstance(error, _OF_DAMAGE) or (isinstance(error, OSError) and error.errno == errno.EINVAL)
