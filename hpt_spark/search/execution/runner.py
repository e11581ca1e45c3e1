"""What runs groups of fits on Spark, whatever a driver has of it, and what it knows from Spark's settings alone."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from contextlib import AbstractContextManager
from typing import Any

from hpt_spark.search.evaluation import Evaluation
from hpt_spark.search.execution.begun import FitWatcher
from hpt_spark.search.execution.refit import Refit
from hpt_spark.search.execution.task_stream import TaskStream
from hpt_spark.search.execution.worker import SharedEvaluation
from hpt_spark.search.planning.forecast import MemoryLimit
from hpt_spark.search.planning.result_size import bytes_per_job, most_of_a_job
from hpt_spark.search.planning.slots import cores_of_task, workers_are_reused
from hpt_spark.search.retries import Step
from hpt_spark.search.warm_start import Kept


class Runner(ABC):
    """Runs groups of fits as tasks of Spark.

    Parameters
    ----------
    conf : mapping of str to str
        Spark's settings.

    Attributes
    ----------
    checkpoints : Kept
        What the trainings of the last evaluation have left for the next.
    """

    checkpoints: Kept

    def __init__(self, conf: Mapping[str, str]) -> None:
        self._conf = conf

    @property
    def threads(self) -> int:
        """The threads of a fit: Spark gives each task ``spark.task.cpus`` cores."""
        return cores_of_task(self._conf)

    @property
    @abstractmethod
    def slots(self) -> int:
        """How many tasks run at the same time, with the executors that are there now."""

    @property
    @abstractmethod
    def planned_slots(self) -> int:
        """How many tasks may run at the same time when all executors have come."""

    @property
    @abstractmethod
    def slots_per_executor(self) -> int:
        """How many of these tasks share an executor's memory; with a local master all do."""

    @property
    def reuses_workers(self) -> bool:
        """Whether a Python worker, and what it has prepared, serves one task after another."""
        return workers_are_reused(self._conf)

    @property
    def most_result_bytes(self) -> float:
        """What the tasks of a job may bring to the driver at the most, by Spark's settings."""
        return most_of_a_job(self._conf)

    @property
    def result_bytes(self) -> int:
        """What the tasks of a job are to bring to the driver together."""
        return bytes_per_job(self._conf)

    @abstractmethod
    def memory_limit(self) -> MemoryLimit | None:
        """Return what an executor's Python processes may take, where that is limited."""

    @abstractmethod
    def arriving_bytes(self, shared: SharedEvaluation) -> int:
        """Return what an executor's workers hold for a moment while `shared` arrives."""

    @abstractmethod
    def shared(
        self, evaluation: Evaluation, watcher: FitWatcher | None = None
    ) -> AbstractContextManager[SharedEvaluation]:
        """Write an evaluation where workers map it, for the time of a ``with``; its data stay for the next one.

        Parameters
        ----------
        evaluation : Evaluation
        watcher : FitWatcher, optional
            Is told what is being trained, so far as the driver can see that.
        """

    @abstractmethod
    def tasks(
        self, shared: SharedEvaluation, deadline: float, step: Step = Step.TOGETHER, description: str = "sweep"
    ) -> AbstractContextManager[TaskStream]:
        """Give a stream of tasks, whose jobs are stopped at the end of the ``with``."""

    @abstractmethod
    def refit(self, refit: Refit) -> Any:
        """Return the estimator of `refit`, fitted on an executor."""

    @abstractmethod
    def release(self) -> None:
        """Give back what was sent to the executors, and what their nodes keep of it."""
