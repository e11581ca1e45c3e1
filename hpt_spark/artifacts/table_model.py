"""A model with the encoding of its table, as a run keeps them: it predicts rows of a table, with or without Spark."""

from __future__ import annotations

import logging
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from hpt_spark.artifacts.run_directory import VOCABULARY, RunDirectory
from hpt_spark.artifacts.search_results import load_model as load_estimator
from hpt_spark.errors import InputError, listed
from hpt_spark.matrix.columns import LARGEST, columns_with
from hpt_spark.matrix.design import DesignMatrix
from hpt_spark.tables.arrow_rows import canonical_table, lost_words
from hpt_spark.tables.encoding import TableEncoding, unseen_terms

_log = logging.getLogger(__name__)

REFUSED = re.compile("contains (NaN|infinity|`inf`)")  # as scikit-learn and XGBoost say of X


def vocabulary_of(design: DesignMatrix) -> dict[str, Any]:
    """Return what ``vocabulary.json`` holds of a table's design: task, classes, settings, encoding."""
    return {
        "task": design.task,
        "classes": list(design.classes),
        "table": design.facts["table"],
        "own_blocks": design.facts["own_blocks"],
        "encoding": design.encoding,
    }


class TableModel:
    """A fitted model that predicts rows of a table.

    Parameters
    ----------
    estimator : estimator
        Fitted to the design.
    task : str
    classes : list
        Labels, in the order of the probabilities; none of a regression.
    encoding : TableEncoding, optional
        How a table becomes rows of the design; without it, `predict` takes such rows.
    own_blocks : list of str
        The dotted paths of the user's own blocks.
    """

    def __init__(
        self,
        estimator: Any,
        task: str,
        classes: list[Any],
        encoding: TableEncoding | None = None,
        own_blocks: list[str] | None = None,
    ) -> None:
        self.estimator = estimator
        self.task = task
        self.classes = classes
        self.encoding = encoding
        self.own_blocks = own_blocks or []
        self._told_lost: set[str] = set()

    @property
    def outputs(self) -> list[str]:
        """The names of the predicted columns: the classes with their probabilities, or ``prediction``."""
        if self.task == "classification" and hasattr(self.estimator, "predict_proba"):
            return [class_name(label) for label in self.classes]
        return ["prediction"]

    def transform(self, data: Any) -> Any:
        """Return a table in memory as rows of the design; warn of terms that no training row has, once of lost ones.

        Parameters
        ----------
        data : pandas.DataFrame, polars.DataFrame, pyarrow.Table, or mapping of names to lists
        """
        if self.encoding is None:
            return data
        rows = canonical_table(data, self.encoding)
        matrix, unseen = self.encoding.transform(rows)
        words = ", ".join(unseen_terms(self.encoding, unseen))
        if words:
            _log.warning("cells with terms that no training row has, which count for nothing: %s", words)
        if lost := [one for one in lost_words(rows, self.encoding) if one not in self._told_lost]:
            self._told_lost.update(lost)
            _log.warning(
                "missing cells in columns in which training rows have a word: %s; pandas.read_csv takes such words for "
                "missing values, unless you write keep_default_na=False, na_values=['']",
                listed(lost),
            )
        return matrix

    def predict(self, data: Any) -> np.ndarray:
        """Return the label or the value of each row."""
        X = self.transform(data)
        with self._translate_refusals(X):
            return self._labels(self.estimator.predict(X))

    def predict_proba(self, data: Any) -> np.ndarray:
        """Return the probability of each of `classes` for each row."""
        X = self.transform(data)
        with self._translate_refusals(X):
            return self._probabilities(X)

    def outputs_of(self, X: Any) -> pa.Table:
        """Return the columns `outputs` of rows of the design.

        Raises
        ------
        InputError
            When the estimator refuses numbers that are missing, or too large for it.
        """
        with self._translate_refusals(X):
            if self.outputs != ["prediction"] or len(self.classes) == 1:
                return pa.table(dict(zip(self.outputs, self._probabilities(X).T)))
            return pa.table({"prediction": pa.array(self._labels(self.estimator.predict(X)).tolist())})

    @contextmanager
    def _translate_refusals(self, X: Any) -> Iterator[None]:
        """Raise InputError with the names of the columns whose numbers the estimator refuses."""
        try:
            yield
        except ValueError as error:
            if self.encoding is None or not REFUSED.search(str(error)):
                raise
            columns = columns_with(_is_missing_or_beyond_float32, X, self.encoding.columns)
            if not columns:
                raise
            reason = str(error).partition("\n")[0].rstrip(". ")
            raise InputError(
                f"{type(self.estimator).__name__} does not predict these rows ({reason}): numbers are missing or "
                f"beyond {LARGEST:.3g} in {listed(columns)}; correct them, or learn again, with an "
                "estimator that takes them, or with features.table.missing: zero."
            ) from None

    def _probabilities(self, X: Any) -> np.ndarray:
        if self.task != "classification" or not hasattr(self.estimator, "predict_proba"):
            raise InputError(f"{type(self.estimator).__name__} on a {self.task} gives no probabilities; use predict.")
        return probabilities_of(self.estimator, X)

    def _labels(self, predicted: Any) -> np.ndarray:
        if self.task != "classification":
            return np.asarray(predicted, dtype=np.float64).reshape(len(predicted))
        return np.array(self.classes)[np.asarray(predicted, dtype=int)]


def probabilities_of(model: Any, X: Any) -> np.ndarray:
    """Return what `model` predicts as float64, the classes sorted; each row sums to 1."""
    found = np.asarray(model.predict_proba(X), dtype=np.float64)
    found = found[:, np.argsort(model.classes_)]
    return found / found.sum(axis=1, keepdims=True)


def class_name(label: Any) -> str:
    """Return the name of a class as the column of its probabilities."""
    if isinstance(label, bool):
        return str(label).lower()
    return f"{label:.15g}" if isinstance(label, float) else str(label)


def open_model(run: RunDirectory) -> TableModel:
    """Return the model of a run with the encoding of its table.

    Raises
    ------
    InputError
        When the run has none.
    """
    manifest = run.finished_manifest()
    estimator = load_estimator(run, manifest)
    if not run.folder.exists(VOCABULARY):
        return TableModel(estimator, "classification", list(manifest.get("classes", ())))
    try:
        found: Mapping[str, Any] = run.folder.read_json(VOCABULARY)
        encoding = TableEncoding.of_json(found["encoding"])
        return TableModel(estimator, found["task"], found["classes"], encoding, found["own_blocks"])
    except (ValueError, KeyError, TypeError) as error:
        raise InputError(
            f"{run.folder.location(VOCABULARY)} cannot be read ({type(error).__name__}); run `hpt-spark tune "
            "--overwrite` to make it anew."
        ) from None


def load_model(run_dir: str | Path) -> TableModel:
    """Return the model of the run in the folder `run_dir`; a local one needs no Spark."""
    return open_model(RunDirectory(str(run_dir)))


def _is_missing_or_beyond_float32(values: np.ndarray) -> np.ndarray:
    return ~(np.abs(values) <= LARGEST)
