"""Runs groups of fits on Spark: the part that a SparkContext and a session of Spark Connect have in common."""

from __future__ import annotations

import os
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hpt_spark.search.dataset import NO_DATA, Dataset
from hpt_spark.search.evaluation import Evaluation
from hpt_spark.search.execution.begun import FitWatcher
from hpt_spark.search.execution.driver_releases import releases_of
from hpt_spark.search.execution.node_share import SharedObject, share
from hpt_spark.search.execution.refit import Refit
from hpt_spark.search.execution.task_stream import TaskStream
from hpt_spark.search.execution.worker import SharedEvaluation
from hpt_spark.search.planning.memory_limit import (
    MemoryLimit,
    address_space_limit,
    bytes_per_job,
    memory_limit,
    most_of_a_job,
)
from hpt_spark.search.planning.slots import (
    cores_of_task,
    is_local,
    is_true,
    master_of,
    planned_slots,
    slots_of_executor,
)
from hpt_spark.search.retries import Step
from hpt_spark.storage.scratch import scratch_folder

if TYPE_CHECKING:
    from hpt_spark.search.execution.checkpoints import Checkpoints


class Runner(ABC):
    """Runs groups of fits as tasks of Spark; `conf` are its settings, its master among them.

    Attributes
    ----------
    checkpoints : Checkpoints or None
        Of the trainings of the last evaluation, for the next; None where executors keep nothing.
    """

    checkpoints: Checkpoints | None = None

    def __init__(self, conf: Mapping[str, str]) -> None:
        self._is_local = is_local(master_of(conf))
        self._conf = conf
        self._held = ExitStack()
        self._folder = self._held.enter_context(scratch_folder())
        self._data: tuple[Dataset, SharedObject] | None = None
        self._has_cancelled = False

    @property
    def threads(self) -> int:
        """The threads of a fit: Spark gives each task ``spark.task.cpus`` cores."""
        return cores_of_task(self._conf)

    @property
    @abstractmethod
    def slots(self) -> int:
        """How many tasks run at the same time, with the executors that are there now."""

    @property
    def planned_slots(self) -> int:
        """How many tasks may run at the same time when all executors have come."""
        return planned_slots(self._conf, self.slots)

    @property
    def slots_per_executor(self) -> int:
        """How many of these tasks share an executor's memory; with a local master all do."""
        return self.slots if self._is_local else slots_of_executor(self._conf) or self.slots

    @property
    def reuses_workers(self) -> bool:
        """Whether a Python worker, and what it has prepared, serves one task after another."""
        return is_true(self._conf, "spark.python.worker.reuse", default="true")

    @property
    def most_result_bytes(self) -> float:
        """The most bytes that the tasks of a job may bring to the driver, by Spark's settings."""
        return most_of_a_job(self._conf)

    @property
    def result_bytes(self) -> int:
        """The bytes that the tasks of a job are to bring to the driver together."""
        return bytes_per_job(self._conf)

    @property
    def memory_limits(self) -> Sequence[MemoryLimit]:
        """The limits of the memory of an executor's Python processes, together and each."""
        limits = (address_space_limit(self._conf), self._memory_limit())
        return tuple(dict.fromkeys(limit for limit in limits if limit is not None))

    def _memory_limit(self) -> MemoryLimit | None:
        return memory_limit(self._conf)

    def arriving_bytes(self, shared: SharedEvaluation) -> int:
        """Return what an executor's workers hold for a moment while `shared` arrives: nothing of files."""
        return 0

    @abstractmethod
    def shared(self, evaluation: Evaluation, watcher: FitWatcher | None) -> AbstractContextManager[SharedEvaluation]:
        """Write an evaluation where workers map it, for the time of a ``with``; its data stay for the next one.

        The watcher is told of the fits that the driver sees begin.
        """

    @contextmanager
    def tasks(self, shared: SharedEvaluation, deadline: float, step: Step, description: str) -> Iterator[TaskStream]:
        """Give a stream of tasks, whose jobs are stopped at the end of the ``with``."""
        stream = self._stream(shared, deadline, step, description)
        try:
            yield stream
        finally:
            self._has_cancelled |= stream.cancel()

    @abstractmethod
    def _stream(self, shared: SharedEvaluation, deadline: float, step: Step, description: str) -> TaskStream:
        """Return a stream of tasks."""

    @abstractmethod
    def refit(self, refit: Refit) -> Any:
        """Return the estimator of `refit`, fitted on an executor."""

    @abstractmethod
    def release(self) -> None:
        """Give back what was sent to the executors, and what their nodes keep of it."""

    def _shared_data(self, data: Dataset) -> SharedObject:
        """Return where `data` lies; the same are written once, unless somebody has cleared the driver's disk."""
        is_there = self._data is not None and os.path.exists(self._data[1].path)
        if self._data is None or not is_there or not self._data[0].is_made_of_the_same(data):
            if self._data is not None:
                self._take_back(self._data[1])
            self._data = data, self._share(data)
        return self._data[1]

    def _share_refit(self, refit: Refit) -> SharedEvaluation:
        """Write `refit` where its task finds it; its data stay for the next one."""
        data = self._shared_data(refit.data)
        rest = self._share(replace(refit, data=NO_DATA))
        return SharedEvaluation(data, rest, releases=releases_of(refit.data, refit.estimator))

    def _share(self, value: Any) -> SharedObject:
        """Write `value` into a file of the driver, so that tasks can have it."""
        self._folder.mkdir(mode=0o700, exist_ok=True)  # which somebody may have cleared away
        return share(value, self._folder)

    def _take_back(self, shared: SharedObject) -> None:
        """Delete the driver's file; workers keep what they have built of it."""
        Path(shared.path).unlink(missing_ok=True)
