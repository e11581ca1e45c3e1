"""scikit-learn's own search on the processes of one machine, with progress shown."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any

from joblib import cpu_count, effective_n_jobs
from sklearn import model_selection
from sklearn.experimental import enable_halving_search_cv  # noqa: F401, makes the halving classes importable
from sklearn.utils.parallel import Parallel

from hpt_spark.progress import Progress
from hpt_spark.search.planning.threads import CappedCandidate, capped_candidate, uncapped
from hpt_spark.search.sklearn_compat import HandsFitsOver


class ProgressMixin(HandsFitsOver):
    """The mixin that shows the progress of a scikit-learn search, and gives each of its fits one thread."""

    n_jobs: int | None
    pre_dispatch: Any

    @contextmanager
    def _handed_to(self) -> Iterator[Callable[..., Any]]:
        yield self._run_fits

    def _run_fits(self, delayed_fits: Iterable[Any]) -> list[dict[str, Any]]:
        fits = _with_one_thread(list(delayed_fits))
        self._warn_of_threads(fits)
        parallel = Parallel(n_jobs=self.n_jobs, pre_dispatch=self.pre_dispatch, return_as="generator")
        results = []
        with Progress("tune", len(fits), "fits") as progress:
            for result in parallel(fits):
                results.append(result)
                progress.advance()
        return results

    def _warn_of_threads(self, fits: list[Any]) -> None:
        """Say once of which numbers of threads all fits together would take more cores than there are."""
        if not fits or len(getattr(self, "n_resources_", ())) > 1:  # a later rung of halving
            return
        candidates = list({id(arguments["parameters"]): arguments["parameters"] for _, _, arguments in fits}.values())
        estimator = fits[0][1][0]
        processes, cores = effective_n_jobs(self.n_jobs), cpu_count()
        too_many = uncapped(estimator, candidates, max(1, cores // processes))
        if too_many:
            warnings.warn(
                f"{processes} processes fit at the same time on {cores} cores, and each may take more than its share: "
                f"{', '.join(map(str, too_many))}. Set fewer there, or lower search.n_jobs.",
                UserWarning,
                stacklevel=2,
            )


def _with_one_thread(delayed_fits: list[Any]) -> list[Any]:
    capped: dict[int, CappedCandidate] = {}
    fits = []
    for function, (estimator, *data), arguments in delayed_fits:
        parameters = arguments["parameters"]  # one object for all folds of a candidate
        if id(parameters) not in capped:
            capped[id(parameters)] = capped_candidate(estimator, parameters, 1)
        fits.append((function, (estimator, *data), {**arguments, "parameters": capped[id(parameters)]}))
    return fits


class GridSearchCV(ProgressMixin, model_selection.GridSearchCV):
    """scikit-learn's ``GridSearchCV``; its fits are counted as they are done."""


class RandomizedSearchCV(ProgressMixin, model_selection.RandomizedSearchCV):
    """scikit-learn's ``RandomizedSearchCV``; its fits are counted as they are done."""


class HalvingGridSearchCV(ProgressMixin, model_selection.HalvingGridSearchCV):
    """scikit-learn's ``HalvingGridSearchCV``; its fits are counted as they are done."""


class HalvingRandomSearchCV(ProgressMixin, model_selection.HalvingRandomSearchCV):
    """scikit-learn's ``HalvingRandomSearchCV``; its fits are counted as they are done."""
