"""How much memory there is: by Spark's settings, on the machine or in its container, and for what a job brings."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from hpt_spark.search.planning.slots import is_local, master_of

MIN_OVERHEAD = 384 << 20  # bytes; Spark's own minimum
PYSPARK_MEMORY = "spark.executor.pyspark.memory"
UNITS = {"b": 1, "k": 1 << 10, "m": 1 << 20, "g": 1 << 30, "t": 1 << 40}
BYTES_PER_JOB = 64 << 20  # of the driver's memory
ROOT = Path("/")
# Of cgroups 2 and 1: the folder, the limit, the used memory, and the part of it that can be given back at once.
CGROUPS = (
    ("", "memory.max", "memory.current", "inactive_file"),
    ("memory", "memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file"),
)


@dataclass(frozen=True)
class MemoryLimit:
    """The memory that the Python processes of an executor, or of the driver, may take."""

    available: int  # bytes
    remedy: str = ""  # what to do when that is too little
    setting: str = ""  # of Spark, which is divided among processes that have `available` each; "" if they share that
    processes: int = 1  # how many it is divided among


def memory_limit(conf: Mapping[str, str]) -> MemoryLimit | None:
    """Return what an executor's Python processes may take, by Spark's settings; None where nobody limits it.

    Python's memory is outside the JVM's heap. On YARN and Kubernetes it counts against the
    overhead of the executor's container (Spark's documentation, "Configuration",
    ``spark.executor.memoryOverhead``), unless ``spark.executor.pyspark.memory`` sets it apart: then each process has
    a share of that (`address_space_limit`).
    """
    master, of_each = master_of(conf), address_space_limit(conf)
    if of_each is not None and not is_local(master):
        return of_each
    if master.startswith(("yarn", "k8s")):
        return MemoryLimit(
            _overhead("executor", conf), "raise spark.executor.memoryOverhead, or lower spark.executor.cores"
        )
    if is_local(master):
        free = free_memory()
        return None if free is None else MemoryLimit(free, "run fewer fits at a time with spark.master: local[N]")
    return None


def address_space_limit(conf: Mapping[str, str]) -> MemoryLimit | None:
    """Return the address space of each Python process of an executor; None where Spark's settings do not limit it.

    Spark divides ``spark.executor.pyspark.memory`` by the cores of an executor, however many of them a task takes, and
    also with a local master; the process of the fits inherits the limit of its worker.
    """
    cores = int(conf.get("spark.executor.cores", "1"))
    mebibytes = (in_bytes(conf.get(PYSPARK_MEMORY, "0")) >> 20) // cores
    return MemoryLimit(mebibytes << 20, setting=PYSPARK_MEMORY, processes=cores) if mebibytes else None


def driver_memory(conf: Mapping[str, str]) -> MemoryLimit | None:
    """Return what the driver's Python may take at most; None where nobody tells.

    In cluster mode YARN ends a driver whose Java and Python together take more than their container has.
    """
    free = free_memory()
    if master_of(conf).startswith("yarn") and conf.get("spark.submit.deployMode") == "cluster":
        container = _heap("driver", conf) + _overhead("driver", conf)
        if free is None or container < free:
            return MemoryLimit(container, "raise spark.driver.memoryOverhead")
    return None if free is None else MemoryLimit(free, "let the driver have more memory")


def most_of_a_job(conf: Mapping[str, str]) -> float:
    """Return above how many bytes Spark ends a job: ``spark.driver.maxResultSize``, of which 0 is no limit."""
    return in_bytes(conf.get("spark.driver.maxResultSize", "1g"), unit="b") or math.inf


def bytes_per_job(conf: Mapping[str, str]) -> int:
    """Return how much one job is to bring: far less, as the driver's memory holds it."""
    return int(max(1, min(BYTES_PER_JOB, most_of_a_job(conf) // 4)))


def in_bytes(size: str, unit: str = "m") -> int:
    """Return a size as Spark writes it, such as ``2g`` or ``512`` (of `unit`, mebibytes), in bytes."""
    match = re.fullmatch(r"\s*(\d+)\s*([bkmgt]?)b?\s*", size.lower())
    if not match:
        raise ValueError(f"{size} is not a size")
    return int(match.group(1)) * UNITS[match.group(2) or unit]


def _heap(role: str, conf: Mapping[str, str]) -> int:
    return in_bytes(conf.get(f"spark.{role}.memory", "1g"))


def _overhead(role: str, conf: Mapping[str, str]) -> int:
    """Return the bytes that the container of the ``driver`` or an ``executor`` has beside the heap of its JVM."""
    if f"spark.{role}.memoryOverhead" in conf:
        return in_bytes(conf[f"spark.{role}.memoryOverhead"])
    # On Kubernetes the default for Python is 0.4 (spark.kubernetes.memoryOverheadFactor).
    default = "0.4" if master_of(conf).startswith("k8s") else "0.1"
    factor = conf.get(f"spark.{role}.memoryOverheadFactor", conf.get("spark.kubernetes.memoryOverheadFactor", default))
    return max(MIN_OVERHEAD, int(float(factor) * _heap(role, conf)))


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
