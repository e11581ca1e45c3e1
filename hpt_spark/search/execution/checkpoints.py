"""Checkpoints of trainings, which stay on the executors' disks until the next evaluation asks for some.

Most are never asked for: halving drops their candidates. So a task hands its checkpoints over as the elements of
its partition, of an RDD that is persisted on disks, and the driver is only told where each one lies. Those of the
survivors are then read in small batches into one file, which is sent as the data are.
"""

from __future__ import annotations

import math
import time
import uuid
import warnings
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Set
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from pyspark import Broadcast, SparkContext

from hpt_spark.errors import SparkEndedError
from hpt_spark.search.evaluation import Fit
from hpt_spark.search.execution.spark_job import FetchJob, SparkJob

# What the driver holds at a time, in Java and in Python: small beside them, large beside the cost of a job.
BATCH_BYTES = 16 << 20
TRAINED_ANEW = "what they trained is trained anew, with the same scores"


@dataclass(frozen=True)
class CheckpointPlace:
    """Where a checkpoint lies."""

    job: int  # which of the evaluation's jobs has made it
    task: int  # the task's position in the job
    size: int  # bytes


class Checkpoints:
    """The checkpoints that the trainings of one evaluation have left for the next; the driver fetches into `folder`.

    Attributes
    ----------
    jobs : list of SparkJob
        Those of the evaluation that keep their tasks' checkpoints.
    are_kept : bool
        Whether jobs keep theirs; no longer when a disk had no room for them.
    token : str
        By which the evaluation's tasks know that they are not to work again where an executor was lost.
    """

    def __init__(self, context: SparkContext, folder: Path) -> None:
        self._context = context
        self._folder = folder
        self.jobs: list[SparkJob] = []
        self._held: list[Broadcast[Any]] = []
        self._places: dict[Fit, CheckpointPlace] = {}
        self.are_kept = True
        self.token = uuid.uuid4().hex

    @property
    def fits(self) -> Collection[Fit]:
        """The fits whose trainings have left one; of a group the last."""
        return self._places.keys()

    def hold(self, broadcasts: Iterable[Broadcast[Any]]) -> None:
        """Free the executors of what the jobs' tasks were sent, and destroy it later: an RDD cannot do without it."""
        for broadcast in broadcasts:
            broadcast.unpersist()
            self._held.append(broadcast)

    def note(self, fit: Fit, place: CheckpointPlace) -> None:
        """Remember where the checkpoint of a training lies."""
        self._places[fit] = place

    def give_up(self, reason: str) -> None:
        """Let no further job keep checkpoints."""
        self.are_kept = False
        warnings.warn(f"the checkpoints of trainings are not kept ({reason}): {TRAINED_ANEW}.", UserWarning, 2)

    def fetch(self, fits: Iterable[Fit], deadline: float = math.inf) -> tuple[str, Mapping[Fit, tuple[int, int]]]:
        """Write the checkpoints of some fits into one file by `deadline`, and let all others go.

        Returns
        -------
        path : str
            The file, or "" where there is nothing in it.
        places : mapping of Fit to (offset, size)
            Of the checkpoints that could be fetched; others were lost with their executors.
        """
        wanted = {fit: self._places[fit] for fit in fits}
        path = self._folder / f"{uuid.uuid4().hex}.shared"
        found: dict[Fit, tuple[int, int]] = {}
        reason = "they were lost with their executors"
        try:
            if wanted:
                with open(path, "wb") as file:
                    for fit, content in self._read(wanted, deadline):
                        found[fit] = (file.tell(), len(content))
                        file.write(content)
        except SparkEndedError:
            raise
        except Exception as error:  # of Spark's job, or of the driver's disk
            reason = str(error)
            if isinstance(error, OSError):
                found.clear()
        finally:
            self.forget()
        if len(found) < len(wanted) and time.monotonic() < deadline:  # later nothing is trained
            warnings.warn(
                f"{len(wanted) - len(found)} of {len(wanted)} checkpoints of trainings cannot be had ({reason}): "
                f"{TRAINED_ANEW}.",
                UserWarning,
                stacklevel=2,
            )
        if found:
            return str(path), found
        path.unlink(missing_ok=True)
        return "", {}

    def forget(self) -> None:
        """Let the executors delete what they keep."""
        jobs, self.jobs = self.jobs, []
        self._places.clear()
        self.token = uuid.uuid4().hex
        held, self._held = self._held, []
        with suppress(Exception):  # of several kinds, where Spark was stopped: all that it keeps goes with it
            for job in jobs:
                job.unpersist()
            for broadcast in held:
                broadcast.destroy()

    def _read(self, wanted: Mapping[Fit, CheckpointPlace], deadline: float) -> Iterator[tuple[Fit, bytes]]:
        by_number = {fit.number: fit for fit in wanted}
        for batch in _batches(wanted):
            tasks = [(self.jobs[job], task) for job, task in batch]
            part = partial(_among, numbers=frozenset(by_number))
            fetching = FetchJob(self._context, tasks, part, "sweep: checkpoints of an earlier rung", self.token)
            for number, content in fetching.fetched(deadline):
                yield by_number[number], content


def _among(pairs: Iterable[tuple[int, bytes]], numbers: Set[int]) -> Iterator[tuple[int, bytes]]:
    return (pair for pair in pairs if pair[0] in numbers)


def _batches(wanted: Mapping[Fit, CheckpointPlace]) -> Iterator[list[tuple[int, int]]]:
    """Yield tasks, each by its job, with checkpoints of at most `BATCH_BYTES` together, or one task."""
    sizes: defaultdict[tuple[int, int], int] = defaultdict(int)
    for place in wanted.values():
        sizes[place.job, place.task] += place.size
    batch: list[tuple[int, int]] = []
    size = 0
    for task, more in sorted(sizes.items()):
        if batch and size + more > BATCH_BYTES:
            yield batch
            batch, size = [], 0
        batch.append(task)
        size += more
    if batch:
        yield batch
