"""The CSV text in a packed file, as a stream that is never whole in memory or on disk."""

from __future__ import annotations

import copy
import io
import logging
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import IO, Any, BinaryIO

from hpt_spark.data.csv import inflate
from hpt_spark.data.sources.base import SourceFile
from hpt_spark.errors import InputError

_ENCRYPTED = 0x1  # a bit in the flags of a zip's member
_PACKED_SIZE = 1 << 18  # bytes that are inflated at a time

_log = logging.getLogger(__name__)


class CsvStream:
    """The CSV text of a file, to be read once from start to end.

    Parameters
    ----------
    file : SourceFile
        The file, for messages.
    read : callable
        Returns the next so many unpacked bytes.
    check : callable
        Is given the checksum of the whole text at its end, and raises if it is not the right one.

    Attributes
    ----------
    crc32 : int
        Checksum of the text read so far; at the end it is the text's, however it was packed.
    """

    def __init__(
        self, file: SourceFile, read: Callable[[int], bytes], check: Callable[[int], None] = lambda crc32: None
    ) -> None:
        self.crc32 = 0
        self._file = file
        self._read = read
        self._check = check

    def read(self, size: int) -> bytes:
        """Return the next `size` bytes: fewer only at the end, none behind it."""
        with _translate_damage(self._file):
            data = self._read(size)
            self.crc32 = inflate.crc32(data, self.crc32)
            if len(data) < size:
                self._check(self.crc32)
        return data


@contextmanager
def unpack(file: SourceFile, on_read: Callable[[int], None] = lambda size: None) -> Iterator[CsvStream]:
    """Open the CSV text in `file`.

    Parameters
    ----------
    file : SourceFile
        Its name ends with ``.csv.zip`` (with exactly one member), ``.csv.gz`` or ``.csv``.
    on_read : callable
        Is told how many bytes of the packed file each read has taken.

    Raises
    ------
    InputError
        If the file is empty, is not what its name says, is encrypted or damaged; damage behind the
        start shows while the stream is read.
    """
    if file.size == 0:
        raise InputError(f"{file.location} is empty (0 bytes): copy it again from where it came from")
    try:
        packed = file.open()
    except OSError as error:
        raise InputError(f"{file.location} cannot be opened: {error.strerror or error}") from error
    with packed:
        yield _stream(file, _Tallied(packed, on_read))


def _stream(file: SourceFile, packed: _Tallied) -> CsvStream:
    if file.name.endswith(".zip"):
        member = _only_member(file, packed)
        return CsvStream(file, member.read, member.check)
    if file.name.endswith(".gz"):
        return CsvStream(file, inflate.open_gzip(packed).read)
    return CsvStream(file, packed.read)


def _only_member(file: SourceFile, packed: _Tallied) -> _Inflated:
    archive = _open_zip(file, packed)
    members = [member for member in archive.infolist() if not member.filename.startswith("__MACOSX/")]
    if len(members) < len(archive.infolist()):
        _log.info("%s: its __MACOSX/ members are ignored", file.location)
    names = ", ".join(member.filename for member in members[:5]) + (", ..." if len(members) > 5 else "")
    if not members:
        raise InputError(f"{file.location} is a zip without a file in it: it must hold one CSV file")
    if len(members) > 1:
        raise InputError(f"{file.location} holds {len(members)} files ({names}): it must hold one CSV file only")
    (member,) = members
    if "/" in member.filename or "\\" in member.filename or member.filename in (".", ".."):
        raise InputError(f"{file.location} holds a file with a path ({names}): zip the CSV file without its folder")
    if member.flag_bits & _ENCRYPTED:
        raise InputError(f"{file.location} is encrypted: zip {names} again without a password")
    if member.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        raise InputError(f"{file.location} is packed in an unusual way: zip {names} again with the usual 'deflate'")
    with _translate_damage(file):
        return _Inflated(archive, member)


def _open_zip(file: SourceFile, packed: _Tallied) -> zipfile.ZipFile:
    signature = packed.read(4)
    if signature not in (b"PK\3\4", b"PK\5\6"):  # a member, or the end of a zip without any
        raise InputError(f"{file.location} is not a zip file, though its name says so: zip it, or correct the name")
    with _translate_damage(file, "cut short or damaged"):
        return zipfile.ZipFile(packed)


@contextmanager
def _translate_damage(file: SourceFile, how: str = "damaged") -> Iterator[None]:
    try:
        yield
    except Exception as error:
        if not inflate.is_damage(error):
            raise
        raise InputError(f"{file.location} is {how} ({error}): copy it again from where it came from") from error


class _Inflated:
    """The text of a zip's member.

    zipfile finds the member and hands out its packed bytes; they are inflated here, as zipfile knows no ISA-L.
    """

    def __init__(self, archive: zipfile.ZipFile, member: zipfile.ZipInfo) -> None:
        as_stored = copy.copy(member)
        as_stored.compress_type, as_stored.file_size = zipfile.ZIP_STORED, member.compress_size
        del as_stored.CRC  # it is the text's, not that of the packed bytes
        self._packed: IO[bytes] = archive.open(as_stored)
        self._is_packed = member.compress_type != zipfile.ZIP_STORED
        self._inflater = inflate.deflate_reader()
        self._member = member

    def read(self, size: int) -> bytes:
        """Return the next `size` bytes: fewer only at the end, none behind it."""
        return self._inflated(size) if self._is_packed else self._packed.read(size)

    def check(self, crc32: int) -> None:
        """Raise BadZipFile if `crc32` is not the text's checksum that the zip tells."""
        if crc32 != self._member.CRC:
            raise zipfile.BadZipFile(f"Bad CRC-32 for file {self._member.filename!r}")

    def _inflated(self, size: int) -> bytes:
        texts: list[bytes] = []
        while size and not self._inflater.eof:
            packed = self._inflater.unconsumed_tail or self._packed.read(_PACKED_SIZE)
            text = self._inflater.decompress(packed, size)
            if not packed and not text and not self._inflater.eof:
                raise EOFError(f"{self._member.filename!r} ends early")
            texts.append(text)
            size -= len(text)
        return b"".join(texts)


class _Tallied(io.RawIOBase):
    """A stream that reports how much was read from it."""

    def __init__(self, stream: BinaryIO, on_read: Callable[[int], None]) -> None:
        self._stream = stream
        self._on_read = on_read

    def readinto(self, buffer: Any) -> int:
        data = self._stream.read(len(buffer))
        buffer[: len(data)] = data
        self._on_read(len(data))
        return len(data)

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._stream.tell()

    def seek(self, *where: Any) -> int:
        return self._stream.seek(*where)
