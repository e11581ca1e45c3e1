"""The spool: a file to which a search appends its events, and from which another process writes the history.

The driver only appends lines to a local file, so that it never waits for a slow store.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

EVENTS = "events.jsonl"
ANSWER = "answer.json"
LEFT = "left"  # the driver no longer reads the spool; the recorder deletes it
SETTINGS = "HPT_SPARK_TRACKING"  # a variable: the store's address, whose secrets a list of processes would show

Event = dict[str, Any]


class SpoolWriter:
    """Appends events."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._file = (folder / EVENTS).open("a", encoding="utf-8")

    def write(self, kind: str, **content: Any) -> None:
        """Append an event, whole."""
        self._file.write(json.dumps({"kind": kind, **content}) + "\n")
        self._file.flush()

    def close(self) -> None:
        """Append no more."""
        self._file.close()


class SpoolReader:
    """Reads events as they are appended."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / EVENTS
        self._read = 0

    def new(self) -> Iterator[Event]:
        """Yield the events that have come since the last call."""
        if not self._path.exists():
            return
        with self._path.open("rb") as file:
            file.seek(self._read)
            whole, newline, _ = file.read().rpartition(b"\n")
        self._read += len(whole) + len(newline)
        for line in whole.splitlines():
            yield json.loads(line)


def write_answer(folder: Path, answer: dict[str, Any]) -> None:
    """Write the recorder's progress for the driver."""
    temporary = folder / f"{ANSWER}.new"
    temporary.write_text(json.dumps(answer), encoding="utf-8")
    os.replace(temporary, folder / ANSWER)


def read_answer(folder: Path) -> dict[str, Any]:
    """Return the recorder's progress; nothing before the first answer."""
    try:
        answer: dict[str, Any] = json.loads((folder / ANSWER).read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    return answer
