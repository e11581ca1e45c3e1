"""A fitted model, as MLflow keeps it with a run."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import cloudpickle
import mlflow.models


def log_model(run_id: str, model: Mapping[str, Any]) -> None:
    """Log the model that `hpt_spark.tracking.spool_follower.pickled_model` has written."""
    flavor: Any
    with Path(model["path"]).open("rb") as file:
        estimator, example = cloudpickle.load(file)
    signature = mlflow.models.infer_signature(example, estimator.predict(example))
    with mlflow.start_run(run_id=run_id, log_system_metrics=False):
        more: dict[str, Any] = {"signature": signature, "input_example": example}
        more["pip_requirements"] = model["requirements"]
        # XGBoost's file does not say which value stands for a missing one.
        if hasattr(estimator, "get_booster") and math.isnan(estimator.missing):
            import mlflow.xgboost as flavor
        else:
            import mlflow.sklearn as flavor

            more["serialization_format"] = "cloudpickle"
        flavor.log_model(estimator, name="model", **more)
