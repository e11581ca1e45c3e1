"""For how many tasks at the same time a search is planned, as Spark's settings have it."""

from __future__ import annotations

import re
from collections.abc import Mapping

# Where nothing limits the number of executors, tasks are planned for so many slots.
SLOTS_WITHOUT_LIMIT = 256
# A number of executors that stands for no limit, such as Spark's own default of 2^31 - 1.
NO_LIMIT = 1_000_000
# What Spark asks YARN and Kubernetes for by itself (spark.executor.instances).
EXECUTORS_BY_DEFAULT = 2


def planned_slots(conf: Mapping[str, str], now: int) -> int:
    """Return how many tasks may run at the same time when all executors have come; so many can `now`.

    Executors come when there is work for them (``spark.dynamicAllocation.enabled``), or some time
    after the application has begun.
    """
    master = master_of(conf)
    if is_local(master):
        return now
    per_executor = slots_of_executor(conf) or 1
    if is_true(conf, "spark.dynamicAllocation.enabled"):
        executors = int(conf.get("spark.dynamicAllocation.maxExecutors", NO_LIMIT))
    elif master.startswith(("yarn", "k8s")):
        executors = int(conf.get("spark.executor.instances", EXECUTORS_BY_DEFAULT))
    else:
        executors = 0  # a standalone cluster gives what it has
    planned = SLOTS_WITHOUT_LIMIT if executors >= NO_LIMIT else executors * per_executor
    if "spark.cores.max" in conf:  # of a standalone cluster
        most = int(conf["spark.cores.max"]) // cores_of_task(conf)
        planned = min(planned, most) if executors else most
    return max(now, planned)


def master_of(conf: Mapping[str, str]) -> str:
    """Return Spark's master."""
    return conf.get("spark.master", "")


def is_local(master: str) -> bool:
    """Return whether tasks run on the driver's machine, in its own JVM."""
    return master.startswith("local") and not master.startswith("local-cluster")


def cores_of_local(master: str) -> int | None:
    """Return how many cores a local master names; None where it takes all of its machine, or is none."""
    named = re.fullmatch(r"local(?:\[\s*(\d+)\s*(?:,.*)?\])?", master)
    return int(named[1] or 1) if named else None


def slots_of_executor(conf: Mapping[str, str]) -> int | None:
    """Return how many tasks run on an executor at the same time; None where it takes all cores of its machine."""
    if "spark.executor.cores" in conf:
        return max(1, int(conf["spark.executor.cores"]) // cores_of_task(conf))
    return 1 if master_of(conf).startswith(("yarn", "k8s")) else None


def cores_of_task(conf: Mapping[str, str]) -> int:
    """Return how many cores Spark gives each task."""
    return int(conf.get("spark.task.cpus", "1"))


def is_true(conf: Mapping[str, str], name: str, default: str = "false") -> bool:
    """Return whether a setting is switched on."""
    return conf.get(name, default).strip().lower() == "true"
