"""The submission: the probability of each class for each test device."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from hpt_spark.artifacts.table_model import probabilities_of
from hpt_spark.errors import InputError
from hpt_spark.matrix.design import DesignMatrix
from hpt_spark.storage.csv_rows import csv_writer


def refuse_other_columns(design: DesignMatrix, manifest: dict[str, Any]) -> None:
    """Raise InputError unless the model of `manifest` was trained on the columns of `design`."""
    if manifest["columns_digest"] != design.columns_digest:
        raise InputError(
            f"the design's columns ({len(design.columns):,}), their encoding and the classes are not those that the "
            f"model was trained on ({manifest['design']['columns']:,} columns); run `hpt-spark tune --overwrite` on "
            "this design, or build the old one again."
        )


def class_probabilities(model: Any, design: DesignMatrix) -> np.ndarray:
    """Return the probabilities of `design.classes` for the test devices.

    Returns
    -------
    ndarray of float64, shape (n_test, n_classes)
        Each row sums to 1.

    Raises
    ------
    InputError
        When the model does not predict probabilities of these classes.
    """
    if not hasattr(model, "predict_proba"):
        raise InputError(
            f"{type(model).__name__} has no predict_proba, which a submission needs; tune an estimator that has."
        )
    known = np.asarray(model.classes_)
    if sorted(known.tolist()) != list(range(len(design.classes))):
        raise InputError(
            f"the model knows {len(known)} classes and the design has {len(design.classes)}; "
            "run `hpt-spark tune` again."
        )
    return probabilities_of(model, design.X_test)


def write_predictions(path: Path, id_name: str, ids: np.ndarray, predicted: pa.Table) -> None:
    """Write the ids of rows with their predictions: class probabilities of nine digits, or a value.

    Raises
    ------
    InputError
        When a class has the name of the id column: the file would have two columns of that name.
    """
    if id_name in predicted.column_names:
        raise InputError(
            f"the column {id_name} of features.table.id is the name of a class or a prediction, too; rename the column "
            "in both tables, or name another one with features.table.id."
        )
    written = repr if predicted.column_names == ["prediction"] else "{:.9g}".format
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv_writer(file)
        writer.writerow([id_name, *predicted.column_names])
        columns = (column.to_pylist() for column in predicted.columns)
        for row_id, *row in zip(ids.tolist(), *columns):
            writer.writerow([row_id, *(written(value) if isinstance(value, float) else value for value in row)])
