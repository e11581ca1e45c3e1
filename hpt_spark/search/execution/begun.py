"""The fits that have begun: workers on the driver's machine note them in a file, which the driver reads as it grows."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Collection, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from hpt_spark.search.evaluation import Fit

LINE = re.compile(rb"(\d+) (\d+) (\d+)")


@dataclass(frozen=True)
class FitWatcher:
    """The callables that are told of fits that begin and die."""

    began: Callable[[Fit], None]  # is given every fit that is seen to begin, which is so with a local master
    counted: Callable[[int], None]  # is given the number of running tasks from time to time, elsewhere
    # Is given the fits whose process is gone, which are tried again or have failed.
    died: Callable[[Collection[Fit]], None]


def note_begun(path: str, fits: Sequence[Fit]) -> None:
    """Add fits to the file; it is gone when nobody asks any longer, and no fit fails because its disk is full."""
    line = "".join(f"{fit.number} {fit.candidate} {fit.fold}\n" for fit in fits)
    with suppress(OSError):
        file = os.open(path, os.O_WRONLY | os.O_APPEND)  # each write goes to the end, whole
        try:
            os.write(file, line.encode())
        finally:
            os.close(file)


class BegunFits:
    """Tells of each fit that workers note.

    Parameters
    ----------
    path : Path
        The file, which is made.
    told : callable
        Is given each fit.
    """

    def __init__(self, path: Path, told: Callable[[Fit], None]) -> None:
        path.touch()
        self.path = str(path)
        self._told = told
        self._read = 0

    def tell(self) -> None:
        """Tell of the fits noted since the last call."""
        whole = newline = b""
        with suppress(OSError), open(self.path, "rb") as file:  # somebody may have cleared the disk
            file.seek(self._read)
            whole, newline, _ = file.read().rpartition(b"\n")
        self._read += len(whole) + len(newline)
        for line in whole.splitlines():
            if numbers := LINE.fullmatch(line):  # else a full disk has cut it
                self._told(Fit(*map(int, numbers.groups())))
