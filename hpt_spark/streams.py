"""Standard streams that cannot fail: what cannot be written is lost, and the work goes on.

A reader may have gone (``| head``), a disk may be full, a daemon may have closed them all. A job of
hours must not end for that, nor may a file or a connection that is opened later become its stderr.
"""

from __future__ import annotations

import contextlib
import errno
import io
import os
import select
import sys
from typing import Any

STREAMS = ("stdin", "stdout", "stderr")


class _Lossy(io.FileIO):
    """A file whose writing always succeeds; `lost` is why it has not.

    Python's own layers above keep what they could not write and fail again at each print and at the end of the
    process, so that here, below them, is the one place where all of it can be caught.
    """

    lost: OSError | None = None

    def write(self, data: Any) -> int:
        """Write all of `data`; count as written what cannot be."""
        rest = memoryview(data).cast("B")
        size = rest.nbytes
        try:
            while rest:
                written = super().write(rest)
                if written is None:  # somebody has made the terminal or the pipe non-blocking
                    select.select([], [self], [])
                rest = rest[written or 0 :]
        except OSError as error:
            self.lost = error
        return size


def make_streams_safe() -> None:
    """Open closed standard streams on /dev/null, and let no writing to them fail from now on.

    Streams that somebody has put in their place, a notebook or a test, stay.
    """
    for number in range(len(STREAMS)):
        with contextlib.suppress(OSError):
            os.fstat(number)
            continue
        opened = os.open(os.devnull, os.O_RDWR)
        if opened != number:
            os.dup2(opened, number)
            os.close(opened)
        os.set_inheritable(number, True)
    if sys.stdin is None:
        sys.stdin = open(os.devnull, encoding="utf-8")  # noqa: SIM115, it is the process's from now on
    for name in STREAMS[1:]:
        stream = getattr(sys, name)
        if stream is None or type(_raw(stream)) is io.FileIO:
            safe = _safe(stream)
            setattr(sys, name, safe)
            setattr(sys, f"__{name}__", safe)


def say_what_was_lost() -> None:
    """Say on stderr that stdout could not be written, unless its reader has gone, who knows."""
    with contextlib.suppress(OSError, ValueError):
        sys.stdout.flush()
    lost = getattr(_raw(sys.stdout), "lost", None)
    if lost is not None and lost.errno != errno.EPIPE:
        print(f"hpt-spark: stdout could not be written ({lost.strerror}); what it was to show is lost", file=sys.stderr)


def show(text: str) -> None:
    """Print the output of a fit; a failure to print ends no search."""
    if text and sys.stdout is not None:
        with contextlib.suppress(OSError, ValueError):  # ValueError: closed, or without a code for a letter
            print(text, end="")


def _safe(stream: Any) -> io.TextIOWrapper:
    """Return a stream to the same place as `stream`, to nowhere for None, that loses what cannot be written."""
    if stream is None:
        return io.TextIOWrapper(io.BufferedWriter(_Lossy(os.devnull, "w")), "utf-8", "backslashreplace")
    number = stream.fileno()
    try:
        stream.flush()
    except OSError:  # it would try to write its buffer again when it is collected
        place = os.dup(number)
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, number)
        stream.flush()
        os.dup2(place, number)
        os.close(place)
        os.close(nowhere)
    raw: Any = _Lossy(number, "w", closefd=False)
    return io.TextIOWrapper(
        raw if stream.write_through else io.BufferedWriter(raw),
        stream.encoding,
        "backslashreplace",  # a path may have letters that the terminal's encoding, or any, has no code for
        line_buffering=stream.line_buffering,
        write_through=stream.write_through,
    )


def _raw(stream: Any) -> Any:
    buffer = getattr(stream, "buffer", None)
    return getattr(buffer, "raw", buffer)
