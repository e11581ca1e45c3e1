"""The refit as a task of a Spark job, and the way of its model back to the driver.

The task's process writes the model into a file, whose pieces Spark keeps on the executor's disk. The
driver fetches them by jobs that each return as much as `spark.driver.maxResultSize` easily allows, into
a file of its own: neither side holds the pickled model in memory, however large it is.
"""

from __future__ import annotations

import logging
import uuid
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any, BinaryIO

from pyspark import SparkContext

from hpt_spark.errors import HptSparkError
from hpt_spark.search.execution import spark_task
from hpt_spark.search.execution.driver_imports import DriverImports
from hpt_spark.search.execution.fit_process import LOST_TWICE, Death
from hpt_spark.search.execution.job_thread import run_to_its_end
from hpt_spark.search.execution.refit import WAY_OUT, Refit, Refitted, outcome, tried_twice
from hpt_spark.search.execution.spark_job import FetchJob, NoRoomError, SparkJob, WorkerDiedError
from hpt_spark.search.execution.spark_task import Pieces
from hpt_spark.search.execution.worker import SharedEvaluation
from hpt_spark.storage.disk_errors import translate_disk_errors

log = logging.getLogger(__name__)

TRANSFERS = 4  # of a model whose executor is lost while it is fetched, which says nothing against the refit
LOST_ON_ITS_WAY = "its executors were lost while its model was fetched"
PIECE_BYTES = 4 << 20


def refit_on_executor(
    context: SparkContext, refit: Refit, train: Callable[..., Iterator[_Piece]], folder: Path, most: int
) -> Any:
    """Return the fitted estimator of `refit`.

    Parameters
    ----------
    context : SparkContext
    refit : Refit
    train : callable
        What its task does: `model_in_pieces`, but for the size of a piece.
    folder : Path
        Of the driver, for the model.
    most : int
        Bytes that one job may bring to the driver.

    Raises
    ------
    HptSparkError
        When it has killed its process twice, or cannot travel.
    Exception
        What `fit` has raised.
    """

    def trained() -> Any:
        try:
            with _Model(context, train, most) as model:
                return _outcome(model, folder, type(refit.estimator).__name__)
        except WorkerDiedError as error:  # which ends the job of a local master
            return Death(str(error))

    return tried_twice(refit, trained)


def _outcome(model: _Model, folder: Path, name: str) -> Any:
    """Return the model that has arrived in `folder`, after what its fit has said, or its death; raise its error."""
    model.train()
    file = folder / f"{model.token}.model"
    try:
        with translate_disk_errors(file), file.open("wb") as arriving:
            ended = model.fetch(arriving)
        return ended if isinstance(ended, Death) else outcome(ended, file, name)
    finally:
        file.unlink(missing_ok=True)


@dataclass(frozen=True)
class _Piece:
    """A piece of a model's file; the first has none of it and tells, where it is asked for, how the refit ended."""

    training: str  # of which training the model is: a lost executor's is done again
    content: Any


class _Model:
    """The model of a refit, in pieces on the disk of the executor that trains it when it is first asked for."""

    def __init__(self, context: SparkContext, train: Callable[..., Iterator[_Piece]], most: int) -> None:
        self._context = context
        self.token = uuid.uuid4().hex
        piece_bytes = min(PIECE_BYTES, most)
        self._pieces_per_job = most // piece_bytes
        task = partial(train, piece_bytes=piece_bytes)
        # All of it goes to the disk at first, or the worker that trains would need another one to hand it over to.
        self._training = SparkJob(context, [self.token], task, "sweep: refit of the best candidate", keeps=True)

    def __enter__(self) -> _Model:
        return self

    def __exit__(self, *_: object) -> None:
        with suppress(Exception):  # of several kinds, where Spark was stopped
            self._training.unpersist()

    def train(self) -> None:
        """Train the model."""
        self._done(self._training)

    def fetch(self, file: BinaryIO) -> Refitted | Death:
        """Write the model to `file`, if there is one, and return how its training ended.

        Raises
        ------
        HptSparkError
            When one executor after another that has it is lost.
        """
        for transfer in range(TRANSFERS):
            first, *pieces = self._fetch(0)
            ended: Refitted | Death = first.content
            if transfer and isinstance(ended, Death) and ended.reason == LOST_TWICE:
                return Death(LOST_ON_ITS_WAY)
            if self._fetch_all(file, first.training, pieces):
                return ended
            log.warning("the executor that had trained the model was lost; the model is trained again, and fetched")
            file.seek(0)
            file.truncate()
        raise HptSparkError(
            f"the model of the refit was lost with its executor while it was fetched, {TRANSFERS} times at most; "
            f"{WAY_OUT}."
        )

    def _fetch_all(self, file: BinaryIO, training: str, pieces: Sequence[_Piece]) -> bool:
        """Write the model, which begins with `pieces`, to `file`; return whether all of it is of one training."""
        start = 0
        while True:
            file.writelines(piece.content for piece in pieces)
            if len(pieces) < self._pieces_per_job:
                return True
            start += self._pieces_per_job
            first, *pieces = self._fetch(start)
            if first.training != training:
                return False

    def _fetch(self, start: int) -> list[_Piece]:
        """Return the first piece, and those of the file from `start` on that one job may bring."""
        part = partial(_between, start=start, stop=start + self._pieces_per_job)
        job = FetchJob(self._context, [(self._training, 0)], part, "sweep: the refitted model, to the driver")
        self._done(job)
        return job.found

    def _done(self, job: SparkJob) -> None:
        """Wait for the end of `job`; raise what it has failed of."""
        run_to_its_end(job)
        failure = job.failure()
        if isinstance(failure, NoRoomError):
            raise HptSparkError(
                f"an executor's disk has no room for the model of the refit ({failure}); {WAY_OUT}."
            ) from None
        if failure is not None:
            raise failure


def _between(pieces: Iterator[_Piece], start: int, stop: int) -> Iterator[_Piece]:
    # The first one tells of which training all are, also where nothing is left: a refit that has died has no more.
    first = next(pieces)
    yield replace(first, content=None) if start else first
    yield from islice(pieces, start, stop)


def model_in_pieces(
    _: Iterable[str], shared: SharedEvaluation, pieces: Pieces, imports: DriverImports, piece_bytes: int
) -> Iterator[_Piece]:
    """Train the model, and yield its pieces; what the task does."""
    training, files = uuid.uuid4().hex, partial(spark_task.locate, shared, pieces)
    folder = spark_task.folder_of_this_node()
    for content in spark_task.refit_in_pieces(shared, files, imports, folder, piece_bytes):
        yield _Piece(training, content)
