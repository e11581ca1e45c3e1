"""The records of a pipeline's steps: the digests of the inputs and the outputs of each.

A step with equal digests is passed over. The record of `ingest` lies with the tables, which runs may share, the others
in the run directory; each is written whole.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from hpt_spark.data.ingest import PIPELINE
from hpt_spark.storage import Folder
from hpt_spark.storage.folder import write_json

_log = logging.getLogger(__name__)

CHANGES = {
    "release": "hpt_spark itself has changed",
    "settings": "the settings have changed",
    "inputs": "the inputs have changed",
    "outputs": "the outputs are not those that were made",
}


@dataclass(frozen=True)
class Record:
    """The settings, inputs and outputs of a step."""

    release: str  # of this package
    settings: Mapping[str, Any]
    inputs: Mapping[str, str]  # the digest of each file
    outputs: Mapping[str, str]  # likewise

    def why_to_run(self, now: Record) -> str:
        """Return why the step has to run, given the record `now`; empty if it has not to."""
        for part, why in CHANGES.items():
            before, after = getattr(self, part), getattr(now, part)
            if before != after:
                what = f"{before}, now {after}" if part == "release" else ", ".join(_differing(before, after))
                return f"{why}: {what}"
        return ""


class Records:
    """The records in one folder."""

    def __init__(self, folder: Folder) -> None:
        self._folder = folder

    def get(self, step: str) -> Record | None:
        """Return the record of a step, if there is one."""
        try:
            return Record(**self._read()["steps"][step])
        except (KeyError, TypeError):
            return None

    def keep(self, step: str, record: Record) -> None:
        """Record a step."""
        kept = self._read()
        steps = kept.get("steps")
        self._write({**kept, "steps": {**(steps if isinstance(steps, dict) else {}), step: asdict(record)}})

    def forget(self, steps: tuple[str, ...], **more: Any) -> None:
        """Remove the records of `steps`, and note `more`."""
        kept = self._read()
        found = kept.get("steps")
        left = {name: one for name, one in found.items() if name not in steps} if isinstance(found, dict) else {}
        if kept or more:
            self._write({**kept, "steps": left, **more})

    def note(self, when_written: Callable[[Path], None], **more: Any) -> None:
        """Note something beside the steps; None removes a note.

        `when_written` is called with the path of the written file, before it is renamed.
        """
        kept = {**self._read(), **more}
        self._write({name: value for name, value in kept.items() if value is not None}, when_written)

    def noted(self, name: str) -> Any:
        """Return the record `name`, or None."""
        return self._read().get(name)

    def _read(self) -> dict[str, Any]:
        if not self._folder.exists(PIPELINE):
            return {}
        try:
            found = self._folder.read_json(PIPELINE)
        except ValueError:
            found = None
        if not isinstance(found, dict):
            _log.warning("%s is damaged: all steps count as not done", self._folder.location(PIPELINE))
            return {}
        return found

    def _write(self, value: Mapping[str, Any], when_written: Callable[[Path], None] = lambda path: None) -> None:
        with self._folder.atomic_write(PIPELINE) as path:
            write_json(path, value)
            when_written(path)


def _differing(one: Mapping[str, Any], other: Mapping[str, Any]) -> list[str]:
    names = sorted(name for name in {*one, *other} if one.get(name) != other.get(name))
    return [*names[:3], f"and {len(names) - 3} more"] if len(names) > 4 else names
