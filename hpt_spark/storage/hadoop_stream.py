"""A file of a Hadoop file system as a seekable stream."""

from __future__ import annotations

import io
import os
import threading
from pathlib import Path
from typing import Any

from hpt_spark.errors import HptSparkError
from hpt_spark.masking import without_secrets
from hpt_spark.storage.hadoop_files import HadoopFiles
from hpt_spark.storage.scratch import scratch_folder


class HadoopStream(io.RawIOBase):
    """A file of `size` bytes, read from any position on; neither memory nor disk ever holds more than a pipe does.

    The JVM copies the file into a named pipe, which is more than ten times as fast as asking it for
    blocks of bytes. After a jump another pipe starts there.
    """

    def __init__(self, files: HadoopFiles, path: str, size: int) -> None:
        self._files = files
        self._path = path
        self._size = size
        self._at = 0
        self._pipe: _Pipe | None = None

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._at

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        """Go to a position; bytes are fetched when they are read."""
        start = {os.SEEK_SET: 0, os.SEEK_CUR: self._at, os.SEEK_END: self._size}[whence]
        self._at = max(0, start + offset)
        return self._at

    def read(self, size: int = -1) -> bytes:
        """Return the next `size` bytes, or all: fewer only at the end."""
        wanted = self._size - self._at if size < 0 else min(size, self._size - self._at)
        if wanted <= 0:
            return b""
        if self._pipe is None or self._pipe.at != self._at:
            self._close_pipe()
            self._pipe = _Pipe(self._files, self._path, self._at)
        data = self._pipe.read(wanted)
        self._at += len(data)
        if len(data) < wanted:
            where = f"{without_secrets(self._path)} ended at byte {self._at:,} of {self._size:,}"
            raise HptSparkError(f"{where}; it was replaced meanwhile: start again")
        return data

    def readinto(self, buffer: Any) -> int:
        data = self.read(len(buffer))
        buffer[: len(data)] = data
        return len(data)

    def close(self) -> None:
        """Let the JVM end."""
        self._close_pipe()
        super().close()

    def _close_pipe(self) -> None:
        if self._pipe is not None:
            self._pipe.close()
            self._pipe = None


class _Pipe:
    """A named pipe through which the JVM sends a file, from a position on."""

    def __init__(self, files: HadoopFiles, path: str, offset: int) -> None:
        self.at = offset
        self._error: Exception | None = None
        self._has_writer = threading.Event()
        with scratch_folder() as folder:  # in which nobody else can write
            pipe = folder / "pipe"
            os.mkfifo(pipe, 0o600)
            # Without waiting for a writer, or a file that cannot be opened would be waited for.
            reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
            os.set_blocking(reader, True)
            self._pipe = os.fdopen(reader, "rb", buffering=0)
            self._thread = threading.Thread(target=self._fill, args=(files, path, pipe), daemon=True)
            self._thread.start()
            self._has_writer.wait()

    def read(self, size: int) -> bytes:
        """Return `size` bytes: fewer only at the end."""
        pieces = []
        while size and (piece := self._pipe.read(size)):
            pieces.append(piece)
            size -= len(piece)
            self.at += len(piece)
        if size:
            self._thread.join()
            if self._error is not None:
                raise self._error
        return b"".join(pieces)

    def close(self) -> None:
        """Close the pipe: the JVM cannot write the rest, and its thread ends."""
        self._pipe.close()
        self._thread.join()

    def _fill(self, files: HadoopFiles, path: str, pipe: Path) -> None:
        try:
            files.copy_to_pipe(path, self.at, pipe, self._has_writer.set)
        except Exception as error:  # raised by the next `read`
            self._error = error
        finally:
            self._has_writer.set()
