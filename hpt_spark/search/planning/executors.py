"""The executors that a cluster gives a search, and the Spark properties that any search wants of them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

# The JVM of an executor passes the data on in pieces and trains nothing.
HEAP_BYTES = 1 << 30

Property = tuple[str, str, str]  # its name, its value, and why it has that

# Spark's own limit is two per executor, and at least 3, after which it ends the application.
LOST_EXECUTORS: Property = (
    "spark.yarn.max.executor.failures",
    "100",
    "a fit that YARN kills for its memory costs several executors before it counts as failed",
)


@dataclass(frozen=True)
class Executors:
    """The executors that a cluster gives a search."""

    number: int
    cores: int  # of one
    memory: int  # bytes of one, all in all

    def __str__(self) -> str:
        return f"{self.number} executors of {self.cores} cores and {in_mebibytes(self.memory)}"


def size_of(executors: Executors) -> Iterator[Property]:
    """Yield the properties that say how many executors there are, and how large."""
    yield "spark.executor.instances", str(executors.number), "as --executors says"
    yield "spark.executor.cores", str(executors.cores), "as --cores says"
    yield (
        "spark.executor.memory",
        in_mebibytes(HEAP_BYTES),
        "the JVM's heap; trainings run outside of it, so that it stays small",
    )


def without_allocation() -> Iterator[Property]:
    """Yield what keeps the executors."""
    yield (
        "spark.dynamicAllocation.enabled",
        "false",
        "an executor that is given back takes its copy of the data and of a fold's matrices along, and fits would wait "
        "for new ones",
    )


def in_mebibytes(size: int) -> str:
    """Return a size as Spark's settings have it."""
    return f"{size >> 30}g" if size % (1 << 30) == 0 else f"{size >> 20}m"
