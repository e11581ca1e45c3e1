"""The fits in Spark's Python workers; this module knows numbers and estimators, not Spark."""

from __future__ import annotations

import os
import pickle
import resource
import socket
import sys
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import redirect_stdout
from dataclasses import dataclass, replace
from typing import Any

import cloudpickle
from threadpoolctl import threadpool_limits

from hpt_spark.search.dataset import Dataset
from hpt_spark.search.evaluation import Evaluation, Fit
from hpt_spark.search.execution.begun import note_begun
from hpt_spark.search.execution.driver_releases import Release, check_releases
from hpt_spark.search.execution.group_fit import SCORING_CHANGES, ChangedByScoringError, fit_group
from hpt_spark.search.execution.node_share import SharedObject
from hpt_spark.search.execution.printed import Printed
from hpt_spark.search.execution.rows import FoldRows
from hpt_spark.search.fit_groups import FitGroup, has_failed
from hpt_spark.search.results.failures import tidy_reasons
from hpt_spark.search.results.reasons import exception_text, first_line_of
from hpt_spark.search.retries import Ending, Step, next_step


@dataclass(frozen=True)
class GroupResult:
    """The results of one group of fits."""

    # scikit-learn's result of each fit that was run; an exception where `error_score="raise"`. See
    # `FitGroup.with_all_fits`.
    results: list[tuple[Fit, Any]]
    seconds: float = 0.0  # from the first slice to the last score
    worker: str = ""  # `HOST:PID` of the process
    # How many folds were cut and training matrices built for it; 0 where those of the groups before could be used.
    fold_slices: int = 0
    matrices: int = 0
    checkpoint: bytes | None = None  # from which a later evaluation can go on with the training
    not_shared: str = ""  # why a shared training was given up, so that its fits are trainings of their own; else empty
    began: float = 0.0  # when, in seconds since 1970 by the clock of the node
    peak_bytes: int = 0  # the most memory of its own that the process has had until then

    @property
    def trainings(self) -> int:
        """How many trainings there were."""
        return len(self.results) if self.not_shared else 1


@dataclass(frozen=True)
class SharedEvaluation:
    """Where an evaluation lies: the data, which a search ships once, and the rest of it."""

    data: SharedObject
    evaluation: SharedObject
    checkpoints: SharedObject | None = None  # the file of the checkpoints from which trainings go on
    keep_checkpoints: bool = False  # whether those of its own trainings are wanted
    begun: str = ""  # the file in which the begin of each fit is noted, where somebody asks for it
    # Seconds after which the process of the fits is ended with the group that it runs.
    max_fit_time: float | None = None
    releases: tuple[Release, ...] = ()  # those of the driver, which the process of the fits must have, too

    @property
    def parts(self) -> tuple[SharedObject, ...]:
        """All of them."""
        return (self.data, self.evaluation, *([self.checkpoints] if self.checkpoints else []))

    @property
    def size(self) -> int:
        """Bytes that a process maps; of the checkpoints it reads one at a time."""
        return self.data.size + self.evaluation.size

    @property
    def missing_files(self) -> list[str]:
        """The files of its parts that are gone from the driver's machine, on which it is asked."""
        return [part.path for part in self.parts if not os.path.exists(part.path)]

    @property
    def pickled_size(self) -> int:
        """Bytes of these that become objects of each process's own."""
        return self.data.pickled_size + self.evaluation.pickled_size


class WorkerCache:
    """The cache of a Python worker between tasks: the data, the evaluation, and the rows of the last fold.

    A worker serves many tasks, one after another. The tasks come ordered so that those of a fold
    follow each other, and one fold at a time is kept, because a fold's rows and its training matrix
    are the largest things here. They stay for the next evaluation on the same data and fold.
    """

    def __init__(self) -> None:
        self._tokens = ("", "")
        self._data: Dataset | None = None
        self._evaluation: Evaluation | None = None
        self._rows: FoldRows | None = None
        self.fits_one_by_one = False  # because scoring changes its estimators

    def evaluation(self, shared: SharedEvaluation, files: Sequence[str]) -> Evaluation:
        """Return the evaluation, mapped once per process; an earlier one's memory is given back."""
        data_token, token = shared.data.token, shared.evaluation.token
        if self._data is None or self._tokens[0] != data_token:
            self._rows = self._evaluation = self._data = None
            self._data = shared.data.load(files[0])
        if self._evaluation is None or self._tokens[1] != token:
            checkpoint_file = files[2] if shared.checkpoints else ""
            evaluation = shared.evaluation.load(files[1])
            self._evaluation = replace(evaluation, data=self._data, checkpoint_file=checkpoint_file)
            self.fits_one_by_one = False
            hold_to_threads(self._evaluation.threads)
        self._tokens = (data_token, token)
        return self._evaluation

    def run(self, evaluation: Evaluation, group: FitGroup) -> GroupResult:
        """Run one group of fits."""
        began, started = time.time(), time.perf_counter()
        fold_slices = matrices = 0
        checkpoint = None
        not_shared = ""
        step = Step.TOGETHER if group.shared and not self.fits_one_by_one else Step.PLAIN
        with evaluation.settings():
            if step is Step.TOGETHER:
                rows = self._rows_of(evaluation, group.fold)
                slices_before, matrices_before = rows.fold_slices, set(rows.matrices)
                try:
                    results, checkpoint = fit_group(evaluation, group, rows)
                except Exception as error:
                    # scikit-learn's own fits decide what each candidate's failure is, and how it reads.
                    self._rows = None
                    step = next_step(step, Ending.RAISED, len(group.fits))
                    self.fits_one_by_one = isinstance(error, ChangedByScoringError)
                    not_shared = first_line_of(error)
                fold_slices = rows.fold_slices - slices_before
                matrices = len(set(rows.matrices) - matrices_before)
            elif group.shared:
                not_shared = SCORING_CHANGES
            if step is Step.PLAIN:
                results = _one_by_one(evaluation, group)
        seconds, worker = time.perf_counter() - started, process_name()
        return GroupResult(results, seconds, worker, fold_slices, matrices, checkpoint, not_shared, began, peak_bytes())

    def _rows_of(self, evaluation: Evaluation, fold: int) -> FoldRows:
        if self._rows is not None and self._rows.fits(evaluation, fold):
            self._rows.evaluation, self._rows.fold = evaluation, fold
        else:
            self._rows = None  # before the next one is cut, or two would be held
            self._rows = FoldRows(evaluation, fold)
        return self._rows


