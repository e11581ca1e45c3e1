"""The refit of the best candidate in a process of an executor, from the rows to the model's file, and its outcome."""

from __future__ import annotations

import logging
import socket
import traceback
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, redirect_stdout, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cloudpickle
import sklearn

from hpt_spark.errors import HptSparkError, InputError
from hpt_spark.search.dataset import Dataset
from hpt_spark.search.execution import worker
from hpt_spark.search.execution.driver_releases import check_releases
from hpt_spark.search.execution.fit_process import LOST_TWICE, Death
from hpt_spark.search.execution.printed import Printed
from hpt_spark.search.execution.worker import SharedEvaluation
from hpt_spark.search.planning.threads import thread_caps
from hpt_spark.search.results.fit_warnings import masked_warnings
from hpt_spark.search.results.reasons import exception_text, first_line_of
from hpt_spark.storage.disk_errors import DISK_FULL, translate_disk_errors
from hpt_spark.streams import show

log = logging.getLogger(__name__)

MOST_ATTEMPTS = 2  # of a refit that kills its process or its executor
WAY_OUT = 'refit_on="driver" (search.refit_on: driver) trains it in the driver\'s own process'


@dataclass(frozen=True)
class Refit:
    """The training of the best candidate on all rows."""

    estimator: Any  # unfitted, with the best parameters
    data: Dataset
    # The driver's settings of scikit-learn and of warnings.
    sklearn_config: Mapping[str, Any]
    warning_filters: list[Any]
    threads: int  # what it may use where it would use all cores of its machine

    @contextmanager
    def settings(self) -> Iterator[list[warnings.WarningMessage]]:
        """Let the driver's settings hold in this process; give the list of the warnings that they let through."""
        with sklearn.config_context(**self.sklearn_config), warnings.catch_warnings(record=True) as warned:
            warnings.filters = self.warning_filters
            yield warned


@dataclass(frozen=True)
class Refitted:
    """How a refit ended: with a model in a file, or with an error."""

    error: bytes | None  # the pickled exception
    traceback: str  # where it was raised
    printed: str
    warned: list[tuple[Any, type[Warning], str, int]]  # message, category, file, line


def refit_into_file(shared: SharedEvaluation, files: Sequence[str], target: str) -> Iterator[Refitted]:
    """Train the model of a `Refit` and write it to the file `target`; what the process of the fits does.

    `shared` is of the data, and of the `Refit` without them; `files` are those of its parts on this node.
    """
    check_releases(shared.releases)
    worker.forget()  # the rows of a fold and its matrices are needed no more
    refit: Refit = shared.evaluation.load(files[1])
    worker.hold_to_threads(refit.threads)
    printed = Printed()
    error, raised_at = None, ""
    with refit.settings() as warned:
        try:
            # As on the driver, a fit may write into what it is given.
            data: Dataset = shared.data.load(files[0], writable=True)
            with redirect_stdout(printed):
                fitted = _fitted(refit, data)
            _write(fitted, target)
        except Exception as found:
            travelling = found if worker.can_travel(found) else RuntimeError(exception_text(found))
            error, raised_at = cloudpickle.dumps(travelling), traceback.format_exc()
    told = [(one.message, one.category, one.filename, one.lineno) for one in warned]
    yield Refitted(error, raised_at, printed.text(), [one for one in told if worker.can_travel(one)])


def _fitted(refit: Refit, data: Dataset) -> Any:
    """Return the fitted estimator, with the numbers of threads that the user gave."""
    estimator = refit.estimator
    caps, given = thread_caps(estimator, refit.threads), estimator.get_params(deep=True)
    if caps:
        estimator.set_params(**caps)
    targets = () if data.y is None else (data.y,)
    estimator.fit(data.X, *targets, **data.fit_params)
    with suppress(Exception):  # some refuse it once they are fitted
        estimator.set_params(**{name: given[name] for name in caps if name in given})
    return estimator


def _write(fitted: Any, target: str) -> None:
    with translate_disk_errors(Path(target), socket.gethostname()), open(target, "wb") as file:
        try:
            cloudpickle.dump(fitted, file)
        except Exception as error:
            if isinstance(error, OSError) and error.errno in DISK_FULL:
                raise
            raise _cannot_travel(type(fitted).__name__, error) from error


def _cannot_travel(name: str, error: Exception) -> InputError:
    """Return what to say of a fitted estimator that cannot be pickled, or read again."""
    reason = first_line_of(error).rstrip(".")
    return InputError(
        f"the refitted {name} cannot travel from its executor to the driver, because it cannot be pickled "
        f"({reason}); {WAY_OUT}."
    )


def outcome(ended: Refitted, file: Path, name: str) -> Any:
    """Return the model in `file`, which has come from its executor, after what its fit has said; raise its error.

    `name` is that of the estimator's class.
    """
    show(ended.printed)
    with masked_warnings():
        for message, category, place, line in ended.warned:
            warnings.warn_explicit(message, category, place, line)
    if ended.error is not None:
        raise cloudpickle.loads(ended.error) from _RaisedThereError(ended.traceback)
    with file.open("rb") as arrived:
        try:
            return cloudpickle.load(arrived)
        except Exception as error:
            raise _cannot_travel(name, error) from error


class _RaisedThereError(Exception):
    """Where on an executor an error was raised: its traceback there."""

    def __str__(self) -> str:
        return f'\n"""\n{self.args[0]}"""'


def tried_twice(refit: Refit, train: Callable[[], Any]) -> Any:
    """Return the model that `train` returns; try once more after a `Death`, except of a lost executor.

    Raises
    ------
    HptSparkError
        When the refit kills its process again.
    """
    ended = train()
    if isinstance(ended, Death) and ended.reason != LOST_TWICE:
        log.warning("the refit: %s; it is tried again", ended.reason)
        ended = train()
    if isinstance(ended, Death):
        raise HptSparkError(
            f"the refit of {type(refit.estimator).__name__} killed its Python worker, also when it was tried again "
            f"({ended.reason}). {ended.advice} With a journal, the same search goes on from its fits; "
            f"{WAY_OUT}."
        )
    return ended
