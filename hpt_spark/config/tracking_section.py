"""The section of the configuration that says where the history of runs is kept."""

from __future__ import annotations

from typing import Union

from pydantic import Field

from hpt_spark.config.section import Section


class MlflowSection(Section):
    """MLflow, where the extra `hpt-spark[mlflow]` is installed."""

    uri: Union[str, None] = Field(
        None,
        min_length=1,
        description=(
            "MLflow's tracking URI; `none` switches tracking off. Null: that of the variable `MLFLOW_TRACKING_URI`, "
            "else the SQLite file `mlflow.db` beside the runs, where `run.dir` is local and MLflow is installed."
        ),
    )
    experiment: str = Field(
        "hpt-spark", min_length=1, max_length=500, description="The experiment in which a search's run is."
    )
    max_children: Union[int, None] = Field(
        None,
        ge=0,
        strict=True,
        description=(
            "How many candidates get a run of their own, the best ones; null for all. With several scorings, "
            "the one that `search.refit` names ranks them, else the first."
        ),
    )


class TrackingSection(Section):
    """Where the history of runs is kept."""

    mlflow: MlflowSection = MlflowSection()