def process_name() -> str:
    """Return ``HOST:PID`` of this process."""
    return f"{socket.gethostname()}:{os.getpid()}"


def peak_bytes() -> int:
    """Return the most memory that this process has had; the data and the libraries that it maps are left out.

    Where the system does not tell these apart, they are in it.
    """
    try:
        with open("/proc/self/status", encoding="utf-8") as file:
            told = dict(line.split(":", 1) for line in file)
        peak, *mapped = (int(told[name].split()[0]) for name in ("VmHWM", "RssFile", "RssShmem"))
        return (peak - sum(mapped)) * 1024
    except (OSError, KeyError, ValueError):
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        return peak if sys.platform == "darwin" else peak * 1024


def hold_to_threads(threads: int | None) -> None:
    """Let the native libraries that are loaded use `threads` threads where Spark does not say so itself.

    It sets OMP_NUM_THREADS for its workers, but up to 3.3 not with a local master.
    """
    if threads is not None and "OMP_NUM_THREADS" not in os.environ:
        threadpool_limits(limits=threads)


def _one_by_one(evaluation: Evaluation, group: FitGroup) -> list[tuple[Fit, Any]]:
    """Run a group's fits one by one; a curve ends with its first fit if that fails."""
    results = []
    for fit in group.retried:
        outcome = _result_or_error(evaluation, fit)
        results.append((fit, outcome))
        if group.rest and fit == group.fits[0] and has_failed(outcome):
            break
    return results


def _result_or_error(evaluation: Evaluation, fit: Fit) -> Any:
    """Return scikit-learn's result of a fit, or its exception.

    Parameters that are not cut to a fold's rows are mapped read-only if they are large. A fit that
    fails because it wants to write into them gets its own.
    """
    outcome = _printed_result(evaluation, fit, evaluation.data.for_one_fit())
    failure = exception_text(outcome) if isinstance(outcome, Exception) else outcome["fit_error"] or ""
    if "read-only" in failure:
        outcome = _printed_result(evaluation, fit, evaluation.data.for_one_fit(with_read_only=True))
    return outcome


def _printed_result(evaluation: Evaluation, fit: Fit, data: Dataset) -> Any:
    """Return the result of a fit, with what it printed on the way (``verbose``), or its exception."""
    printed = Printed()
    try:
        with redirect_stdout(printed):
            result = evaluation.run(fit, data)
    except Exception as error:
        return error if can_travel(error) else RuntimeError(exception_text(error))
    tidy_reasons(result)  # here, as the megabytes of many fits are more than a Spark job may bring
    if evaluation.predictor is not None:
        estimator = result.pop("estimator")
        if result["fit_error"] is None:
            test = FoldRows(evaluation, fit.fold).own_test(estimator)
            result.update(evaluation.predictor.results_of(estimator, test.X))
    return {**result, "printed": text} if (text := printed.text()) else result


def can_travel(value: Any) -> bool:
    """Return whether `value` can be pickled, and read again."""
    try:
        pickle.loads(cloudpickle.dumps(value))
    except Exception:  # of its own code
        return False
    return True


_cache = WorkerCache()


def run_groups(
    shared: SharedEvaluation, files: Sequence[str], groups: Iterable[FitGroup]
) -> Iterator[GroupResult | None]:
    """Yield the result of each group, one after another, with this process's cache; `files` are those of this node.

    Where its time is limited, None comes before: then its time begins, without that of the imports and the data.
    """
    check_releases(shared.releases)  # before anything is loaded, which another release may not be able to
    evaluation = _cache.evaluation(shared, files)
    for group in groups:
        if shared.begun:
            note_begun(shared.begun, group.fits)
        if shared.max_fit_time is not None:
            yield None
        yield _cache.run(evaluation, group)


def forget() -> None:
    """Empty this process's cache."""
    global _cache
    _cache = WorkerCache()
