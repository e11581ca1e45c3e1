"""A history of searches in MLflow, written while they run by a process of its own."""

from hpt_spark.tracking.mlflow_tracking import MlflowTracking

__all__ = ["MlflowTracking"]
