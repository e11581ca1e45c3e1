"""The forecast of a search before it starts: fits, trainings, memory, time.

The figures for XGBoost were measured on xgboost 3.2.0 with one thread (120,000 to 200,000 rows, 100
to 20,000 columns, 2 and 12 classes, depth 4 and 6) as the growth of a process during ``fit``. They
are for deciding whether a cluster's settings can hold a search, not for accounting.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy import sparse

from hpt_spark.search.evaluation import Evaluation
from hpt_spark.search.fit_groups import FitGroup
from hpt_spark.search.planning.cost import positive_number
from hpt_spark.search.planning.memory_limit import MemoryLimit
from hpt_spark.search.sklearn_compat import num_samples

# A Python worker with NumPy, scikit-learn and XGBoost imported; what it shares with the others not counted.
WORKER_BYTES = 90 << 20

# Address space of such a worker beside that: 702 MiB in all with one thread.
LIBRARY_ADDRESSES = 612 << 20
# Of each further thread of a fit (LightGBM; at most 80 MiB with XGBoost): a stack, and the C library's heap.
THREAD_ADDRESSES = 97 << 20

# Of a training on top of its rows, per value of its matrix.
XGBOOST_BYTES_PER_SPARSE_VALUE = 72
XGBOOST_BYTES_PER_DENSE_VALUE = 10
HISTOGRAM_BYTES_PER_BIN = 16 / 3  # times the leaves of a tree: a third of their histograms is alive at once
OTHER_COPIES_OF_THE_ROWS = 1.0

# Of an unpickled object: 5.2 of texts of 10 letters, 2.6 of 30, 1.3 of 200, 11 of 20 different ones.
OBJECT_BYTES_PER_PICKLED = 4.0

# Of one level of one tree, per stored value: from 1.3 seconds a round at 7.3 million values, 12 classes, depth 4.
SECONDS_PER_VALUE = 4e-9


@dataclass(frozen=True)
class Forecast:
    """The fits, trainings, memory and time of a search."""

    fits: int
    trainings: int  # each of which serves one or more fits
    slots: int  # how many run at the same time with the executors that are there
    slots_per_executor: int
    executor_bytes: int  # of the Python processes of one executor
    seconds: float | None  # roughly, where it can be guessed before a fit has been timed
    planned_slots: int = 0  # how many trainings run at the same time when all executors have come
    process_bytes: int = 0  # of one process that trains, what it shares with the others left out
    address_bytes: int = 0  # of the address space of such a process, in which the mapped data and the libraries count

    def describe(self) -> str:
        """Return the forecast as one line."""
        time = "" if self.seconds is None else f", estimated time: {_as_time(self.seconds)}"
        workers = f"{self.slots_per_executor} at a time" if self.slots_per_executor > 1 else "one at a time"
        later = " (more as executors come)" if self.planned_slots > self.slots else ""
        return (
            f"{self.fits} fits in {self.trainings} trainings, {self.slots} at a time{later}{time}; "
            f"about {as_size(self.executor_bytes)} of Python memory per executor ({workers} on it)"
        )

    def warning(self, limit: MemoryLimit) -> str | None:
        """Return what to change when `limit` cannot hold the search; None when it can."""
        if limit.setting:
            return self._warning_of_each(limit)
        if self.executor_bytes <= limit.available:
            return None
        return (
            f"The fits of an executor may need {as_size(self.executor_bytes)} of memory outside the JVM, and "
            f"{as_size(limit.available)} are there for it: {limit.remedy}."
        )

    def _warning_of_each(self, limit: MemoryLimit) -> str | None:
        if self.address_bytes <= limit.available:
            return None
        gibibytes = math.ceil(self.address_bytes * limit.processes / (1 << 30))
        return (
            f"The process of a fit may need {as_size(self.address_bytes)} of address space, in which the mapped data "
            f"and the libraries count, and {limit.setting} leaves each {as_size(limit.available)}, as Spark divides "
            f"it by spark.executor.cores={limit.processes}: set {limit.setting}={gibibytes}g, or leave it out."
        )


def forecast(
    evaluation: Evaluation,
    groups: Sequence[FitGroup],
    shared_bytes: int,
    slots: int,
    slots_per_executor: int,
    planned_slots: int = 0,
    arriving_bytes: int = 0,
    pickled_bytes: int = 0,
) -> Forecast:
    """Return what the `groups` of an evaluation will need.

    Parameters
    ----------
    shared_bytes : int
        Of the arrays that the workers of a node have in common.
    slots, slots_per_executor : int
        How many trainings run at the same time, in all and on one executor.
    planned_slots : int
        How many will, when all executors have come.
    arriving_bytes : int
        What an executor's workers hold for a moment while the arrays arrive, before they train.
    pickled_bytes : int
        Of the objects that no array holds, such as texts: each process has its own.
    """
    shape = _shape_of(evaluation)
    workers = min(slots_per_executor, max(1, len(groups)))
    of_a_training = max((_training_bytes(evaluation, group, shape) for group in groups), default=0.0)
    own = WORKER_BYTES + OBJECT_BYTES_PER_PICKLED * pickled_bytes
    return Forecast(
        fits=sum(len(group.fits) for group in groups),
        trainings=len(groups),
        slots=slots,
        slots_per_executor=slots_per_executor,
        executor_bytes=int(shared_bytes + workers * own + max(workers * of_a_training, arriving_bytes)),
        seconds=_seconds(evaluation, groups, shape, max(slots, planned_slots)),
        planned_slots=planned_slots,
        process_bytes=int(own + of_a_training),
        address_bytes=int(shared_bytes + own + of_a_training + _addresses(evaluation.threads or 1)),
    )


def _addresses(threads: int) -> int:
    return LIBRARY_ADDRESSES + (threads - 1) * THREAD_ADDRESSES


@dataclass(frozen=True)
class _Shape:
    values: float  # stored in the rows that a training reads
    row_bytes: float  # of these rows
    columns: int
    is_sparse: bool


def _shape_of(evaluation: Evaluation) -> _Shape:
    X = evaluation.data.X
    rows = max(1, num_samples(X))
    share = evaluation.training_rows / rows
    columns = int(X.shape[1]) if len(getattr(X, "shape", ())) == 2 else 1
    if sparse.issparse(X):
        csr_bytes = X.nnz * (X.dtype.itemsize + 4)
        return _Shape(X.nnz * share, csr_bytes * share, columns, True)
    if isinstance(X, np.ndarray):
        return _Shape(X.size * share, X.nbytes * share, columns, False)
    if hasattr(X, "memory_usage"):  # of a frame by column, of a series one number
        held = float(np.sum(X.memory_usage(index=False, deep=False)))
        return _Shape(rows * columns * share, held * share, columns, False)
    return _Shape(rows * share, 0.0, columns, False)


def _training_bytes(evaluation: Evaluation, group: FitGroup, shape: _Shape) -> float:
    if not _is_xgboost(evaluation):
        return shape.row_bytes * (1 + OTHER_COPIES_OF_THE_ROWS)
    params = _params(evaluation, group)
    bins = min(shape.values, shape.columns * positive_number(params, ("max_bin",), 256))
    per_value = XGBOOST_BYTES_PER_SPARSE_VALUE if shape.is_sparse else XGBOOST_BYTES_PER_DENSE_VALUE
    leaves = 2 ** min(12.0, positive_number(params, ("max_depth",), 6))
    return shape.row_bytes + shape.values * per_value + bins * HISTOGRAM_BYTES_PER_BIN * leaves


def _seconds(evaluation: Evaluation, groups: Sequence[FitGroup], shape: _Shape, slots: int) -> float | None:
    if not _is_xgboost(evaluation):
        return None
    trees = _trees_per_round(evaluation)
    seconds = [group.cost * trees * shape.values * SECONDS_PER_VALUE for group in groups]
    return max(sum(seconds) / max(1, slots), max(seconds, default=0.0))


def _trees_per_round(evaluation: Evaluation) -> int:
    if type(evaluation.estimator).__name__ != "XGBClassifier":
        return 1
    try:
        classes = len(np.unique(np.asarray(evaluation.data.y)))
    except TypeError:  # a fit will say that this is no target
        return 1
    return classes if classes > 2 else 1


def _is_xgboost(evaluation: Evaluation) -> bool:
    return type(evaluation.estimator).__module__.startswith("xgboost.")


def _params(evaluation: Evaluation, group: FitGroup) -> Mapping[str, Any]:
    return {**evaluation.estimator.get_params(), **evaluation.candidates[group.fits[-1].candidate]}


def data_bytes(evaluation: Evaluation) -> int:
    """Return the size of the arrays that the workers of a node have in common."""
    X, folds = evaluation.data.X, evaluation.folds
    arrays = [X.data, X.indices, X.indptr] if sparse.issparse(X) else [X]
    return sum(int(getattr(array, "nbytes", 0)) for array in (*arrays, evaluation.data.y, folds.rows, folds.ends))


def as_size(size: float) -> str:
    """Return a size for people."""
    return f"{size / 1e9:.1f} GB" if size >= 1e9 else f"{size / 1e6:.0f} MB"


def _as_time(seconds: float) -> str:
    if seconds < 90:
        return f"{seconds:.0f} s" if seconds >= 10 else "under 10 s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"
