"""The interface of every kind of folder."""

from __future__ import annotations

import hashlib
from abc import ABC, abstractmethod
from collections.abc import Iterable
from contextlib import AbstractContextManager
from pathlib import Path
from re import Pattern
from typing import BinaryIO

UNFINISHED = ".writing."  # before the name, not behind it: writers such as XGBoost go by the file's extension
REPLACED = ".replaced."
DELETED = ".deleted."
PROBE = "written-and-deleted"
BLOCK = 1 << 20


def listed(names: Iterable[str]) -> list[str]:
    """Return the names that a folder shows, sorted: none that is unfinished, and what is just being replaced."""
    return sorted({name.removeprefix(REPLACED) for name in names if not name.startswith((UNFINISHED, DELETED))})


def digest_of(stream: BinaryIO) -> str:
    """Return the SHA-256 of all that is left in a stream."""
    digest = hashlib.sha256()
    while block := stream.read(BLOCK):
        digest.update(block)
    return digest.hexdigest()


def digest_of_file(path: Path) -> str:
    """Return the SHA-256 of a file of this machine."""
    with path.open("rb") as stream:
        return digest_of(stream)


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

        Parameters
        ----------
        name : str
        without : re.Pattern, optional
            The files of a folder that are not read, and need not be brought to this machine.
        """

    @abstractmethod
    def list(self) -> list[str]:
        """Return the names in this folder, sorted, without unfinished ones; what is just being replaced is there."""

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
        """Write the file `name`: give a local path, whose content takes the name when all went well.

        Parameters
        ----------
        name : str
            The local path ends with the same name, and thus with the same extension.
        """

    def check_writable(self) -> None:
        """Raise InputError when nothing can be written here."""
        with self.atomic_write(PROBE) as path:
            path.touch()
        self.delete(PROBE)

    @abstractmethod
    def atomic_dir(self, name: str = ".") -> AbstractContextManager[Path]:
        """Write the whole folder `name`: give an empty local folder that replaces it when all went well.

        Parameters
        ----------
        name : str
            A sub-folder; by default this folder itself.
        """

    @abstractmethod
    def staged_dir(self, name: str = ".") -> AbstractContextManager[Folder]:
        """Do the same file by file: the files of the folder that is given need not all be on this machine at once."""
