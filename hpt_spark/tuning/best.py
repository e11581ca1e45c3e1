"""The choice of the best candidate: ``search.refit`` in the configuration."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from scipy.stats import sem

from hpt_spark.config.dotted_paths import find_function
from hpt_spark.config.search_rules import ONE_STD_ERR
from hpt_spark.config.search_section import SearchSection
from hpt_spark.errors import ConfigError
from hpt_spark.search.arguments import is_integer

ROUNDS = ("n_estimators", "max_iter", "iterations", "num_boost_round")


def refit_argument(settings: SearchSection) -> Any:
    """Return the argument ``refit`` of a search of scikit-learn."""
    choice = settings.refit
    if choice == ONE_STD_ERR:
        metric = settings.metric if len(settings.metrics) > 1 else "score"
        return OneStandardError(metric, settings.grids, settings.rounds is not None)
    if isinstance(choice, str) and choice not in settings.metrics:
        return Chosen(choice)
    if isinstance(choice, str):
        return choice if len(settings.metrics) > 1 else True
    return choice


class Chosen:
    """A function of the user, by its dotted path, that chooses a candidate; its answer is checked."""

    def __init__(self, path: str) -> None:
        self._path = path
        self._choose = find_function(path, "search.refit")

    def __call__(self, cv_results: Mapping[str, Any]) -> int:
        """Return the number of the candidate."""
        found = self._choose(cv_results)
        candidates = len(cv_results["params"])
        if not is_integer(found) or not 0 <= found < candidates:
            raise ConfigError(
                f"search.refit={self._path} returned {found!r}; it must return the number of one of the {candidates} "
                f"candidates, 0 to {candidates - 1}."
            )
        return int(found)


class OneStandardError:
    """The simplest candidate whose mean score is within one standard error of the best one's.

    Parameters
    ----------
    metric : str
        The end of its columns in ``cv_results_``: ``score`` for a single metric.
    grids : sequence of mapping
        An earlier value of a list is simpler; the first parameter of a grid counts first, then the next. Drawn values
        have no order but that fewer rounds are simpler.
    has_curves : bool
        Whether candidates are points of curves; their number of rounds, which is in no grid, counts last.
    """

    def __init__(self, metric: str, grids: Sequence[Mapping[str, Any]], has_curves: bool = False) -> None:
        self._metric = metric
        self._grids = grids
        self._has_curves = has_curves

    def __call__(self, cv_results: Mapping[str, Any]) -> int:
        """Return the number of the candidate."""
        mean = np.asarray(cv_results[f"mean_test_{self._metric}"], dtype=float)
        if np.isnan(mean).all():
            return 0
        best = int(np.nanargmax(mean))
        scores = [
            float(column[best])
            for name, column in cv_results.items()
            if name.startswith("split") and name.endswith(f"_test_{self._metric}")
        ]
        error = float(sem(scores)) if len(scores) > 1 else 0.0
        near = np.flatnonzero(mean >= mean[best] - error)
        return int(
            min(near, key=lambda number: (self._complexity(cv_results["params"][number]), -mean[number], number))
        )

    def _complexity(self, params: Mapping[str, Any]) -> tuple[float, ...]:
        for number, grid in enumerate(self._grids):
            more = sorted(set(params) - set(grid))
            if len(more) == int(self._has_curves) and all(
                name in params and (isinstance(values, dict) or params[name] in values) for name, values in grid.items()
            ):
                places = (_place(params[name], name, values) for name, values in grid.items())
                return (number, *places, *(float(params[name]) for name in more))
        return (len(self._grids),)


def _place(value: Any, name: str, values: Any) -> float:
    if isinstance(values, list):
        return float(values.index(value))
    return float(value) if name.rpartition("__")[2] in ROUNDS else 0.0
