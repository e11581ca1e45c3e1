"""Under which name each digest of the user's code is kept, and which libraries were met on the way."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from hpt_spark.search.installed import is_library, releases_of

OF_PARAMETER = "the parameter `"  # begins what a message calls the parameter of an estimator


class DigestLedger(ABC):
    """The digests that are kept by name, so that it can be told which of them has changed.

    Attributes
    ----------
    code : dict of str to str
        What was met of the user's code, and the values that it uses: a digest under the name of each.
    releases : dict of str to str
        The release of each installed distribution that was met.
    parameters : dict of str to list of bytes
        The digests of the parameters of cloned estimators, by class and name.
    """

    def __init__(self) -> None:
        self.code: dict[str, str] = {}
        self.releases: dict[str, str] = {}
        self.parameters: dict[str, list[bytes]] = {}
        self._root = ("", "")  # the part of the search that is digested, and the verb that goes with it
        self._users: list[str] = []  # the user's code that is digested, outermost first
        self._at: list[str] = []  # where the value that is digested was found, in the words of a message
        self._cloned = self._ordered = False
        self._labels: dict[Any, tuple[Any, str]] = {}  # with each object, so that its id stays its own

    @abstractmethod
    def of(self, value: Any) -> bytes:
        """Return the digest of any object."""

    def _of_users(self, key: Any, value: Any, name: str, body: Callable[[], bytes]) -> str:
        """Keep the digest of a piece of the user's code and return the name under which it is kept."""
        what, uses = self._root
        label = f"the code of `{name}`, which the {what} {uses}"
        if not self._users and uses == "uses":
            label = f"the code of the {what} `{name}`"

        def within() -> bytes:
            self._users.append(name)
            try:
                with self._as(False, True):
                    return body()
            finally:
                self._users.pop()

        return self._kept(key, value, label, within)

    def _kept(self, key: Any, value: Any, label: str, body: Callable[[], bytes]) -> str:
        if key in self._labels:
            return self._labels[key][1]
        number = 1 + sum(one == label or one.startswith(f"{label} (") for _, one in self._labels.values())
        label = label if number == 1 else f"{label} ({number})"
        self._labels[key] = (value, label)  # before its body, which may use it again
        self.code[label] = body().hex()
        return label

    def note(self, module: str | None) -> None:
        """Remember the release of a library that was met."""
        if isinstance(module, str) and is_library(module):
            self.releases.update(releases_of(module))

    @contextmanager
    def _as(self, cloned: bool, ordered: bool) -> Iterator[None]:
        before = self._cloned, self._ordered
        self._cloned, self._ordered = cloned, ordered
        try:
            yield
        finally:
            self._cloned, self._ordered = before

    @contextmanager
    def _within(self, place: str | None) -> Iterator[None]:
        if place is None:
            yield
            return
        self._at.append(place)
        try:
            yield
        finally:
            self._at.pop()
