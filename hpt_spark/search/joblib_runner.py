"""scikit-learn's own search on the processes of one machine, with progress shown."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from sklearn import model_selection
from sklearn.utils.parallel import Parallel

from hpt_spark.progress import Progress
from hpt_spark.search.parallel_variable import replace_parallel


class GridSearchCV(model_selection.GridSearchCV):
    """scikit-learn's ``GridSearchCV``; its fits are counted as they are done."""

    # scikit-learn looks for the name `callback_ctx` in this signature (from 1.9 on).
    def _run_search(self, evaluate_candidates: Callable[..., Any], *, callback_ctx: Any = None) -> None:
        replace_parallel(evaluate_candidates, self._run_fits)
        more = {} if callback_ctx is None else {"callback_ctx": callback_ctx}
        super()._run_search(evaluate_candidates, **more)

    def _run_fits(self, delayed_fits: Iterable[Any]) -> list[dict[str, Any]]:
        fits = list(delayed_fits)
        parallel = Parallel(n_jobs=self.n_jobs, pre_dispatch=self.pre_dispatch, return_as="generator")
        results = []
        with Progress("tune", len(fits), "fits") as progress:
            for result in parallel(fits):
                results.append(result)
                progress.advance()
        return results
