"""A design from Python: what a notebook starts from when it has a table in Spark."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from pydantic import ValidationError

from hpt_spark.config.sections import FeaturesSection
from hpt_spark.config.table_section import TableSection
from hpt_spark.errors import ConfigError, InputError
from hpt_spark.matrix.columns import column_names
from hpt_spark.tables.design import build_table_design

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession


@dataclass(frozen=True)
class TableDesign:
    """A table as scikit-learn takes it.

    Parameters
    ----------
    X : ndarray or scipy.sparse.csr_matrix of float64
    y : ndarray
        The labels themselves, for a classifier of scikit-learn; floats of a regression.
    groups, weights : ndarray or None
        Of each row.
    names : list of str
        What each column means, ``column=term`` where it has terms.
    ids : ndarray
        Of the rows; their numbers where the table has none.
    codes : ndarray
        The number of each row's class, as XGBoost wants it; of a regression the same as `y`.
    classes : list
    """

    X: Any
    y: np.ndarray
    groups: np.ndarray | None
    weights: np.ndarray | None
    names: list[str]
    ids: np.ndarray
    codes: np.ndarray
    classes: list[Any]


def design_from_table(
    spark: SparkSession, table: str | Path | DataFrame, *, label: str, blocks: Sequence[str] = (), **settings: Any
) -> TableDesign:
    """Make a design of a table in Spark, as the job ``build_features`` does.

    Parameters
    ----------
    spark : SparkSession
    table : str, Path or DataFrame
        A path that Spark reads, or a DataFrame.
    label : str
        The column that is to be predicted.
    blocks : sequence of str
        Dotted paths of functions that give further blocks.
    **settings
        The keys of ``features.table``: ``id``, ``weight``, ``group``, ``columns``, ``exclude``, ``categorical`` ...

    Returns
    -------
    TableDesign

    Raises
    ------
    ConfigError
        When a setting is not known or wrong.
    InputError
        When the table cannot be read, or holds what no design can be made of.
    """
    if isinstance(table, Path):
        table = str(table)
    is_path = isinstance(table, str)
    if not is_path and not hasattr(table, "mapInArrow"):
        raise InputError(
            f"design_from_table takes a path or a DataFrame of Spark, not {type(table).__name__} of "
            f"{type(table).__module__.partition('.')[0]}; write spark.createDataFrame(...) first."
        )
    try:
        section = TableSection(label=label, **({"uri": table} if is_path else {"sql": "-"}), **settings)
        given: dict[str, Any] = {"from": "table", "table": section, "blocks": list(blocks)}
        features = FeaturesSection(**given)
    except ValidationError as error:
        problems = (_told(dict(problem)) for problem in error.errors())
        raise ConfigError("; ".join(problems)) from None
    design = build_table_design(spark, features, None if is_path else table)  # type: ignore[arg-type]
    is_classes = design.task == "classification"
    return TableDesign(
        X=design.X_train,
        y=np.array(design.classes)[design.y_train] if is_classes else design.y_train,
        groups=design.groups,
        weights=design.weights,
        names=column_names(design.columns),
        ids=design.train_device_ids,
        codes=design.y_train,
        classes=list(design.classes),
    )


def _told(problem: dict[str, Any]) -> str:
    key = ".".join(map(str, problem["loc"]))
    if problem["type"] == "extra_forbidden":
        return f"design_from_table does not know {key}; it takes {', '.join(TableSection.model_fields)}"
    return f"{key}={problem['input']!r}: " * bool(key) + str(problem["msg"]).removeprefix("Value error, ")
