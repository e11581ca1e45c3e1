"""LightGBM's boosting: shared trainings."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from hpt_spark.search.arguments import is_count, is_integer
from hpt_spark.search.boosting.family import Family, is_class_of

CLASSES = frozenset({"LGBMClassifier", "LGBMRegressor", "LGBMRanker"})

# Other names by which a parameter sets the number of rounds, stops early, or chooses the boosting
# (LightGBM's documentation, "Parameters"); rather than to interpret them, no training is shared.
DECIDING_ELSEWHERE = frozenset(
    {
        *("num_iterations", "num_iteration", "n_iter", "num_tree", "num_trees", "num_round", "num_rounds", "nrounds"),
        *("num_boost_round", "max_iter", "early_stopping_round", "early_stopping_rounds", "early_stopping"),
        *("n_iter_no_change", "boosting", "boost", "device", "device_type"),
        *("objective_type", "app", "application", "loss"),
    }
)


class LightGBM(Family):
    """`Family` of the trees of LightGBM's scikit-learn classes."""

    rounds = "n_estimators"
    trained_attributes = frozenset({"_Booster", "n_estimators"})
    row_params = frozenset({"sample_weight", "init_score", "group", "feature_name", "categorical_feature"})

    def covers(self, estimator: Any) -> bool:
        """Return whether `estimator` is one of LightGBM's classes."""
        return is_class_of(estimator, "lightgbm.sklearn", CLASSES)

    def is_prefix_stable(self, params: Mapping[str, Any], rows: int) -> bool:
        """Return whether nothing in the parameters makes trees depend on the number of rounds."""
        return (
            is_count(params[self.rounds])
            and not DECIDING_ELSEWHERE & set(params)
            # dart rescales earlier trees.
            and params["boosting_type"] in ("gbdt", "rf", "goss")
            and not callable(params["objective"])
            and (params["random_state"] is None or is_integer(params["random_state"]))
        )

    def truncate(self, estimator: Any, rounds: int) -> Mapping[str, Any]:
        """Return the booster of the first `rounds` rounds; its text holds each number to the last bit.

        Raises
        ------
        ValueError
            When a round found nothing to split: LightGBM keeps no tree of it, and trees are not
            rounds any more.
        """
        from lightgbm import Booster

        if estimator.booster_.current_iteration() != getattr(estimator, self.rounds):
            raise ValueError("LightGBM has kept no tree of some rounds, so that trees cannot be counted as rounds")
        text = estimator.booster_.model_to_string(num_iteration=rounds)
        return {"_Booster": Booster(model_str=text), self.rounds: rounds}
