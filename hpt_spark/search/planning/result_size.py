"""How much the tasks of one Spark job may bring to the driver."""

from __future__ import annotations

import math
from collections.abc import Mapping

from hpt_spark.search.planning.memory_limit import in_bytes

BYTES_PER_JOB = 64 << 20  # of the driver's memory


def most_of_a_job(conf: Mapping[str, str]) -> float:
    """Return above how many bytes Spark ends a job: ``spark.driver.maxResultSize``, of which 0 is no limit."""
    return in_bytes(conf.get("spark.driver.maxResultSize", "1g"), unit="b") or math.inf


def bytes_per_job(conf: Mapping[str, str]) -> int:
    """Return how much one job is to bring: far less, as the driver's memory holds it."""
    return int(max(1, min(BYTES_PER_JOB, most_of_a_job(conf) // 4)))
