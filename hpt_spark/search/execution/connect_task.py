"""The tasks of a search on Spark Connect, in Spark's Python workers."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence, Set
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import cloudpickle
from pyspark import SparkFiles

from hpt_spark.search.execution import between_tasks
from hpt_spark.search.execution.driver_imports import DriverImports
from hpt_spark.search.execution.fit_process import LOST_TWICE, Death
from hpt_spark.search.execution.spark_task import fit_process, has_lost_executors, refit_in_pieces, tidy_up
from hpt_spark.search.execution.worker import SharedEvaluation
from hpt_spark.search.fit_groups import FitGroup
from hpt_spark.search.retries import Step

if TYPE_CHECKING:
    import pyarrow

# A value that a task yields is pickled, and its rows are pieces of the pickle: a message of Spark Connect is limited.
PIECE_BYTES = 2 << 20


def rows_of_task(
    batches: Iterable[pyarrow.RecordBatch], work: Callable[[int], Iterable[Any]]
) -> Iterator[pyarrow.RecordBatch]:
    """Yield as rows what `work` yields for the number of this task, which is its one row."""
    for batch in batches:
        for number in batch.column(0).to_pylist():
            yield from _in_rows(work(number))


def one_row(batches: Iterable[pyarrow.RecordBatch]) -> Iterator[pyarrow.RecordBatch]:
    """Yield a row, whatever the partition has, so that the driver knows how many partitions a DataFrame has."""
    for _ in batches:
        pass
    yield from _in_rows([None])


def _in_rows(values: Iterable[Any]) -> Iterator[pyarrow.RecordBatch]:
    import pyarrow

    for value in values:
        pickled = cloudpickle.dumps(value)
        for start in range(0, len(pickled), PIECE_BYTES):
            piece = pickled[start : start + PIECE_BYTES]
            is_last = start + PIECE_BYTES >= len(pickled)
            yield pyarrow.RecordBatch.from_arrays(
                [pyarrow.array([piece], pyarrow.binary()), pyarrow.array([is_last])], names=["content", "is_last"]
            )
    between_tasks.keep_it_short()


def fit_groups_of_task(
    number: int, shared: SharedEvaluation, tasks: Sequence[Sequence[FitGroup]], step: Step, imports: DriverImports
) -> Iterator[tuple[int, bytes | Death]]:
    """Run the groups of a task; yield the place of each among those of all `tasks`, with its outcome."""
    groups = tasks[number]
    place = sum(map(len, tasks[:number]))
    if has_lost_executors(step):
        yield from ((place + at, Death(LOST_TWICE)) for at in range(len(groups)))
        return
    outcomes = fit_process.run(shared, files_on_this_node(shared), groups, imports)
    for at, (_, answer, _) in enumerate(outcomes):
        yield place + at, answer


def refit_of_task(number: int, shared: SharedEvaluation, imports: DriverImports) -> Iterator[Any]:
    """Train the best candidate; yield how that ended, and then its model in pieces."""
    return refit_in_pieces(shared, partial(files_on_this_node, shared), imports, _folder(), PIECE_BYTES)


def tidy_up_session(number: int, tokens: Set[str]) -> Iterator[None]:
    """Delete the files of what was shared, and yield nothing."""
    tidy_up(_folder(), tokens)
    return iter(())


def files_on_this_node(shared: SharedEvaluation) -> list[str]:
    """Return the files of all parts, which Spark fetches for each executor before it begins a task of the session."""
    return [str(_folder() / Path(part.path).name) for part in shared.parts]


def _folder() -> Path:
    return Path(SparkFiles.getRootDirectory())
