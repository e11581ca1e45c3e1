"""The error that a worker's limit of address space (``spark.executor.pyspark.memory``) causes, in a sentence."""

from __future__ import annotations

import errno
import resource
from collections.abc import Iterator
from contextlib import contextmanager

from hpt_spark.errors import MemoryExhaustedError

# What the loader of shared libraries says; of a library that a module loads itself there is no number of the error.
SAID_BY_THE_LOADER = ("failed to map segment", "annot allocate memory")


@contextmanager
def translate_lack_of_address_space(size: int) -> Iterator[None]:
    """Raise MemoryExhaustedError with one sentence where this process has no address space left, if that is limited.

    `size` is that of the data to be mapped, in bytes.
    """
    try:
        yield
    except Exception as error:
        limit, _ = resource.getrlimit(resource.RLIMIT_AS)
        if limit == resource.RLIM_INFINITY or not _is_lack_of_memory(error):
            raise
        raise MemoryExhaustedError(
            f"there is no room for the search's data ({size / 1e6:,.0f} MB) in the address space of a Python worker, "
            f"which is limited to {limit / 1e6:,.0f} MB: spark.executor.pyspark.memory is divided by "
            "spark.executor.cores, and the libraries count, too. Raise spark.executor.pyspark.memory, or leave it out "
            "(where it is not set, ulimit -v limits the workers)."
        ) from error


def _is_lack_of_memory(error: Exception) -> bool:
    if isinstance(error, MemoryError) or getattr(error, "errno", None) == errno.ENOMEM:
        return True
    return any(words in str(error) for words in SAID_BY_THE_LOADER)
