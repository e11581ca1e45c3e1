"""The tasks of a search's Spark jobs, in Spark's Python workers."""

from __future__ import annotations

import os
import time
import uuid
from collections.abc import Callable, Iterable, Iterator, Sequence, Set
from functools import partial
from pathlib import Path
from typing import Any

import cloudpickle
from pyspark import Broadcast, SparkFiles, TaskContext
from pyspark.accumulators import Accumulator

from hpt_spark.errors import HptSparkError
from hpt_spark.search.execution import between_tasks
from hpt_spark.search.execution.address_space import translate_lack_of_address_space
from hpt_spark.search.execution.checkpoints import CheckpointPlace
from hpt_spark.search.execution.driver_imports import DriverImports
from hpt_spark.search.execution.fit_process import LOST_TWICE, Death, FitProcess
from hpt_spark.search.execution.node_share import SharedObject, path_on_this_node, put_in_place
from hpt_spark.search.execution.refit import MOST_ATTEMPTS, Refitted, refit_into_file
from hpt_spark.search.execution.spark_job import is_fetched
from hpt_spark.search.execution.task_stream import Arrived
from hpt_spark.search.execution.worker import SharedEvaluation
from hpt_spark.search.fit_groups import FitGroup
from hpt_spark.search.retries import Step

# A task that only tidies up waits so long for the other slots to get one of their own.
SECONDS_TO_SPREAD = 0.2

Pieces = Sequence["list[Broadcast[Piece]]"]  # of each part of a `SharedEvaluation`


def run_task(
    tasks: Iterable[Sequence[FitGroup]],
    shared: SharedEvaluation,
    pieces: Pieces,
    results: Accumulator[list[Arrived]],
    step: Step,
    imports: DriverImports,
    kept_as: tuple[str, int] | None,
    gone: Sequence[str],
) -> Iterator[tuple[int, bytes]]:
    """Run the groups of each task of a partition, of which there is one; yield what their job is to keep.

    These are checkpoints, each with the number of the last fit of its group.

    Parameters
    ----------
    tasks : iterable of sequence of FitGroup
    shared, imports
        As of `FitProcess.run`.
    pieces : sequence of list of Broadcast
        Of each part of `shared`, where this is not the driver's machine.
    results : Accumulator
    step : Step
        How the groups are tried.
    kept_as : (str, int) or None
        Where the job keeps the checkpoints of its trainings: the token of those of the evaluation, and which of its
        jobs this is.
    gone : sequence of str
        Names of files that nobody on a node needs any longer.
    """
    if kept_as is not None and is_fetched(kept_as[0]):
        return  # the executor that kept them was lost, and the driver asks for what there is
    context = TaskContext.get()

    def has_ended() -> bool:
        """Return whether the driver has taken its files back: a task may begin just when its job is cancelled."""
        return not any(pieces) and bool(shared.missing_files)

    for groups in tasks:
        if has_ended():
            return
        arrived: list[Arrived] = []
        if has_lost_executors(step):
            arrived = [(group, Death(LOST_TWICE), None) for group in groups]
        else:
            try:
                files = locate(shared, pieces, gone)
                for group, answer, checkpoint in fit_process.run(shared, files, groups, imports):
                    place = None
                    if checkpoint is not None and kept_as is not None and context is not None:
                        yield group.fits[-1].number, checkpoint
                        place = CheckpointPlace(kept_as[1], context.partitionId(), len(checkpoint))
                    arrived.append((group, answer, place))
            except HptSparkError:
                if has_ended():
                    return
                raise
        results.add(arrived)
    between_tasks.keep_it_short()


def locate(shared: SharedEvaluation, pieces: Pieces, gone: Sequence[str] = ()) -> list[str]:
    """Return the files of all parts on this node, after fetching missing ones and deleting the `gone` ones."""
    folder = folder_of_this_node()
    for name in gone:
        (folder / name).unlink(missing_ok=True)
    with translate_lack_of_address_space(shared.size):
        return [path_on_this_node(part, partial(_fetch, sent), folder) for part, sent in zip(shared.parts, pieces)]


def _fetch(pieces: Iterable[Broadcast[Piece]]) -> None:
    for piece in pieces:
        piece.value  # noqa: B018, to read it is to put it in place


class Piece:
    """A piece of a shared file, which goes into its node's file when it is unpickled there.

    With ``spark.io.encryption.enabled`` PySpark gives the value of every broadcast to every worker, asked for or
    not, and keeps it: so nothing of it may stay in memory.
    """

    def __init__(self, shared: SharedObject, number: int, content: bytes) -> None:
        self._shared = shared
        self._number = number
        self._content = content

    def __reduce__(self) -> tuple[Any, ...]:
        return (_put_in_place, (self._shared, self._number, self._content))


def _put_in_place(shared: SharedObject, number: int, content: bytes) -> None:
    put_in_place(shared, number, content, folder_of_this_node())


fit_process = FitProcess()


def has_lost_executors(step: Step) -> bool:
    """Return whether this task has lost as many executors as it may in this step."""
    return step.executors is not None and _earlier_attempts() >= step.executors


def _earlier_attempts() -> int:
    """Return how often Spark has tried this task before."""
    context = TaskContext.get()
    return 0 if context is None else context.attemptNumber()


def refit_in_pieces(
    shared: SharedEvaluation, files: Callable[[], Sequence[str]], imports: DriverImports, folder: Path, piece_bytes: int
) -> Iterator[Refitted | Death | bytes]:
    """Train the model of a `Refit` into a file in `folder`; yield how that ended, and then the file's pieces.

    `files` returns those of `shared` on this node.
    """
    if _earlier_attempts() >= MOST_ATTEMPTS:  # Spark would go on to its own limit
        yield Death(LOST_TWICE)
        return
    target = folder / f"{uuid.uuid4().hex}.model"
    try:
        here = files()
        answer = fit_process.call(partial(refit_into_file, shared, here, str(target)), here, imports)
        yield answer if isinstance(answer, Death) else cloudpickle.loads(answer)
        if target.exists():
            with target.open("rb") as file:
                while content := file.read(piece_bytes):
                    yield content
    finally:
        target.unlink(missing_ok=True)


def tidy_up_node(_: Iterable[int], tokens: Set[str]) -> Iterator[None]:
    """Delete the files of this node at the end of a search, and yield nothing."""
    tidy_up(folder_of_this_node(), tokens)
    return iter(())


def tidy_up(folder: Path, tokens: Set[str]) -> None:
    """Delete the files of what was shared under `tokens`, which the processes of this node then forget."""
    for file in folder.iterdir():
        if file.stem in tokens:
            file.unlink(missing_ok=True)
    time.sleep(SECONDS_TO_SPREAD)  # so that each slot gets a task of its own


def folder_of_this_node() -> Path:
    """Return a folder that is gone when the application ends.

    The executors of a node have it in common on YARN and on a standalone cluster.
    """
    on_yarn = os.environ.get("LOCAL_DIRS", "").split(",")[0]
    standalone = os.environ.get("SPARK_EXECUTOR_DIRS", "").split(os.pathsep)[0]
    return Path(on_yarn or standalone or SparkFiles.getRootDirectory())
