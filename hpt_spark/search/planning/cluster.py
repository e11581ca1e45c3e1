"""The Spark properties with which a search fits executors of a given size."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

from hpt_spark.errors import InputError
from hpt_spark.search.evaluation import Evaluation
from hpt_spark.search.execution.node_share import PIECE_BYTES
from hpt_spark.search.fit_groups import group_fits
from hpt_spark.search.planning.executors import (
    HEAP_BYTES,
    LOST_EXECUTORS,
    Executors,
    Property,
    in_mebibytes,
    size_of,
    without_allocation,
)
from hpt_spark.search.planning.forecast import WORKER_BYTES, Forecast, as_size, data_bytes, forecast
from hpt_spark.search.planning.memory_limit import MIN_OVERHEAD
from hpt_spark.search.sklearn_compat import num_samples

JVM_BYTES = 256 << 20  # of a JVM outside of its heap: classes, threads, network buffers
MARGIN = 1.25  # the forecast is an estimate
LEAST_BYTES = JVM_BYTES + int(MARGIN * WORKER_BYTES)  # of an executor outside of its heap, on the smallest design
STEP_BYTES = 128 << 20  # to which memory is rounded up
COPIES_ON_THE_DRIVER = 3  # the design, its part that travels, and its predictions


@dataclass(frozen=True)
class ClusterPlan:
    """How a search runs on a cluster."""

    executors: Executors
    threads: int  # of a fit
    forecast: Forecast
    # What an executor and the driver need outside of the heap of their JVM, with a margin.
    executor_bytes: int
    driver_bytes: int
    refits_on_driver: bool

    def properties(self) -> Iterator[Property]:
        """Yield the properties of Spark."""
        at_once, needed = self.forecast.slots_per_executor, as_size(self.executor_bytes)
        yield from size_of(self.executors)
        yield (
            "spark.executor.memoryOverhead",
            in_mebibytes(_rounded(max(MIN_OVERHEAD, self.executor_bytes))),
            f"an executor needs about {needed} outside of its heap, a margin included; YARN kills what takes more",
        )
        reason = (
            f"{_counted(at_once, 'training')} at a time on an executor, each with {_counted(self.threads, 'thread')}"
        )
        yield "spark.task.cpus", str(self.threads), reason
        yield from without_allocation()
        yield LOST_EXECUTORS
        yield "spark.driver.memory", in_mebibytes(HEAP_BYTES), "the driver's JVM schedules, and holds no data"
        yield (
            "spark.driver.memoryOverhead",
            in_mebibytes(_rounded(max(MIN_OVERHEAD, self.driver_bytes))),
            "the driver's Python process holds the design" + " and trains the best candidate" * self.refits_on_driver,
        )


def plan_cluster(evaluation: Evaluation, executors: Executors, conf: Mapping[str, str], refit_on: str) -> ClusterPlan:
    """Return how the fits of `evaluation` run on `executors`.

    A fit gets the fewest threads with which the trainings that run at a time fit an executor's memory, and more
    where there are more cores than trainings. `conf` may say how many (``spark.task.cpus``).

    Raises
    ------
    InputError
        When the memory is too small for one training at a time.
    """
    text = conf.get("spark.task.cpus", "0")
    if not re.fullmatch(r"\d{1,4}", text):
        raise InputError(f"spark.task.cpus={text} must be a number of cores, e.g. 2.")
    given = int(text)
    if given > executors.cores:
        raise InputError(f"spark.task.cpus={given} is more than --cores {executors.cores}: no task would start.")
    plans = [_plan(evaluation, executors, threads, refit_on) for threads in _choices(executors.cores, given)]
    fitting = [plan for plan in plans if _needed(plan.executor_bytes) <= executors.memory]
    if not fitting:
        least = min(plans, key=lambda plan: _needed(plan.executor_bytes))
        more = ", or raise spark.task.cpus" if given and given < executors.cores else ""
        check_memory(executors, least.executor_bytes, least.forecast.slots_per_executor, more)
    chosen = fitting[0]
    for plan in fitting[1:]:
        if executors.number * plan.forecast.slots_per_executor >= plan.forecast.trainings:
            chosen = plan
    return chosen


def check_memory(executors: Executors, executor_bytes: int = LEAST_BYTES, at_once: int = 1, more: str = "") -> None:
    """Raise InputError for executors without `executor_bytes` outside of their heap; by default those of any search."""
    if _needed(executor_bytes) > executors.memory:
        raise InputError(
            f"{executors} are too small for the search: with {_counted(at_once, 'training')} at a time on each, "
            f"{in_mebibytes(HEAP_BYTES)} for the JVM's heap and {as_size(executor_bytes)} outside of it are "
            f"needed; give --memory {in_mebibytes(_needed(executor_bytes))} or more{more}."
        )


def _choices(cores: int, given: int) -> list[int]:
    """Return the numbers of threads to choose from: of several that leave the same slots, the one that idles least."""
    if given:
        return [given]
    return sorted({cores // slots for slots in range(1, cores + 1)})


def _plan(evaluation: Evaluation, executors: Executors, threads: int, refit_on: str) -> ClusterPlan:
    evaluation = replace(evaluation, threads=threads)
    groups = group_fits(evaluation, evaluation.fits)
    shared = data_bytes(evaluation)
    per_executor = executors.cores // threads
    slots = per_executor * executors.number

    def at_once(number: int) -> Forecast:
        return forecast(
            evaluation, groups, shared, slots, number, planned_slots=slots, arriving_bytes=min(PIECE_BYTES, shared)
        )

    of_the_fits = at_once(per_executor)
    all_rows = num_samples(evaluation.data.X) / max(1, evaluation.training_rows)
    of_the_refit = (at_once(1).executor_bytes - shared - WORKER_BYTES) * all_rows + shared + WORKER_BYTES
    on_executor = max(of_the_fits.executor_bytes, of_the_refit if refit_on == "executor" else 0)
    on_driver = max(
        WORKER_BYTES + COPIES_ON_THE_DRIVER * shared,
        WORKER_BYTES + shared + of_the_refit if refit_on == "driver" else 0,
    )
    executor_bytes, driver_bytes = (JVM_BYTES + int(MARGIN * size) for size in (on_executor, on_driver))
    return ClusterPlan(executors, threads, of_the_fits, executor_bytes, driver_bytes, refit_on == "driver")


def _counted(number: int, what: str) -> str:
    return f"one {what}" if number == 1 else f"{number} {what}s"


def _needed(executor_bytes: int) -> int:
    return HEAP_BYTES + _rounded(max(MIN_OVERHEAD, executor_bytes))


def _rounded(size: float) -> int:
    return -int(-size // STEP_BYTES) * STEP_BYTES
