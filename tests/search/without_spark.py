"""A whole search without Spark: its driver's code, its journal and its workers' code, all in this process."""

from __future__ import annotations

import math
import pickle
import threading
from contextlib import contextmanager, nullcontext
from types import SimpleNamespace
from unittest import mock

from hpt_spark.search import evaluator
from hpt_spark.search.execution import spark_context
from hpt_spark.search.execution.worker import WorkerCache
from hpt_spark.search.fit_groups import group_fits
from hpt_spark.search.planning.cost import start_order
from tests.search.in_process import KeptHere

ONE_AT_A_TIME = threading.Lock()  # a fit redirects what a process has once: its output, its filters of warnings
CONTEXT = SimpleNamespace(defaultParallelism=2)  # in place of Spark's


class Runner:
    """In place of the one on Spark: two slots, and a worker that is this process."""

    threads = 1
    planned_slots = slots = 2

    def __init__(self, spark):
        self.cache, self.checkpoints = WorkerCache(), KeptHere()

    def release(self):
        pass


class Scheduler:
    """In place of the one on Spark: one group after another."""

    forecast = seconds_left = None

    def __init__(self, runner, deadline=math.inf, watcher=None, description="", in_blocks=True):
        self.runner = runner
        self.trainings = self.fold_slices = self.matrices = 0

    def run(self, evaluation, fits):
        groups = group_fits(evaluation, fits)
        for group in (groups[at] for at in start_order(groups, self.runner.slots)):
            with ONE_AT_A_TIME:
                result = pickle.loads(pickle.dumps(self.runner.cache.run(evaluation, group)))
            self.trainings += result.trainings
            self.fold_slices += result.fold_slices
            self.matrices += result.matrices
            if result.checkpoint is not None:
                self.runner.checkpoints.contents[group.fits[-1]] = result.checkpoint
            yield group.with_all_fits(result.results)


@contextmanager
def without_spark():
    """Let searches run their fits in this process; the best candidate is to be trained on the driver."""
    with (
        mock.patch.object(evaluator, "Scheduler", Scheduler),
        mock.patch.object(spark_context, "spark_of", return_value=CONTEXT),
        mock.patch.object(spark_context, "runner_of", side_effect=Runner),
        mock.patch.object(spark_context, "slots_of", return_value=Runner.slots),
        mock.patch.object(spark_context, "translate_stop", side_effect=nullcontext),
    ):
        yield
