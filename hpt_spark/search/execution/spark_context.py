"""The Spark that a search runs on, given or active, and the error when that is gone."""

from __future__ import annotations

import multiprocessing
import os
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from pyspark import SparkContext, TaskContext

from hpt_spark.errors import ArgumentError, HptSparkError, InputError, SparkEndedError
from hpt_spark.masking import without_secrets
from hpt_spark.search.planning.slots import cores_of_task

if TYPE_CHECKING:
    from hpt_spark.search.execution.runner import Runner

BESIDE_CONNECT = (
    "this process is in Spark Connect's mode (remote(), SPARK_REMOTE or spark.remote), in which a SparkContext cannot "
    "serve a search: give the search the session of Spark Connect, or start Spark without that."
)
CONNECT_MODE = "SPARK_CONNECT_MODE_ENABLED"  # PySpark's own variable
STAYS = (
    "a SparkContext stays in the process that started it (so does a session of Spark Connect), and this search runs in "
    "another one: run what holds the search (cross_val_score, a search of scikit-learn) with n_jobs=None, its fits run "
    "on Spark all the same; within a search of hpt_spark, or another Spark job, use scikit-learn's own search."
)
CONTEXT_STOPPED = (
    "the SparkContext of the search is stopped; start Spark again and give the search the new one "
    "(set_params(sc=...)), or none to take the active one (sc=None)."
)
SPARK_STOPPED = "Spark was stopped before the search had ended."

_spark_of_parent: list[Any] = []


def _remember_spark_of_parent() -> None:
    """Remember the Spark that a fork has copied: two processes cannot talk over its one connection."""
    for module, kind, name in (
        ("pyspark", "SparkContext", "_active_spark_context"),
        ("pyspark.sql.connect.session", "SparkSession", "_default_session"),
    ):
        spark = getattr(getattr(sys.modules.get(module), kind, None), name, None)
        if spark is not None:
            _spark_of_parent.append(spark)


os.register_at_fork(after_in_child=_remember_spark_of_parent)


def spark_of(given: Any) -> Any:
    """Return the Spark that a search was `given`, or the active one: a SparkContext, or a session of Spark Connect.

    Raises
    ------
    InputError
        When a search cannot use it; the message says why.
    """
    from hpt_spark.search.execution.connect_session import connect_session  # which imports this module

    is_connect = is_of_connect(given) or (given is None and CONNECT_MODE in os.environ)
    if given is None and is_connect and _is_worker():
        raise InputError(STAYS)
    spark: Any = connect_session(given) if is_connect else _spark_context(given)
    # Before it is asked anything: the parent's Java would answer the parent.
    if any(spark is one for one in _spark_of_parent):
        raise InputError(STAYS)
    if not is_connect and is_stopped(spark):
        raise InputError(CONTEXT_STOPPED)
    return spark


def runner_of(spark: Any) -> Runner:
    """Return the runner of fits on a SparkContext, or on a session of Spark Connect."""
    if is_of_connect(spark):
        from hpt_spark.search.execution.connect_runner import ConnectRunner

        return ConnectRunner(spark)
    from hpt_spark.search.execution.spark_runner import SparkRunner

    return SparkRunner(spark)


def slots_of(spark: Any) -> int:
    """Return how many tasks run at the same time, with the executors that are there now."""
    if is_of_connect(spark):
        from hpt_spark.search.execution.connect_runner import slots_of_server

        return slots_of_server(spark, spark.conf.getAll)
    return slots_of_context(spark, dict(spark.getConf().getAll()))


def slots_of_context(context: SparkContext, conf: Mapping[str, str]) -> int:
    """Return how many tasks run at the same time, with the executors that are there now.

    Until one has come, that is what Spark itself goes by: ``spark.default.parallelism``, or two cores. `conf` has its
    settings; to ask for them takes longer than all the rest.
    """
    registered = 0
    if "spark.default.parallelism" in conf:  # Spark's own number is that of partitions then, whatever cores there are
        scala: Any = context._jsc
        of_scala = scala.sc()
        registered = int(of_scala.maxNumConcurrentTasks(of_scala.resourceProfileManager().defaultResourceProfile()))
    return registered or max(1, context.defaultParallelism // cores_of_task(conf))


def _spark_context(given: Any) -> SparkContext:
    """Return the SparkContext that was `given`, itself or its session, or the active one."""
    active: Any = SparkContext._active_spark_context
    if given is None and active is None:
        if _is_worker():
            raise InputError(STAYS)
        raise InputError("there is no active SparkContext; start Spark first or give the search one as sc=.")
    context = active if given is None else given
    if not isinstance(context, SparkContext):
        # Asked of an instance alone: of the class SparkSession it would be a property.
        context = None if isinstance(given, type) else getattr(given, "sparkContext", None)
    if not isinstance(context, SparkContext):
        raise ArgumentError(
            f"sc= is {_describe_given(given)}; it must be a SparkContext or a SparkSession, or None for the active one."
        )
    if CONNECT_MODE in os.environ:  # PySpark's own threads and functions are Spark Connect's then
        raise InputError(BESIDE_CONNECT)
    return context


def is_stopped(spark: Any) -> bool:
    """Return whether Spark was stopped, from Python, from elsewhere, or with its Java."""
    if is_of_connect(spark):
        return bool(spark.is_stopped)
    java: Any = spark._jsc
    try:
        return java is None or bool(java.sc().isStopped())
    except Exception:  # of several kinds: no Java answers
        return True


@contextmanager
def translate_stop(spark: Any) -> Iterator[None]:
    """Raise SparkEndedError for an error that comes from a stopped Spark."""
    try:
        yield
    except HptSparkError:
        raise
    except Exception:
        if is_stopped(spark):
            raise SparkEndedError(SPARK_STOPPED) from None
        raise


def is_of_connect(spark: Any) -> bool:
    """Return whether this is a session of Spark Connect, which PySpark without its packages cannot import."""
    return not isinstance(spark, type) and any(
        kind.__module__.startswith("pyspark.sql.connect.session") and kind.__name__ == "SparkSession"
        for kind in type(spark).__mro__
    )


def _is_worker() -> bool:
    """Return whether this is a process of a fit, or another Spark task, or one that a parent has started."""
    return multiprocessing.parent_process() is not None or TaskContext.get() is not None


def _describe_given(given: Any) -> str:
    """Return what `given` is, in a few words."""
    if isinstance(given, type):
        return f"the class {given.__name__}, not an instance"
    if isinstance(given, str):
        return f"the text {without_secrets(given)[:60]!r} (a master goes to SparkSession.builder.master)"
    if type(given).__qualname__ == "SparkSession.Builder":
        return "a builder of sessions (call its getOrCreate)"
    return f"of type {type(given).__name__}"
