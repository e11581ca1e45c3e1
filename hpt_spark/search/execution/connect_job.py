"""The operations of a search on Spark Connect: DataFrames whose tasks work in `mapInArrow`, in threads of their own.

Such an operation gives its rows in the order of its tasks, and those of a task when that has ended. So few tasks
share one, and many operations run at the same time.
"""

from __future__ import annotations

import threading
import uuid
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from typing import TYPE_CHECKING, Any

import cloudpickle
from pyspark.sql.types import BinaryType, BooleanType, StructField, StructType

from hpt_spark.search.execution.connect_session import translate_connect_error
from hpt_spark.search.execution.connect_task import rows_of_task
from hpt_spark.search.execution.job_thread import cancel_with, run_to_its_end

if TYPE_CHECKING:
    from pyspark.sql.connect.session import SparkSession

# Of the rows in which a task's values come; as a text, the server would be asked for what it means.
SCHEMA = StructType([StructField("content", BinaryType()), StructField("is_last", BooleanType())])


class Operations:
    """Operations of a session that run beside each other, `at_once` of them at a time, and are stopped together."""

    def __init__(self, session: SparkSession, at_once: int) -> None:
        self.session = session
        self.tag = f"hpt_spark-{uuid.uuid4().hex}"
        self.turns = threading.Semaphore(at_once)
        self.are_stopped = threading.Event()


class ConnectJob(threading.Thread):
    """An operation in a thread of its own, so that the driver can follow it and stop it.

    Parameters
    ----------
    operations : Operations
        Of which it is one.
    tasks : int
        How many.
    work : callable
        Is given the number of a task, and yields its values.
    take : callable
        Is given each value that they yield, in this thread.
    """

    def __init__(
        self, operations: Operations, tasks: int, work: Callable[[int], Iterable[Any]], take: Callable[[Any], None]
    ) -> None:
        super().__init__(name="hpt-spark-connect", daemon=True)
        self._operations = operations
        self._tasks = tasks
        self._work = work
        self._take = take
        self.ended = threading.Event()
        self._error: Exception | None = None

    def run(self) -> None:
        """Run the operation when it is its turn."""
        try:
            with self._operations.turns:
                if not self._operations.are_stopped.is_set():
                    self._operate()
        except Exception as error:
            self._error = error
        finally:
            self.ended.set()

    def _operate(self) -> None:
        session = self._operations.session
        session.addTag(self._operations.tag)  # which is this thread's
        frame = session.range(0, self._tasks, 1, self._tasks).mapInArrow(partial(rows_of_task, work=self._work), SCHEMA)
        for value in _values(frame.toLocalIterator()):
            self._take(value)

    def cancel(self) -> bool:
        """Stop all of the operations, wait for the end of this one, and return whether it still ran."""
        self._operations.are_stopped.set()
        return cancel_with(self.ended, partial(self._operations.session.interruptTag, self._operations.tag))

    def failure(self) -> Exception | None:
        """Return what has failed, as it concerns the search; None for an operation that has not."""
        return None if self._error is None else translate_connect_error(self._error, self._operations.session)


def values_of(session: SparkSession, work: Callable[[int], Iterable[Any]], take: Callable[[Any], None]) -> None:
    """Run one task to its end, with `take` for each value; raise what it has failed of."""
    job = ConnectJob(Operations(session, 1), 1, work, take)
    run_to_its_end(job)
    if failure := job.failure():
        raise failure


def _values(rows: Iterator[Any]) -> Iterator[Any]:
    """Yield the values that have come in pieces, each a row."""
    pickled = bytearray()
    for row in rows:
        pickled += row.content
        if row.is_last:
            yield cloudpickle.loads(bytes(pickled))
            pickled = bytearray()
