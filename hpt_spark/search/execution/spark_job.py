"""The Spark jobs of a search, in threads of their own, and the meaning of their failures."""

from __future__ import annotations

import re
import threading
import uuid
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from typing import Any

from py4j.protocol import Py4JError, Py4JJavaError, Py4JNetworkError
from pyspark import RDD, InheritableThread, SparkContext, StorageLevel, TaskContext

from hpt_spark.errors import HptSparkError, SparkEndedError
from hpt_spark.search.execution.driver_releases import OTHER_RELEASE_BEGINS
from hpt_spark.search.execution.job_thread import cancel_with, run_to_its_end
from hpt_spark.search.execution.spark_context import SPARK_STOPPED, is_stopped
from hpt_spark.search.planning.slots import is_local

# What Spark says when a Python worker or its executor is gone, rather than that Python code failed. It finds a closed
# channel when it takes an idle worker that is just ending, as after a cancelled job.
WORKER_DIED = re.compile(
    r"Python worker exited unexpectedly|ExecutorLostFailure|Executor ?Lost|Python worker has been crashed|"
    r"Connection reset|worker was lost|container .* exited|exit(?:ed)? (?:with )?code:? 1(?:37|39|43)|"
    r"ClosedChannelException",
    re.IGNORECASE,
)
CANCELLED = re.compile(r"SparkException: (?:\[\w+\] )?Job \d+ (?:was )?cancelled ?(.*)")
# A cluster that takes the application away stops its SparkContext.
STOPPED = re.compile(r"SparkContext was shut ?down|stopped SparkContext|Master removed our application")
NOT_IMPORTED = re.compile(r"ModuleNotFoundError: No module named '([\w.]+)'")
OTHER_VERSION = re.compile(r"(?:Can't get attribute|cannot import name) '([\w.]+)' (?:on <module|from) '([\w.]+)'")
OTHER_RELEASE = re.compile(f"{OTHER_RELEASE_BEGINS} .*")
NO_ROOM = re.compile(r"java\.io\.IOException: ((?:No space left on device|Disk quota exceeded|File too large).*)")
# An executor is lost, for example, when YARN kills its container; then Spark gives the reason last.
EXECUTOR_LOST = re.compile(r"ExecutorLostFailure \(.*?\) Reason: (.*)")
REASON = re.compile(r"(?:: )?(?:Caused by: )?([\w.$]*(?:Error|Exception)\b.*)")

STAGE_NAME = "callSite.short"  # Spark's own property of a thread
FETCH = "hpt_spark.fetch"  # a property of the thread of a `FetchJob`, which its tasks see


class NoRoomError(HptSparkError):
    """An executor's disk had no room for what a job was to keep there."""


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


class SparkJob(InheritableThread):
    """A Spark job, in a thread of its own, so that the driver can follow it and stop it.

    Parameters
    ----------
    context : SparkContext
    tasks : sequence
        Each is a partition.
    work : callable
        Called with an iterator over a partition's task; what it yields is counted.
    description : str
        What Spark's UI calls the job and its stage.
    keeps : bool
        Whether what `work` yields stays on the executors' disks, as the RDD `kept`.
    """

    def __init__(
        self,
        context: SparkContext,
        tasks: Sequence[Any],
        work: Callable[[Iterable[Any]], Iterable[Any]],
        description: str,
        keeps: bool = False,
    ) -> None:
        self.error: Exception | None = None
        self.ended = threading.Event()
        self.kept: RDD[Any] | None = None
        self._keeps = keeps
        self._description = description
        self._spark_context = context
        self._group = f"hpt_spark-{uuid.uuid4().hex}"
        self._tasks = tasks
        self._work = work
        super().__init__(target=self._run_job, daemon=True)

    def run(self) -> None:
        """Run the job, which has ended also where PySpark fails before it begins."""
        try:
            super().run()
        except Exception as error:
            self.error = error
        finally:
            self.ended.set()

    def _run_job(self) -> None:
        self._spark_context.setJobGroup(self._group, self._description, interruptOnCancel=True)
        self._spark_context.setLocalProperty(STAGE_NAME, self._description)
        self._act()

    def _act(self) -> None:
        done = self._spark_context.parallelize(self._tasks, max(1, len(self._tasks))).mapPartitions(self._work)
        if self._keeps:
            self.kept = done
            done.persist(StorageLevel.DISK_ONLY)
        # Java's: PySpark's own would send the values through Python once more, and name the stage by a line of code.
        done._jrdd.count()

    def unpersist(self) -> None:
        """Let the executors delete what they keep."""
        if self.kept is not None:
            self.kept.unpersist()

    def cancel(self) -> bool:
        """Stop the job if it still runs, and wait for its end; return whether it still ran."""
        return cancel_with(self.ended, partial(self._spark_context.cancelJobGroup, self._group))

    def failure(self) -> Exception | None:
        """Return what has failed, as it concerns the search; None for a job that has not."""
        if self.error is None:
            return None
        if is_stopped(self._spark_context):  # whatever shows it: PySpark's calls then fail in many ways
            return SparkEndedError(SPARK_STOPPED)
        if self._keeps and (no_room := NO_ROOM.search(str(self.error))):
            return NoRoomError(no_room[1])
        return translate_job_error(self.error, is_local(str(self._spark_context.master)))


