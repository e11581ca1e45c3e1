"""The ranges of a blob on this disk, from which an interrupted download goes on."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any


class Ledger:
    """The written ranges of a file, each with its checksum.

    It lies beside the file and gets a line when a range has been written, so that a process can be killed
    at any moment: a range without a line, or with another checksum on the disk, is fetched again.

    Parameters
    ----------
    path : Path
        Where the account is kept.
    version : dict
        Of what the ranges are; the account of another version counts for nothing.
    """

    def __init__(self, path: Path, version: dict[str, Any]) -> None:
        self._path = path
        self._heading = json.dumps(version)
        self.checksums = self._read()

    def start(self) -> None:
        """Go on with the account, or begin a new one if there is none of this version."""
        if not self.checksums:
            self._path.write_text(f"{self._heading}\n", encoding="utf-8")

    def note(self, index: int, checksum: int) -> None:
        """Write down that the range `index` lies on the disk. Threads may do so at the same time."""
        handle = os.open(self._path, os.O_WRONLY | os.O_APPEND)
        try:
            os.write(handle, f"\n{index} {checksum}\n".encode())
        finally:
            os.close(handle)
        self.checksums[index] = checksum

    def forget(self) -> None:
        """Begin anew, with nothing."""
        self.checksums = {}
        self._path.unlink(missing_ok=True)

    def _read(self) -> dict[int, int]:
        try:
            heading, *lines = self._path.read_text(encoding="utf-8", errors="replace").splitlines()
        except (FileNotFoundError, ValueError):
            return {}
        if heading != self._heading:
            return {}
        pairs = [line.split(" ") for line in lines]  # the last one may be torn
        return {int(pair[0]): int(pair[1]) for pair in pairs if len(pair) == 2 and all(map(str.isdecimal, pair))}
