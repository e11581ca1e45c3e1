"""scikit-learn's callbacks of the fits of a search (from 1.9 on), called on the driver.

A callback such as a progress bar belongs to the driver's process; scikit-learn lets its workers call
back through pipes, which do not reach a cluster.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import TYPE_CHECKING, Any

from hpt_spark.search.execution.rows import FoldRows

if TYPE_CHECKING:
    from hpt_spark.search.evaluation import Evaluation, Fit


class Callbacks:
    """The callbacks of the fits of one evaluation.

    A fit's begin is told when it is seen to begin, which is so with a local master; elsewhere it is not told at
    all. Its end is told when its result is there, or when its training has stopped before.
    """

    def __init__(self) -> None:
        self._of_fit: dict[tuple[int, int], tuple[Any, Any]] = {}
        self._begun: set[Fit] = set()
        self._ended: set[Fit] = set()

    def __bool__(self) -> bool:
        return bool(self._of_fit)

    def add(self, candidate: int, fold: int, context: Any, caller: Any) -> None:
        """Remember the callbacks of a fit, if there are any."""
        if context is not None:
            self._of_fit[candidate, fold] = (context, caller)

    def began(self, evaluation: Evaluation, fit: Fit) -> None:
        """Call what waits for the begin of `fit`; a fit that is tried again does not begin again."""
        if fit not in self._begun:
            self._begun.add(fit)
            self._call("call_on_fit_task_begin", evaluation, fit)

    def ended(self, evaluation: Evaluation, fit: Fit) -> None:
        """Call what waits for the end of `fit`; one that was passed over, and is trained later, does not end again."""
        if fit not in self._ended:
            self._ended.add(fit)
            self._call("call_on_fit_task_end", evaluation, fit)

    def _call(self, hook: str, evaluation: Evaluation, fit: Fit) -> None:
        """Call a hook; the rows that the fit is trained on are cut if a callback asks for them."""
        if (fit.candidate, fit.fold) not in self._of_fit:
            return
        context, caller = self._of_fit[fit.candidate, fit.fold]
        train = cache(lambda: FoldRows(evaluation, fit.fold).own_train(evaluation.estimator))
        weighted = evaluation.data.fit_params.get("sample_weight") is not None
        asked: dict[str, Callable[[], Any]] = {
            "X": lambda: train().X,
            "y": lambda: train().y,
            "metadata": lambda: {"sample_weight": train().params["sample_weight"]} if weighted else None,
        }
        getattr(context, hook)(estimator=caller, **asked)
