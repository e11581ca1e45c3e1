"""Hyperparameter search for scikit-learn estimators on Spark."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from hpt_spark.artifacts.table_model import load_model
    from hpt_spark.search.nested import nested_cross_validate
    from hpt_spark.search.optuna_search import OptunaSearchCV
    from hpt_spark.search.search_cv import GridSearchCV, HalvingGridSearchCV, HalvingRandomSearchCV, RandomizedSearchCV
    from hpt_spark.tables.notebook import design_from_table

__version__ = "0.1.0"

_SEARCHES = ["GridSearchCV", "HalvingGridSearchCV", "HalvingRandomSearchCV", "OptunaSearchCV", "RandomizedSearchCV"]
__all__ = [
    "GridSearchCV",
    "HalvingGridSearchCV",
    "HalvingRandomSearchCV",
    "OptunaSearchCV",
    "RandomizedSearchCV",
    "design_from_table",
    "load_model",
    "nested_cross_validate",
]


if not TYPE_CHECKING:  # to a type checker any name would seem to be here

    def __getattr__(name: str) -> Any:
        # Only when asked for: the jobs that do not search start without scikit-learn.
        if name in _SEARCHES:
            from hpt_spark.search import optuna_search, search_cv

            return getattr(optuna_search if name == "OptunaSearchCV" else search_cv, name)
        if name == "nested_cross_validate":
            from hpt_spark.search.nested import nested_cross_validate

            return nested_cross_validate
        if name == "design_from_table":
            from hpt_spark.tables.notebook import design_from_table

            return design_from_table
        if name == "load_model":
            from hpt_spark.artifacts.table_model import load_model

            return load_model
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
