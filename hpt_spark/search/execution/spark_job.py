"""The Spark of a search: its context, its jobs in threads of their own, and what their failures mean."""

from __future__ import annotations

import multiprocessing
import os
import re
import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from py4j.protocol import Py4JError, Py4JJavaError, Py4JNetworkError
from pyspark import InheritableThread, SparkContext, TaskContext

from hpt_spark.errors import HptSparkError, InputError, SparkEndedError
from hpt_spark.storage import without_secrets

# What Spark says when a Python worker or its executor is gone, rather than that Python code failed.
WORKER_DIED = re.compile(
    r"Python worker exited unexpectedly|ExecutorLostFailure|Executor ?Lost|Python worker has been crashed|"
    r"Connection reset|worker was lost|container .* exited|exit(?:ed)? (?:with )?code:? 1(?:37|39|43)",
    re.IGNORECASE,
)
CANCELLED = re.compile(r"SparkException: (?:\[\w+\] )?Job \d+ (?:was )?cancelled ?(.*)")
# A cluster that takes the application away stops its SparkContext.
STOPPED = re.compile(r"SparkContext was shut ?down|stopped SparkContext|Master removed our application")
NOT_IMPORTED = re.compile(r"ModuleNotFoundError: No module named '([\w.]+)'")
OTHER_VERSION = re.compile(r"(?:Can't get attribute|cannot import name) '([\w.]+)' (?:on <module|from) '([\w.]+)'")
REASON = re.compile(r"(?:: )?(?:Caused by: )?([\w.$]*(?:Error|Exception)\b.*)")

SPARK_CONNECT = (
    "a search needs a SparkContext, and Spark Connect has none: run the script with spark-submit, or start Spark "
    "without remote() (SPARK_REMOTE, spark.remote), e.g. SparkSession.builder.master('local[*]').getOrCreate()."
)
STAYS = (
    "a SparkContext stays in the process that started it, and this search runs in another one: run what holds the "
    "search (cross_val_score, a search of scikit-learn) with n_jobs=None, its fits run on Spark all the same; within "
    "a search of hpt_spark, or another Spark job, use scikit-learn's own search."
)
SPARK_STOPPED = "Spark was stopped before the search had ended."


def spark_context(given: Any, of_parent: Any = None) -> SparkContext:
    """Return the SparkContext that a search was `given`, itself or its session, or the active one.

    Parameters
    ----------
    given : SparkContext, SparkSession or None
    of_parent : SparkContext, optional
        The one that this process has inherited by a fork.

    Raises
    ------
    InputError
        When a search cannot use it; the message says why.
    """
    if _is_of_spark_connect(given):
        raise InputError(SPARK_CONNECT)
    active: Any = SparkContext._active_spark_context
    if given is None and active is None:
        if multiprocessing.parent_process() is not None or TaskContext.get() is not None:
            raise InputError(STAYS)
        raise InputError("there is no active SparkContext; start Spark first or give the search one as sc=.")
    context = active if given is None else given
    if not isinstance(context, SparkContext):
        # Asked of an instance alone: of the class SparkSession it would be a property.
        context = None if isinstance(given, type) else getattr(given, "sparkContext", None)
    if not isinstance(context, SparkContext):
        raise InputError(
            f"sc= is {_describe_given(given)}; it must be a SparkContext or a SparkSession, or None for the active one."
        )
    if context is of_parent:
        raise InputError(STAYS)
    if is_stopped(context):
        raise InputError(
            "the SparkContext of the search is stopped; start Spark again and give the search the new one "
            "(set_params(sc=...)), or none to take the active one (sc=None)."
        )
    return context


def is_stopped(context: SparkContext) -> bool:
    """Return whether Spark was stopped, from Python, from elsewhere, or with its Java."""
    java: Any = context._jsc
    try:
        return java is None or bool(java.sc().isStopped())
    except Exception:  # of several kinds: no Java answers
        return True


