"""The errors that a damaged packed file raises."""

from __future__ import annotations

import errno
import gzip
import struct
import zipfile
import zlib

from hpt_spark.data.csv import inflate

# The last three come from nonsense in a zip's table of contents.
_ERRORS = (
    zipfile.BadZipFile,
    gzip.BadGzipFile,
    zlib.error,
    inflate.Error,
    EOFError,
    ValueError,
    struct.error,
    NotImplementedError,
)


def is_damage(error: Exception) -> bool:
    """Return whether `error`, raised while a packed file was read, comes from its bytes and not from the disk."""
    # In a zip that has lost bytes, a member may seem to begin before the file does: a disk refuses to seek there.
    return isinstance(error, _ERRORS) or (isinstance(error, OSError) and error.errno == errno.EINVAL)
