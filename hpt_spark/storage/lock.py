"""One driver per folder: of a search's journal, or of a whole run.

Every driver puts a file of its own, named by a token, into the folder and then looks for the
files of others. Of two that start in the same instant at least one thus sees the other; a driver
that sees a living other takes its file back. A file that a killed driver has left can be removed
without a race, because its name is nobody else's.

A driver of this machine is asked for by its process: if that is gone, its file is void at once. One
elsewhere renews its file while it lives. It is watched for the time of a lease, so that the clocks
of the machines need not agree; a file that was not renewed in that time is void.
"""

from __future__ import annotations

import json
import logging
import os
import random
import threading
import time
import uuid
from types import TracebackType
from typing import Any

from hpt_spark.errors import HptSparkError, InputError
from hpt_spark.storage.folder import Folder
from hpt_spark.storage.processes import has_ended, is_here, this_process

PREFIX, BRIEF = "lock-", "brief-lock-"
LEASE_SECONDS = 30.0
RENEWALS_PER_LEASE = 5
# Not renewed for so long, a lock is void at once: longer than a clock goes wrong by that was set in another time zone.
ABANDONED_SECONDS = 18 * 3600.0
TRIES, TRIES_FOR_A_MOMENT = 5, 100
MOST_SECONDS_BETWEEN_TRIES = 0.4

log = logging.getLogger(__name__)

_wanted: set[str] = set()  # the locks that this process has, or wants


class FolderLock:
    """Holds the lock of a folder for the time of a ``with``.

    Parameters
    ----------
    folder : Folder
    locked : str
        The name of the folder in messages: ``run.dir=runs/demo``.
    briefly : bool
        Whether it is held only to change a file: others wait, and a driver's lock is no obstacle.
    """

    def __init__(self, folder: Folder, locked: str, briefly: bool = False) -> None:
        self._folder = folder
        self._locked = locked
        self._prefix, self._tries = (BRIEF, TRIES_FOR_A_MOMENT) if briefly else (PREFIX, TRIES)
        self._name = f"{self._prefix}{uuid.uuid4().hex}.json"
        self._writing = threading.Lock()
        self._released = threading.Event()
        self._held = self._taken_over = False
        self._seen = time.time()  # a clock that goes on while this machine sleeps
        self._renewing = threading.Thread(target=self._renew, daemon=True)

    def __enter__(self) -> FolderLock:
        try:  # a signal may come when the lock is there and nobody has been told
            _wanted.add(self._name)
            self._write()
            self._renewing.start()
            for tries_left in reversed(range(self._tries)):
                holder = self._living_other()
                if holder is None:
                    self._held = True
                    self._folder.delete_unfinished(self._prefix)  # each lock has a name of its own
                    return self
                if not tries_left:
                    raise InputError(self._refusal(holder))
                # The other one may be doing just the same: step back, each for a time of its own.
                self._folder.delete(self._name)
                time.sleep(random.uniform(0.05, MOST_SECONDS_BETWEEN_TRIES))
                self._write()
            raise AssertionError("the last try returns or raises")
        except BaseException:
            self._release()
            raise

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._release()

    def check(self) -> None:
        """Raise HptSparkError when the lock is gone: removed, or another driver's since a long sleep."""
        if self._held and time.time() - self._seen > LEASE_SECONDS:  # it has slept, and so has what renews the lock
            self._look()
        if self._taken_over:
            raise HptSparkError(
                f"the lock of {self._locked} is gone: somebody has removed it, or another process has taken it over, "
                f"because this one gave no sign of life for {LEASE_SECONDS:.0f} seconds; what it had finished is kept "
                "there, so far as nobody has removed it."
            )

    def _release(self) -> None:
        self._released.set()
        _wanted.discard(self._name)
        try:
            if self._renewing.is_alive():
                self._renewing.join()
        finally:  # also after Ctrl-C, or no search of this process could have the folder again
            with self._writing:
                self._folder.delete(self._name)

    def _renew(self) -> None:
        while not self._released.wait(LEASE_SECONDS / RENEWALS_PER_LEASE):
            try:
                if self._look():
                    self._write()
            except (OSError, HptSparkError) as error:  # the next time may do
                log.warning("the lock of %s could not be renewed: %s", self._locked, error)

    def _look(self) -> bool:
        """Return whether the lock is there; one that was held and is gone was taken over."""
        held, now = self._held, time.time()  # asked for first: a driver that steps back takes its file away
        is_there = self._folder.exists(self._name)
        self._taken_over |= held and not is_there
        if is_there:
            self._seen = now
        return is_there

    def _write(self) -> None:
        holder = {
            **this_process(),
            "renewed": time.time(),
            "sign": uuid.uuid4().hex,
        }
        with self._writing:
            if self._released.is_set():
                return
            with self._folder.atomic_write(self._name) as path:
                path.write_text(json.dumps(holder) + "\n", encoding="utf-8")

    def _living_other(self) -> dict[str, Any] | None:
        """Return a living driver that has or wants the lock; remove the files of dead ones."""
        for name in self._folder.list():
            if name.startswith(self._prefix) and name != self._name:
                holder = self._read(name)
                if self._lives(name, holder):
                    return holder
                self._folder.delete(name)
        return None

    def _lives(self, name: str, holder: dict[str, Any]) -> bool:
        if is_here(holder):
            if holder.get("pid") == os.getpid() and name not in _wanted:
                return False  # its file could not be deleted, or another Ctrl-C came there
            return not has_ended(holder)
        if time.time() - float(holder.get("renewed") or time.time()) > ABANDONED_SECONDS:
            return False
        log.info("waiting for a sign of life of the holder of %s, %.0f seconds at most", self._locked, LEASE_SECONDS)
        void_at = time.monotonic() + LEASE_SECONDS
        while time.monotonic() < void_at:
            time.sleep(LEASE_SECONDS / RENEWALS_PER_LEASE / 4)
            if not self._folder.exists(name):
                return False
            if self._read(name) != holder:
                return True
        return False

    def _read(self, name: str) -> dict[str, Any]:
        """Return the content of a lock; nothing where it is gone, being written, or damaged."""
        try:
            holder = self._folder.read_json(name)
        except (OSError, ValueError):
            return {}
        return holder if isinstance(holder, dict) else {}

    def _refusal(self, holder: dict[str, Any]) -> str:
        where = "of this machine" if is_here(holder) else f"on {str(holder.get('machine')).partition(' ')[0]}"
        return (
            f"process {holder.get('pid')} {where} is working with {self._locked} already; wait until it ends, or "
            "name another folder."
        )


def is_lock(name: str) -> bool:
    """Return whether a file of this name in a folder is a driver's lock."""
    return name.startswith((PREFIX, BRIEF))
