"""Hyperparameter search for scikit-learn estimators on Spark."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from hpt_spark.artifacts.table_model import load_model
    from hpt_spark.search.halving_cv import HalvingGridSearchCV, HalvingRandomSearchCV
    from hpt_spark.search.nested import nested_cross_validate
    from hpt_spark.search.optuna_search import OptunaSearchCV
    from hpt_spark.search.search_cv import GridSearchCV, RandomizedSearchCV
    from hpt_spark.tables.notebook import design_from_table

__version__ = "0.1.0"

_MODULES = {
    "GridSearchCV": "search.search_cv",
    "HalvingGridSearchCV": "search.halving_cv",
    "HalvingRandomSearchCV": "search.halving_cv",
    "OptunaSearchCV": "search.optuna_search",
    "RandomizedSearchCV": "search.search_cv",
    "design_from_table": "tables.notebook",
    "load_model": "artifacts.table_model",
    "nested_cross_validate": "search.nested",
}
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
        if name not in _MODULES:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        try:
            return getattr(import_module(f"hpt_spark.{_MODULES[name]}"), name)
        except ModuleNotFoundError as error:
            from hpt_spark.errors import NO_PYSPARK, MissingDependencyError

            if error.name != "pyspark":
                raise
            raise MissingDependencyError(NO_PYSPARK) from None