@contextmanager
def translate_stop(context: SparkContext) -> Iterator[None]:
    """Let what fails because Spark was stopped fail with one sentence."""
    try:
        yield
    except HptSparkError:
        raise
    except Exception:
        if is_stopped(context):
            raise SparkEndedError(SPARK_STOPPED) from None
        raise


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
            self._work_on_spark()
        except Exception as error:
            self.error = error

    def _work_on_spark(self) -> None:
        self._spark_context.parallelize(self._tasks, max(1, len(self._tasks))).foreachPartition(self._work)

    def cancel(self) -> bool:
        """Stop the job if it still runs, and wait for its end; return whether it still ran."""
        still_ran = self.is_alive()
        if still_ran:
            self._spark_context.cancelJobGroup(self._group)
            self.join(timeout=30)
        return still_ran

    def failure(self, is_local: bool) -> Exception | None:
        """Return what has failed, as it concerns the search; None for a job that has not."""
        if self.error is None:
            return None
        if is_stopped(self._spark_context):  # whatever shows it: PySpark's calls then fail in many ways
            return SparkEndedError(SPARK_STOPPED)
        return translate_job_error(self.error, is_local)


def translate_job_error(error: Exception, is_local: bool) -> Exception:
    """Return what a failed job means to the search.

    Parameters
    ----------
    error : Exception
        Of the job's thread.
    is_local : bool
        Whether the workers run on the driver's machine.
    """
    try:
        text = str(error)
    except Exception:  # PySpark asks the JVM for the text, which may be gone with it
        text = repr(error.args)
    lines = [line.strip() for line in text.splitlines()]
    if isinstance(error, (Py4JNetworkError, ConnectionError)) or STOPPED.search(text):
        return SparkEndedError(SPARK_STOPPED)
    if isinstance(error, Py4JJavaError) and (cancelled := CANCELLED.search(text)):
        how = re.sub(r" SQLSTATE: \w+", "", cancelled[1]).strip()
        return SparkEndedError(f"the Spark job of the search was cancelled{f' ({how})' if how else ''}.")
    task = re.search(r"Task (\d+) in stage", text)
    deaths = [line for line in lines if WORKER_DIED.search(line)]
    if isinstance(error, Py4JError) and task and deaths:
        return WorkerDiedError(int(task.group(1)), deaths[-1].rpartition("Exception: ")[2])
    reasons = [found[1] for line in lines if (found := REASON.match(line))]
    reason = (reasons or [line for line in lines if not line.startswith("at ")] or [type(error).__name__])[-1]
    return HptSparkError(_import_advice(reason, is_local) or f"the Spark job of the search failed: {reason}")


def _import_advice(reason: str, is_local: bool) -> str | None:
    """Return what to do where `reason` is that workers cannot import what the driver has imported."""
    missing, other = NOT_IMPORTED.search(reason), OTHER_VERSION.search(reason)
    if missing and is_local:
        return (
            f"the workers cannot import the module {missing[1]}: put its folder on sys.path before the search, or let "
            f"cloudpickle.register_pickle_by_value({missing[1]}) send its code."
        )
    send = "spark-submit --py-files or sc.addPyFile"
    if missing:
        return f"the executors cannot import the module {missing[1]}: send it with {send}, or install it on each node."
    if other:
        return (
            f"the workers import another module {other[2]} than the driver, without {other[1]}: send the driver's own "
            f"with {send} under another name, or start Spark anew."
        )
    return None


def _is_of_spark_connect(given: Any) -> bool:
    """Return whether `given`, or for None this process, is Spark Connect's."""
    kinds = given.__mro__ if isinstance(given, type) else type(given).__mro__
    if any(kind.__module__.startswith("pyspark.sql.connect") for kind in kinds):
        return True
    # PySpark's own threads and functions are Spark Connect's then, also beside a SparkContext.
    return (given is None or isinstance(given, SparkContext)) and "SPARK_CONNECT_MODE_ENABLED" in os.environ


def _describe_given(given: Any) -> str:
    """Return what `given` is, in a few words."""
    if isinstance(given, type):
        return f"the class {given.__name__}, not an instance"
    if isinstance(given, str):
        return f"the text {without_secrets(given)[:60]!r} (a master goes to SparkSession.builder.master)"
    if type(given).__qualname__ == "SparkSession.Builder":
        return "a builder of sessions (call its getOrCreate)"
    return f"of type {type(given).__name__}"
