"""What the tasks of a search on Spark Connect do in Spark's Python workers."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import cloudpickle
from pyspark import SparkFiles

from hpt_spark.search.execution import between_tasks
from hpt_spark.search.execution.driver_imports import DriverImports
from hpt_spark.search.execution.fit_process import LOST_TWICE, Death
from hpt_spark.search.execution.refit import MOST_ATTEMPTS
from hpt_spark.search.execution.spark_task import earlier_attempts, fit_process, refit_in_pieces, tidy_up
from hpt_spark.search.execution.worker import SharedEvaluation
from hpt_spark.search.fit_groups import FitGroup
from hpt_spark.search.retries import Step

if TYPE_CHECKING:
    import pyarrow

# A value that a task yields is pickled, and its rows are pieces of the pickle: a message of Spark Connect is limited.
PIECE_BYTES = 2 << 20


class ConnectWork(ABC):
    """The function of a `mapInArrow`; a task is given its number, as its one row."""

    def __call__(self, batches: Iterable[pyarrow.RecordBatch]) -> Iterator[pyarrow.RecordBatch]:
        """Yield the values of a task as rows."""
        import pyarrow

        for batch in batches:
            for number in batch.column(0).to_pylist():
                for value in self.values(number):
                    pickled = cloudpickle.dumps(value)
                    for start in range(0, len(pickled), PIECE_BYTES):
                        piece = pickled[start : start + PIECE_BYTES]
                        is_last = start + PIECE_BYTES >= len(pickled)
                        yield pyarrow.RecordBatch.from_arrays(
                            [pyarrow.array([piece], pyarrow.binary()), pyarrow.array([is_last])],
                            names=["content", "is_last"],
                        )
        between_tasks.keep_it_short()

    @abstractmethod
    def values(self, number: int) -> Iterator[Any]:
        """Yield what comes of a task."""


class FitWork(ConnectWork):
    """Runs groups of fits; yields the place of each among those of all tasks, with its outcome.

    Parameters
    ----------
    shared : SharedEvaluation
    tasks : sequence of sequence of FitGroup
    step : Step
        How the groups are tried.
    imports : DriverImports
    """

    def __init__(
        self, shared: SharedEvaluation, tasks: Sequence[Sequence[FitGroup]], step: Step, imports: DriverImports
    ) -> None:
        self._shared = shared
        self._tasks = tasks
        self._step = step
        self._imports = imports

    def values(self, number: int) -> Iterator[tuple[int, bytes | Death]]:
        """Yield the outcomes of a task's groups."""
        groups = self._tasks[number]
        place = sum(map(len, self._tasks[:number]))
        executors = self._step.executors
        if executors is not None and earlier_attempts() >= executors:
            yield from ((place + at, Death(LOST_TWICE)) for at in range(len(groups)))
            return
        files = files_on_this_node(self._shared)
        outcomes = fit_process.run(self._shared, files, groups, self._imports)
        for at, (_, answer, _) in enumerate(outcomes):
            yield place + at, answer


class RefitWork(ConnectWork):
    """Trains the best candidate; yields how that ended, and then its model in pieces.

    Parameters
    ----------
    shared : SharedEvaluation
        Of the `Refit`.
    imports : DriverImports
    """

    def __init__(self, shared: SharedEvaluation, imports: DriverImports) -> None:
        self._shared = shared
        self._imports = imports

    def values(self, number: int) -> Iterator[Any]:
        """Yield them."""
        if earlier_attempts() >= MOST_ATTEMPTS:  # Spark would go on to its own limit
            yield Death(LOST_TWICE)
            return
        files = files_on_this_node(self._shared)
        yield from refit_in_pieces(self._shared, files, self._imports, _folder(), PIECE_BYTES)


class Count(ConnectWork):
    """Yields one value per partition of any DataFrame, so that the driver knows how many there are."""

    def __call__(self, batches: Iterable[pyarrow.RecordBatch]) -> Iterator[pyarrow.RecordBatch]:
        """Yield a row, whatever the partition has."""
        import pyarrow

        for _ in batches:
            pass
        yield from super().__call__([pyarrow.RecordBatch.from_arrays([pyarrow.array([0])], names=["id"])])

    def values(self, number: int) -> Iterator[int]:
        """Yield it."""
        yield 1


class TidyUpWork(ConnectWork):
    """Deletes the files of what was shared, which the processes of this node then forget.

    Parameters
    ----------
    tokens : frozenset of str
    """

    def __init__(self, tokens: frozenset[str]) -> None:
        self._tokens = tokens

    def values(self, number: int) -> Iterator[Any]:
        """Yield nothing."""
        tidy_up(_folder(), self._tokens)
        return iter(())


def files_on_this_node(shared: SharedEvaluation) -> list[str]:
    """Return the files of all parts, which Spark fetches for each executor before it begins a task of the session."""
    return [str(_folder() / Path(part.path).name) for part in shared.parts]


def _folder() -> Path:
    return Path(SparkFiles.getRootDirectory())
