"""The interface of every kind of folder."""

from __future__ import annotations

import hashlib
import json
from abc import ABC, abstractmethod
from collections.abc import Iterable
from contextlib import AbstractContextManager
from pathlib import Path
from re import Pattern
from typing import Any, BinaryIO

UNFINISHED = ".writing."  # before the name, not behind it: writers such as XGBoost go by the file's extension
REPLACED = ".replaced."
DELETED = ".deleted."
PROBE = "written-and-deleted"
BLOCK = 1 << 20


def listed(names: Iterable[str]) -> list[str]:
    """Return the visible names of a folder, sorted: names that are being replaced are, unfinished ones are not."""
    return sorted({name.removeprefix(REPLACED) for name in names if not name.startswith((UNFINISHED, DELETED))})


def digest_of(stream: BinaryIO) -> str:
    """Return the SHA-256 of the rest of a stream."""
    digest = hashlib.sha256()
    while block := stream.read(BLOCK):
        digest.update(block)
    return digest.hexdigest()


def digest_of_file(path: Path) -> str:
    """Return the SHA-256 of a file of this machine."""
    with path.open("rb") as stream:
        return digest_of(stream)


def read_json(path: Path) -> Any:
    """Return the value in a file of JSON."""
    return json.loads(path.read_text(encoding="utf-8"))


def write_json(path: Path, value: Any) -> None:
    """Write `value` as readable JSON, which has neither NaN nor an infinity."""
    text = json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False)
    path.write_text(text + "\n", encoding="utf-8")


class Folder(ABC):
    """A folder; names are relative to it and may have slashes."""

    @property
    @abstractmethod
    def uri(self) -> str:
        """The folder as Spark names it."""

    @abstractmethod
    def __str__(self) -> str:
        """Where it is, for messages; without secrets."""

    def location(self, name: str) -> str:
        """Return where the file or the folder `name` is, for messages."""
        return f"{self}/{name}"

    @abstractmethod
    def exists(self, name: str) -> bool:
        """Return whether there is a file or a folder `name`."""

    @abstractmethod
    def reading(self, name: str, without: Pattern[str] | None = None) -> AbstractContextManager[Path]:
        """Give a local path from which the file or the folder `name` can be read within a ``with``.

        Files of a folder that match `without` need not be brought to this machine.
        """

    @abstractmethod
    def list(self) -> list[str]:
        """Return the names in this folder, sorted; a name that is being replaced is there, an unfinished one is not."""

    @abstractmethod
    def sizes(self, *names: str) -> dict[str, int]:
        """Return the size of each file of `names`, and of each below a folder of `names`, by its name here."""

    @abstractmethod
    def digests(self, *names: str) -> dict[str, str]:
        """Return the SHA-256 of each file of `names`, and of each below a folder of `names`, by its name here."""

    @abstractmethod
    def delete(self, name: str) -> None:
        """Delete the file or the folder `name`, if there is one."""

    @abstractmethod
    def atomic_write(self, name: str) -> AbstractContextManager[Path]:
        """Write the file `name`: yield a local path, which is renamed to it on success.

        The local path ends with the same name, and thus with the same extension.
        """

    def read_json(self, name: str) -> Any:
        """Return the value in the file `name`."""
        with self.reading(name) as path:
            return read_json(path)

    def write_json(self, name: str, value: Any) -> None:
        """Write `value` as the file `name`."""
        with self.atomic_write(name) as path:
            write_json(path, value)

    def delete_unfinished(self, prefix: str) -> None:  # noqa: B027, a Hadoop file system does not tell who writes
        """Delete what killed processes have left of files whose names begin so, where it is known that they are gone.

        Files that are written again under the same name need none of this.
        """

    def check_writable(self) -> None:
        """Raise InputError when nothing can be written here."""
        with self.atomic_write(PROBE) as path:
            path.touch()
        self.delete(PROBE)

    @abstractmethod
    def atomic_dir(self, name: str = ".") -> AbstractContextManager[Path]:
        """Write the whole folder `name`, or this one: yield an empty local folder that replaces it on success."""

    @abstractmethod
    def staged_dir(self, name: str = ".") -> AbstractContextManager[Folder]:
        """Like `atomic_dir`, file by file: not all files have to be on this machine at once."""
