"""Hyperparameter search for scikit-learn estimators on Spark."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from hpt_spark.search.optuna_search import OptunaSearchCV
    from hpt_spark.search.search_cv import GridSearchCV, HalvingGridSearchCV, HalvingRandomSearchCV, RandomizedSearchCV

__version__ = "0.1.0"

__all__ = ["GridSearchCV", "HalvingGridSearchCV", "HalvingRandomSearchCV", "OptunaSearchCV", "RandomizedSearchCV"]


if not TYPE_CHECKING:  # to a type checker any name would seem to be here

    def __getattr__(name: str) -> Any:
        # Only when asked for: the jobs that do not search start without scikit-learn.
        if name in __all__:
            from hpt_spark.search import optuna_search, search_cv

            return getattr(optuna_search if name == "OptunaSearchCV" else search_cv, name)
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
