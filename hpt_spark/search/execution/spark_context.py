"""Which Spark a search runs on: the one that it was given, or the active one; and what is told when that is gone."""

from __future__ import annotations

import multiprocessing
import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from pyspark import SparkContext, TaskContext

from hpt_spark.errors import HptSparkError, InputError, SparkEndedError

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
        from hpt_spark.storage import without_secrets  # locks files, which takes workers 0.1 s to import for nothing

        return f"the text {without_secrets(given)[:60]!r} (a master goes to SparkSession.builder.master)"
    if type(given).__qualname__ == "SparkSession.Builder":
        return "a builder of sessions (call its getOrCreate)"
    return f"of type {type(given).__name__}"
