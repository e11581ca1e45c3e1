"""How the driver waits for a Spark job in a thread of its own, and stops it.

It waits for the job's event `ended`, never for the thread: up to Python 3.12, a signal that raises within
``Thread.join`` makes the thread pass for ended, and its job would go on unseen (CPython's bpo-45274).
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

from hpt_spark.search.abandoned import leave_if_abandoned
from hpt_spark.signals import hold_back_signals

if TYPE_CHECKING:
    from hpt_spark.search.execution.connect_job import ConnectJob
    from hpt_spark.search.execution.spark_job import SparkJob

SECONDS_BETWEEN_LOOKS = 0.1
SECONDS_TO_CANCEL = 30.0
SECONDS_BETWEEN_CANCELS = 0.5


@contextmanager
def started(job: ConnectJob | SparkJob) -> Iterator[None]:
    """Start a job, and stop it at the end of the ``with``."""
    try:
        with hold_back_signals():  # within `Thread.start` one would raise when the job has begun already
            job.start()
        yield
    finally:
        with suppress(Exception):  # of several kinds, where Spark was stopped and the job with it
            if job.ident is not None:  # else the signal came before its start
                job.cancel()


def run_to_its_end(job: ConnectJob | SparkJob) -> None:
    """Start a job and wait for its end; stop it on Ctrl-C, and where nobody waits for the search any longer."""
    with started(job):
        while not job.ended.wait(SECONDS_BETWEEN_LOOKS):  # Ctrl-C is answered in between
            leave_if_abandoned()


def cancel_with(ended: threading.Event, ask: Callable[[], object]) -> bool:
    """Let `ask` tell Spark to stop a job until it has `ended`, and return whether it still ran.

    It is told again and again: Spark forgets the wish where it has not begun the job yet.
    """
    still_ran = not ended.is_set()
    until = time.monotonic() + SECONDS_TO_CANCEL
    while not ended.is_set() and time.monotonic() < until:
        ask()
        ended.wait(SECONDS_BETWEEN_CANCELS)
    return still_ran
