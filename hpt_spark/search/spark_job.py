"""A Spark job in a thread of its own, and what its failure means."""

from __future__ import annotations

import re
import uuid
from collections.abc import Callable, Sequence
from typing import Any

from py4j.protocol import Py4JError
from pyspark import InheritableThread, SparkContext

from hpt_spark.errors import HptSparkError

# What Spark says when a Python worker or its executor is gone, rather than that Python code failed.
WORKER_DIED = re.compile(
    r"Python worker exited unexpectedly|ExecutorLostFailure|Executor ?Lost|Python worker has been crashed|"
    r"Connection reset|worker was lost|container .* exited|exit(?:ed)? (?:with )?code:? 1(?:37|39|43)",
    re.IGNORECASE,
)


class WorkerDiedError(Exception):
    """A task took its Python worker down, and Spark gave up the job.

    Parameters
    ----------
    task : int
        Position of the task in the job.
    reason : str
        What Spark says, in one line.
    """

    def __init__(self, task: int, reason: str) -> None:
        super().__init__(reason)
        self.task = task
        self.reason = reason


class SparkJob(InheritableThread):
    """The Spark job, in a thread of its own, so that the driver can follow it and stop it."""

    def __init__(self, context: SparkContext, tasks: Sequence[Any], work: Callable[..., None]) -> None:
        self.error: Exception | None = None
        self._spark_context = context
        self._group = f"hpt_spark-{uuid.uuid4().hex}"
        self._tasks = tasks
        self._work = work
        super().__init__(target=self._run_job, daemon=True)

    def _run_job(self) -> None:
        try:
            self._spark_context.setJobGroup(self._group, "hpt_spark: fits", interruptOnCancel=True)
            self._spark_context.parallelize(self._tasks, max(1, len(self._tasks))).foreachPartition(self._work)
        except Exception as error:
            self.error = error

    def cancel(self) -> bool:
        """Stop the job if it still runs, and wait for its end; return whether it still ran."""
        still_ran = self.is_alive()
        if still_ran:
            self._spark_context.cancelJobGroup(self._group)
            self.join(timeout=30)
        return still_ran


def explained(error: Exception) -> Exception:
    """Return what a failed job means to the search."""
    try:
        text = str(error)
    except Exception:  # PySpark asks the JVM for the text, which may be gone with it
        text = repr(error.args)
    lines = [line.strip() for line in text.splitlines()]
    task = re.search(r"Task (\d+) in stage", text)
    deaths = [line for line in lines if WORKER_DIED.search(line)]
    if isinstance(error, Py4JError) and task and deaths:
        return WorkerDiedError(int(task.group(1)), deaths[-1].rpartition("Exception: ")[2])
    reasons = [line for line in lines if re.match(r"[\w.]*(Error|Exception)\b", line)]
    return HptSparkError(f"the Spark job of the search failed: {(reasons or lines)[-1]}")
