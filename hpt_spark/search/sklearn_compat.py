"""The one place where this package uses scikit-learn's private names (1.5 to 1.9)."""

from __future__ import annotations

import inspect
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from contextvars import ContextVar
from functools import wraps
from types import CellType
from typing import Any

from sklearn.model_selection import _split, _validation
from sklearn.utils import metaestimators, validation

from hpt_spark.errors import HptSparkError

score = _validation._score
safe_split = metaestimators._safe_split
check_method_params = validation._check_method_params
num_samples = validation._num_samples

# Attributes of a search that mean something to one fit in one process (from 1.9 on).
STATE_OF_A_FIT = ("_callback_fit_ctx", "_skl_callbacks_to_teardown")
# Attributes that a search gives its best estimator for the time of its refit.
STATE_OF_A_REFIT = ("_parent_callback_ctx",)


def replace_parallel(evaluate_candidates: Callable[..., Any], run_fits: Callable[..., Any]) -> None:
    """Let scikit-learn's `evaluate_candidates` hand its delayed fits to `run_fits`.

    It calls the joblib object in its variable ``parallel``; there is no argument for it. The name
    is the same from scikit-learn 1.5 on, and the tests run on the oldest and the newest release.
    """
    parallel = _variables_of(evaluate_candidates).get("parallel")
    if parallel is None:
        raise HptSparkError("this release of scikit-learn lays out its search in a way hpt_spark does not know.")
    parallel.cell_contents = run_fits


def _variables_of(function: Callable[..., Any]) -> dict[str, CellType]:
    """Return the variables that a function has from the one around it."""
    return dict(zip(function.__code__.co_freevars, function.__closure__ or ()))


@contextmanager
def _splits_told(search: Any, evaluate_candidates: Callable[..., Any]) -> Iterator[None]:
    """Let a search that runs have ``n_splits_``, which scikit-learn before 1.9 sets at the end of ``fit``."""
    n_splits = _variables_of(evaluate_candidates).get("n_splits")
    if n_splits is None:
        yield
        return
    before = {name: value for name, value in vars(search).items() if name == "n_splits_"}
    search.n_splits_ = n_splits.cell_contents
    try:
        yield
    finally:
        del search.n_splits_
        vars(search).update(before)


# The search whose fits are handed over.
_handing_search: ContextVar[Any] = ContextVar("_handing_search", default=None)


class HandsFitsOver(ABC):
    """The mixin of a scikit-learn search that hands its delayed fits over instead of running them."""

    @abstractmethod
    def _handed_to(self) -> AbstractContextManager[Callable[..., Any]]:
        """Give the function that runs them, for the time in which the search chooses and evaluates candidates."""

    def _format_results(self, candidate_params: Any, n_splits: int, out: Any, more_results: Any = None) -> Any:
        results = super()._format_results(candidate_params, n_splits, out, more_results)  # type: ignore[misc]
        return self._completed(results, out)

    def _completed(self, results: dict[str, Any], fits: Any) -> dict[str, Any]:
        """Return ``cv_results_`` with what scikit-learn does not know, by the results of all fits."""
        return results

    def __init_subclass__(cls, **arguments: Any) -> None:
        super().__init_subclass__(**arguments)
        # A search of the user's own overrides _run_search, as scikit-learn documents it; its fits are handed over, too.
        if (own := vars(cls).get("_run_search")) is not None:
            cls._run_search = _with_fits_handed_over(own)  # type: ignore[method-assign]

    # scikit-learn looks for the name `callback_ctx` in this signature (from 1.9 on).
    def _run_search(self, evaluate_candidates: Callable[..., Any], *, callback_ctx: Any = None) -> None:
        run_search = super()._run_search  # type: ignore[misc]
        more = {"callback_ctx": callback_ctx} if "callback_ctx" in inspect.signature(run_search).parameters else {}
        with self._hand_over(evaluate_candidates):
            run_search(evaluate_candidates, **more)

    @contextmanager
    def _hand_over(self, evaluate_candidates: Callable[..., Any]) -> Iterator[None]:
        """Let scikit-learn's `evaluate_candidates` hand its fits over, if whoever calls has not done so."""
        if _handing_search.get() is self:
            yield
            return
        before = _handing_search.set(self)
        try:
            with _splits_told(self, evaluate_candidates), self._handed_to() as run_fits:
                replace_parallel(evaluate_candidates, run_fits)
                yield
        finally:
            _handing_search.reset(before)


def _with_fits_handed_over(run_search: Callable[..., None]) -> Callable[..., None]:
    @wraps(run_search)
    def handing_over(self: HandsFitsOver, evaluate_candidates: Callable[..., Any], **more: Any) -> None:
        with self._hand_over(evaluate_candidates):
            run_search(self, evaluate_candidates, **more)

    return handing_over


def scorers_by_name(scorer: Any) -> Mapping[str, Any] | None:
    """Return the scorers of a multimetric scorer, or None for a scorer of one metric."""
    return getattr(scorer, "_scorers", None)


def metric_of(scorer: Any) -> tuple[Any, Mapping[str, Any]]:
    """Return the metric of a scorer that ``make_scorer`` has made, and its arguments; else None and none."""
    return getattr(scorer, "_score_func", None), getattr(scorer, "_kwargs", {})


def calls_back(estimator: Any) -> bool:
    """Return whether scikit-learn's callbacks (from 1.9 on) wait for the fit of `estimator`."""
    return bool(getattr(estimator, "_skl_callbacks", ()))


def yields_constant_splits(cv: Any) -> bool:
    """Return whether a search's `cv` cuts the same folds each time."""
    return not hasattr(cv, "split") or bool(_split._yields_constant_splits(cv))


@contextmanager
def search_context(search: Any, callback_ctx: Any) -> Iterator[Any]:
    """Give the context of a search's batches, which its callbacks are told of (from 1.9 on); None without one."""
    if callback_ctx is None:
        yield None
        return
    context = callback_ctx.subcontext(task_name="search", max_subtasks=None).call_on_fit_task_begin(estimator=search)
    yield context
    context.call_on_fit_task_end(estimator=search)


@contextmanager
def batch_context(search: Any, context: Any, fits: int) -> Iterator[dict[str, Any]]:
    """Give the arguments by which ``evaluate_candidates`` tells the callbacks of a batch."""
    if context is None:
        yield {}
        return
    batch = context.subcontext(task_name="batch", max_subtasks=fits, sequential_subtasks=False)
    batch = batch.call_on_fit_task_begin(estimator=search)
    yield {"callback_ctx": batch}
    batch.call_on_fit_task_end(estimator=search)
