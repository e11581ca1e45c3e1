"""scikit-learn's own ensembles: gradient boosting in both forms, and forests."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from hpt_spark.search.arguments import is_count, is_integer
from hpt_spark.search.boosting.family import Family, is_class_of

# Above so many rows the default of HistGradientBoosting's `early_stopping` means True.
EARLY_STOPPING_ROWS = 10_000


class GradientBoosting(Family):
    """`Family` of scikit-learn's ``GradientBoosting`` classes."""

    rounds = "n_estimators"
    row_params = frozenset({"sample_weight"})
    trained_attributes = frozenset(
        {
            *("n_estimators", "max_iter", "n_estimators_", "estimators_", "_predictors"),
            *("train_score_", "oob_improvement_", "oob_scores_", "oob_score_"),
        }
    )
    classes = frozenset({"GradientBoostingClassifier", "GradientBoostingRegressor"})
    # With an entry per round; a fitted estimator may lack some.
    per_round: tuple[str, ...] = ("estimators_", "train_score_", "oob_improvement_", "oob_scores_")

    def covers(self, estimator: Any) -> bool:
        """Return whether `estimator` is one of these classes."""
        return is_class_of(estimator, "sklearn.ensemble", self.classes)

    def is_prefix_stable(self, params: Mapping[str, Any], rows: int) -> bool:
        """Return whether nothing in the parameters makes trees depend on the number of rounds."""
        return (
            is_count(params[self.rounds])
            # Without a seed every fit draws anew, and a shared training would be one draw for many.
            and is_integer(params["random_state"])
            and not params["warm_start"]
            and self._grows_to_the_end(params, rows)
        )

    def truncate(self, estimator: Any, rounds: int) -> Mapping[str, Any]:
        """Return the attributes with an entry per round, cut, and the totals."""
        there = [name for name in self.per_round if hasattr(estimator, name)]
        cut = {name: getattr(estimator, name)[:rounds] for name in there}
        return {**cut, **self._totals(cut, rounds), self.rounds: rounds}

    def _grows_to_the_end(self, params: Mapping[str, Any], rows: int) -> bool:
        return params["n_iter_no_change"] is None and params["init"] in (None, "zero")

    def _totals(self, cut: Mapping[str, Any], rounds: int) -> Mapping[str, Any]:
        last_oob = {"oob_score_": cut["oob_scores_"][-1]} if "oob_scores_" in cut else {}
        return {"n_estimators_": rounds, **last_oob}


class HistGradientBoosting(GradientBoosting):
    """`Family` of scikit-learn's ``HistGradientBoosting`` classes."""

    rounds = "max_iter"
    classes = frozenset({"HistGradientBoostingClassifier", "HistGradientBoostingRegressor"})
    per_round = ("_predictors",)

    def _grows_to_the_end(self, params: Mapping[str, Any], rows: int) -> bool:
        automatic = params["early_stopping"] == "auto" and rows <= EARLY_STOPPING_ROWS
        return automatic or params["early_stopping"] is False

    def _totals(self, cut: Mapping[str, Any], rounds: int) -> Mapping[str, Any]:
        return {}


class Forests(GradientBoosting):
    """`Family` of scikit-learn's forests: tree i draws its seed before the trees behind it do."""

    classes = frozenset(
        {"RandomForestClassifier", "RandomForestRegressor", "ExtraTreesClassifier", "ExtraTreesRegressor"}
    )
    per_round = ("estimators_",)

    def _grows_to_the_end(self, params: Mapping[str, Any], rows: int) -> bool:
        return not params["oob_score"]

    def _totals(self, cut: Mapping[str, Any], rounds: int) -> Mapping[str, Any]:
        return {}