class FetchJob(SparkJob):
    """Fetches to the driver some of what the tasks of jobs keep on their executors' disks.

    Parameters
    ----------
    context : SparkContext
    tasks : sequence of (SparkJob, int)
        Which tasks' to fetch, each by its job.
    part : callable
        Returns which of the values of a task are wanted.
    description : str
    token : str
        By which the tasks that keep it know that they are not to work again where an executor was lost.
    """

    def __init__(
        self,
        context: SparkContext,
        tasks: Sequence[tuple[SparkJob, int]],
        part: Callable[[Iterable[Any]], Iterable[Any]],
        description: str,
        token: str = "",
    ) -> None:
        super().__init__(context, tasks, part, description)
        self._token = token
        self.found: list[Any] = []

    def fetched(self, deadline: float) -> list[Any]:
        """Run the job, and return the values that executors still have; HptSparkError at the deadline."""
        if not run_to_its_end(self, deadline):
            raise HptSparkError("there was no time to fetch them")
        failure = self.failure()
        if failure is not None:
            raise failure
        return self.found

    def _act(self) -> None:
        kept: dict[RDD[Any], int] = {}  # each with the place of its first partition in all of them
        partitions = []
        end = 0
        for job, task in self._tasks:
            if job.kept not in kept:
                kept[job.kept] = end
                end += job.kept.getNumPartitions()
            partitions.append(kept[job.kept] + task)
        self._spark_context.setLocalProperty(FETCH, self._token)
        self.found = self._spark_context.runJob(self._spark_context.union(list(kept)), self._work, partitions)


def is_fetched(token: str) -> bool:
    """Return whether this task is one of a `FetchJob` of values that executors keep under `token`."""
    context = TaskContext.get()
    return context is not None and context.getLocalProperty(FETCH) == token


def translate_job_error(error: Exception, is_local: bool) -> Exception:
    """Return the error that a job's error means to the search; with `is_local`, workers run on the driver's machine."""
    try:
        text = str(error)
    except Exception:  # PySpark asks the JVM for the text, which may be gone with it
        text = repr(error.args)
    if isinstance(error, (Py4JNetworkError, ConnectionError)) or STOPPED.search(text):
        return SparkEndedError(SPARK_STOPPED)
    if isinstance(error, Py4JJavaError) and (cancelled := CANCELLED.search(text)):
        how = re.sub(r" SQLSTATE: \w+", "", cancelled[1]).strip()
        return SparkEndedError(f"the Spark job of the search was cancelled{f' ({how})' if how else ''}.")
    if isinstance(error, Py4JError) and (death := worker_death(text)):
        return death
    reason = reason_of_failure(text) or type(error).__name__
    return HptSparkError(import_advice(reason, is_local) or f"the Spark job of the search failed: {reason}")


def worker_death(text: str) -> WorkerDiedError | None:
    """Return which task has taken its worker down, where the text of a job's failure says so."""
    task = re.search(r"Task (\d+) in stage", text)
    deaths = [line.strip() for line in text.splitlines() if WORKER_DIED.search(line)]
    if not task or not deaths:
        return None
    lost = EXECUTOR_LOST.search(deaths[-1])
    return WorkerDiedError(int(task[1]), lost[1] if lost else deaths[-1].rpartition("Exception: ")[2])


def reason_of_failure(text: str) -> str:
    """Return the line of a job's failure that says why."""
    lines = [line.strip() for line in text.splitlines()]
    reasons = [found[1] for line in lines if (found := REASON.match(line))]
    return (reasons or [line for line in lines if not line.startswith("at ")] or [""])[-1]


def import_advice(reason: str, is_local: bool, send: str = "spark-submit --py-files or sc.addPyFile") -> str | None:
    """Return what to do where `reason` is that workers cannot import what the driver has imported.

    `is_local`: they run on the driver's machine; `send` tells how else a module comes to them.
    """
    if other_release := OTHER_RELEASE.search(reason):
        return other_release[0]
    missing, other = NOT_IMPORTED.search(reason), OTHER_VERSION.search(reason)
    if missing and is_local:
        return (
            f"the workers cannot import the module {missing[1]}: put its folder on sys.path before the search, or let "
            f"cloudpickle.register_pickle_by_value({missing[1]}) send its code."
        )
    if missing:
        return f"the executors cannot import the module {missing[1]}: send it with {send}, or install it on each node."
    if other and other[2] == "__main__":
        return (
            f"the workers have no {other[1]}, which pickle sends by its name alone (as what functools.lru_cache makes "
            "of a function): define it in a module beside your script, and import it from there."
        )
    if other:
        return (
            f"the workers import another module {other[2]} than the driver, without {other[1]}: send the driver's own "
            f"with {send} under another name, or start Spark anew."
        )
    return None
