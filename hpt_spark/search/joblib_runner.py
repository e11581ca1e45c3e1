"""scikit-learn's own search on the processes of one machine, with progress shown."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from sklearn import model_selection
from sklearn.experimental import enable_halving_search_cv  # noqa: F401, makes the halving classes importable
from sklearn.utils.parallel import Parallel

from hpt_spark.progress import Progress
from hpt_spark.search.parallel_variable import replace_parallel
from hpt_spark.search.threads import with_threads


class OnProcesses:
    """The mixin that shows the progress of a scikit-learn search, and gives each of its fits one thread."""

    n_jobs: int | None
    pre_dispatch: Any

    # scikit-learn looks for the name `callback_ctx` in this signature (from 1.9 on).
    def _run_search(self, evaluate_candidates: Callable[..., Any], *, callback_ctx: Any = None) -> None:
        replace_parallel(evaluate_candidates, self._run_fits)
        more = {} if callback_ctx is None else {"callback_ctx": callback_ctx}
        super()._run_search(evaluate_candidates, **more)  # type: ignore[misc]

    def _run_fits(self, delayed_fits: Iterable[Any]) -> list[dict[str, Any]]:
        fits = [_with_one_thread(fit) for fit in delayed_fits]
        parallel = Parallel(n_jobs=self.n_jobs, pre_dispatch=self.pre_dispatch, return_as="generator")
        results = []
        with Progress("tune", len(fits), "fits") as progress:
            for result in parallel(fits):
                results.append(result)
                progress.advance()
        return results


def _with_one_thread(delayed_fit: Any) -> Any:
    function, (estimator, *data), arguments = delayed_fit
    return function, (with_threads(estimator, 1), *data), arguments


class GridSearchCV(OnProcesses, model_selection.GridSearchCV):
    """scikit-learn's ``GridSearchCV``; its fits are counted as they are done."""


class RandomizedSearchCV(OnProcesses, model_selection.RandomizedSearchCV):
    """scikit-learn's ``RandomizedSearchCV``; its fits are counted as they are done."""


class HalvingGridSearchCV(OnProcesses, model_selection.HalvingGridSearchCV):
    """scikit-learn's ``HalvingGridSearchCV``; its fits are counted as they are done."""


class HalvingRandomSearchCV(OnProcesses, model_selection.HalvingRandomSearchCV):
    """scikit-learn's ``HalvingRandomSearchCV``; its fits are counted as they are done."""
