"""How the driver waits for a Spark job in a thread of its own, and stops it.

It waits for the job's event `ended`, never for the thread: up to Python 3.12, a signal that raises within
``Thread.join`` makes the thread pass for ended, and its job would go on unseen (CPython's bpo-45274).
"""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from typing import TYPE_CHECKING

from hpt_spark.search.abandoned import leave_if_abandoned
from hpt_spark.signals import hold_back_signals

if TYPE_CHECKING:
    from hpt_spark.search.execution.connect_job import ConnectJob
    from hpt_spark.search.execution.spark_job import SparkJob

SECONDS_BETWEEN_LOOKS = 0.1
SECONDS_TO_CANCEL = 30.0
SECONDS_BETWEEN_CANCELS = 0.5


def run_to_its_end(job: ConnectJob | SparkJob, deadline: float = math.inf) -> bool:
    """Start a job and wait for its end; stop it on Ctrl-C, and where nobody waits for the search any longer.

    It is stopped at `deadline`, too, on the clock of `time.monotonic`; return whether it has ended before that.
    """
    try:
        with hold_back_signals():  # within `Thread.start` one would raise when the job has begun already
            job.start()
        while not job.ended.wait(SECONDS_BETWEEN_LOOKS):  # Ctrl-C is answered in between
            leave_if_abandoned()
            if time.monotonic() >= deadline:
                return False
        return True
    finally:
        with suppress(Exception):  # of several kinds, where Spark was stopped and the job with it
            if job.ident is not None:  # else the signal came before its start
                job.cancel()


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
