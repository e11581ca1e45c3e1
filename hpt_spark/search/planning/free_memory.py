"""How much memory this process can still have: the machine's, or less where its container is limited."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

ROOT = Path("/")
# Of cgroups 2 and 1: the folder, the limit, the used memory, and the part of it that can be given back at once.
CGROUPS = (
    ("", "memory.max", "memory.current", "inactive_file"),
    ("memory", "memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file"),
)


def free_memory(root: Path = ROOT) -> int | None:
    """Return how many bytes of memory are left; None where neither the machine nor a container tells."""
    found = [*_of_machine(root), *_of_containers(root)]
    return min(found) if found else None


def _of_machine(root: Path) -> Iterator[int]:
    for size in re.findall(r"MemAvailable:\s+(\d+) kB", _text(root / "proc/meminfo")):
        yield int(size) * 1024


def _of_containers(root: Path) -> Iterator[int]:
    """Yield the rest of each limit: that of the process's own group, and those of the groups around it."""
    mounted = root / "sys/fs/cgroup"
    for line in _text(root / "proc/self/cgroup").splitlines():
        _, controllers, path = line.split(":", 2)
        for folder, limit, taken, given_back in CGROUPS:
            if folder not in controllers.split(","):
                continue
            own = mounted / folder / path.lstrip("/")
            for group in (own, *(one for one in own.parents if mounted in (one, *one.parents))):
                most, now = _text(group / limit).strip(), _text(group / taken).strip()
                if most.isdigit() and now.isdigit():
                    idle = re.search(rf"^{given_back} (\d+)$", _text(group / "memory.stat"), re.MULTILINE)
                    yield max(0, int(most) - int(now) + (int(idle[1]) if idle else 0))


def _text(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8")
    except OSError:
        return ""
