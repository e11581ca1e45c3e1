"""The strategies of the configuration: the search class of each, and its arguments."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.base import is_classifier

from hpt_spark.config.search_rules import DRAWING, USED_BY
from hpt_spark.config.search_section import SearchSection
from hpt_spark.errors import ConfigError
from hpt_spark.tuning.best import refit_argument
from hpt_spark.tuning.roles import NO_ROLES, RowRoles
from hpt_spark.tuning.scoring import scoring_argument
from hpt_spark.tuning.splitters import number_of_folds, splitter_of

CLASS_NAMES = {
    "grid": "GridSearchCV",
    "random": "RandomizedSearchCV",
    "halving": "HalvingGridSearchCV",
    "halving_random": "HalvingRandomSearchCV",
    "optuna": "OptunaSearchCV",
}
OF_OURS_ALONE = ("rounds", "race")  # arguments that no class of scikit-learn's has


def search_arguments(settings: SearchSection, roles: RowRoles = NO_ROLES) -> dict[str, Any]:
    """Return the arguments of the search class that `settings` name, without the estimator.

    A random state is always given: a search that draws other candidates each time could not be
    resumed.
    """
    apart = set(OF_OURS_ALONE)
    if settings.strategy == "random" and settings.no_improvement is None:
        apart |= {"no_improvement", "batch_size"}
    of_strategy = [name for name, users in USED_BY.items() if settings.strategy in users and name not in apart]
    arguments = {
        "scoring": scoring_argument(settings, roles),
        "cv": splitter_of(settings.cv, roles),
        "refit": refit_argument(settings),
        "error_score": settings.error_score,
        **{name: getattr(settings, name) for name in of_strategy},
    }
    if settings.strategy not in DRAWING:
        return {**arguments, "param_grid": settings.param_grid}
    distributions = [{name: _drawn_from(values) for name, values in grid.items()} for grid in settings.grids]
    if settings.strategy == "halving_random":  # whose class refuses "exhaust" for both candidates and resources
        arguments["n_candidates"] = arguments.pop("n_iter")
    return {**arguments, "param_distributions": distributions}


def check_resources(settings: SearchSection, estimator: Any, y: Any, roles: RowRoles) -> None:
    """Raise ConfigError when the least resources of halving exceed the most.

    scikit-learn finds out as well, but only when the search has begun. The least is its rule: two
    rows of each class in each fold (``BaseSuccessiveHalving``).
    """
    by_rows = settings.resource == "n_samples"
    most = len(y) if settings.max_resources == "auto" else settings.max_resources
    if by_rows and most > len(y):
        raise ConfigError(f"search.max_resources={most} is more than the {len(y):,} training rows; lower it.")
    if isinstance(settings.min_resources, int):
        least = settings.min_resources
    else:
        classes = len(np.unique(y)) if is_classifier(estimator) else 1
        folds = number_of_folds(splitter_of(settings.cv, roles), y, y, roles)
        least = 2 * folds * classes if by_rows else 1
    if least > most:
        raise ConfigError(
            f"halving would begin with {least:,} of {settings.resource} (search.min_resources="
            f"{settings.min_resources}), which is more than it ends with, {most:,} (search.max_resources="
            f"{settings.max_resources}); lower the first or raise the second."
        )


def _drawn_from(values: Any) -> Any:
    """Return a list of values as it is, and ``{name: [low, high]}`` as SciPy's distribution."""
    if isinstance(values, list):
        return values
    from scipy import stats

    ((kind, (low, high)),) = values.items()
    if kind == "uniform":
        return stats.uniform(low, high - low)
    return getattr(stats, kind)(low, high)
