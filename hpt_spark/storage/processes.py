"""The identity of a process, by which others of its machine tell later whether it still runs."""

from __future__ import annotations

import os
import socket
from contextlib import suppress
from pathlib import Path
from typing import Any

UNKNOWN = "alive"  # since when, neither a system without /proc tells nor one that hides the processes of others


def this_process() -> dict[str, Any]:
    """Return the identity of this process, as JSON."""
    return {"machine": this_machine(), "pid": os.getpid(), "started": _started(os.getpid())}


def is_here(process: dict[str, Any]) -> bool:
    """Return whether a process is, or was, of this machine, its present boot and this container."""
    return process.get("machine") == this_machine()


def has_ended(process: dict[str, Any]) -> bool:
    """Return whether a process of this machine has ended, as far as this user may know."""
    started = _started(process.get("pid"))
    return started is None or started not in (process.get("started"), UNKNOWN)


def this_machine() -> str:
    """Return the machine, its boot and its container, within which a process number is unique."""
    found = [socket.gethostname()]
    with suppress(OSError):  # containers may have the host's name, but their own numbers
        found.append(os.readlink("/proc/self/ns/pid"))
    with suppress(OSError):  # machines may have one name, as those made from one image
        found.append(Path("/proc/sys/kernel/random/boot_id").read_text(encoding="utf-8").strip())
    return " ".join(found)


def _started(pid: Any) -> str | None:
    """Return when process `pid` of this machine started, which tells it from a later process of the same number."""
    try:
        with open(f"/proc/{int(pid)}/stat", encoding="utf-8") as file:
            state, *fields = file.read().rpartition(")")[2].split()
            # A dead process has its number until its parent has asked how it ended.
            return None if state in "ZX" else fields[18]
    except (OSError, ValueError, TypeError, IndexError):
        pass
    try:
        os.kill(int(pid), 0)
    except PermissionError:
        return UNKNOWN  # another user's process, about which this one may read nothing
    except (OSError, ValueError, TypeError):
        return None
    return UNKNOWN
