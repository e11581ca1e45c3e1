"""One driver per journal.

The lock is a file that names its holder. A holder on this host is asked for by its process: if
that is gone, the lock is void at once. A holder on another host renews the lock while it lives; a
lock that was not renewed for the time of a lease is void.
"""

from __future__ import annotations

import json
import logging
import os
import socket
import threading
import time
import uuid
from types import TracebackType
from typing import Any

from hpt_spark.errors import HptSparkError, InputError
from hpt_spark.folders import Folder

NAME = "lock.json"
LEASE_SECONDS = 30.0
LONGEST_WAIT = 5.0
SECONDS_TO_WRITE = 2  # an object store shows a file before it has its text

_log = logging.getLogger(__name__)


class JournalLock:
    """Holds the lock of a journal for the time of a ``with``.

    Parameters
    ----------
    folder : Folder
        The journal's.
    """

    def __init__(self, folder: Folder) -> None:
        self._folder = folder
        self._token = uuid.uuid4().hex
        self._released = threading.Event()
        self._renewing = threading.Thread(target=self._renew, daemon=True)

    def __enter__(self) -> JournalLock:
        try:
            self._take()
        except BaseException:  # a signal may come when the lock is there and nobody has been told
            self._give_back()
            raise
        self._renewing.start()
        return self

    def _take(self) -> None:
        if not self._folder.create(NAME, self._text()):
            self._refuse_living(self._settled_holder())
            began = time.monotonic()
            self._write()
            # Of two that take a void lock over, the later one has it; on a far file system it takes its time.
            time.sleep(max(0.05, min(5 * (time.monotonic() - began), LONGEST_WAIT)))
            holder = self._holder()
            if holder.get("token") != self._token:
                self._refuse_living(holder)

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._released.set()
        self._renewing.join()
        self._give_back()

    def _give_back(self) -> None:
        if self._holder().get("token") == self._token:
            self._folder.delete(NAME)

    def _refuse_living(self, holder: dict[str, Any]) -> None:
        host, pid = holder.get("host"), holder.get("pid")
        if host == socket.gethostname():
            if _started(pid) is not None and _started(pid) == holder.get("started"):
                raise InputError(
                    f"process {pid} of this machine is searching with the journal {self._folder} already; wait until "
                    "it ends, or name another folder."
                )
        elif time.time() - float(holder.get("renewed") or 0) < LEASE_SECONDS:
            raise InputError(
                f"process {pid} on {host} is searching with the journal {self._folder} already; if it was killed, its "
                f"lock ends {LEASE_SECONDS:.0f} seconds after its last sign of life: try again then."
            )

    def _renew(self) -> None:
        while not self._released.wait(LEASE_SECONDS / 3):
            try:
                self._write()
            except (OSError, HptSparkError) as error:  # the next time may do
                _log.warning("the lock of the journal could not be renewed: %s", error)

    def _write(self) -> None:
        with self._folder.writing(NAME) as path:
            path.write_text(self._text(), encoding="utf-8")

    def _text(self) -> str:
        holder = {
            "host": socket.gethostname(),
            "pid": os.getpid(),
            "started": _started(os.getpid()),
            "renewed": time.time(),
            "token": self._token,
        }
        return json.dumps(holder) + "\n"

    def _settled_holder(self) -> dict[str, Any]:
        """Return the holder; a lock that says nothing is looked at again, in case it is just being written."""
        for _ in range(SECONDS_TO_WRITE * 10):
            if holder := self._holder():
                return holder
            time.sleep(0.1)
        return {}

    def _holder(self) -> dict[str, Any]:
        try:
            with self._folder.reading(NAME) as path:
                holder = json.loads(path.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return {}
        return holder if isinstance(holder, dict) else {}


def _started(pid: Any) -> str | None:
    """Return when process `pid` of this machine started, which tells it from a later one with its number."""
    try:
        with open(f"/proc/{int(pid)}/stat", encoding="utf-8") as file:
            return file.read().rpartition(")")[2].split()[19]
    except (OSError, ValueError, TypeError, IndexError):
        pass
    try:
        os.kill(int(pid), 0)
    except (OSError, ValueError, TypeError):
        return None
    return "alive"  # a system without /proc tells no more
