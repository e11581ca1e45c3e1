"""Tables that scikit-learn ships, in each format: designs and searches as pandas and scikit-learn make them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy import sparse
from sklearn import datasets

from hpt_spark import design_from_table
from tests.search.scores import assert_same_scores
from tests.tables.oracle import by_sklearn, expected, searched

pytestmark = pytest.mark.long


@dataclass
class Shipped:
    """A table, how it is written, and which columns are what."""

    make: Callable[[], pd.DataFrame]
    task: str
    settings: dict[str, Any] = field(default_factory=dict)
    write: str = "parquet"


def of_sklearn(load: Callable[..., Any], named: bool = False) -> Callable[[], pd.DataFrame]:
    def make() -> pd.DataFrame:
        found = load(as_frame=True)
        labels = found.target.map(lambda code: found.target_names[code]) if named else found.target
        return found.data.assign(label=labels)

    return make


def queries() -> pd.DataFrame:
    """Return pages of queries with degrees of relevance, as LightGBM's and XGBoost's examples of rankings have them."""
    draw = np.random.default_rng(7)
    frame = pd.DataFrame(draw.normal(size=(120, 5)).round(3), columns=[f"f{n}" for n in range(5)])
    frame["query"] = np.repeat(np.arange(15), 8)[draw.permutation(120)]
    frame["label"] = np.clip(np.round(frame["f0"] + draw.normal(size=120)), 0, 3).astype(int)
    return frame


TABLES = {
    "iris": Shipped(of_sklearn(datasets.load_iris, named=True), "classification", write="csv"),
    "wine": Shipped(of_sklearn(datasets.load_wine), "classification"),
    "breast_cancer": Shipped(of_sklearn(datasets.load_breast_cancer, named=True), "classification", write="orc"),
    "digits": Shipped(of_sklearn(datasets.load_digits), "classification"),
    "diabetes": Shipped(of_sklearn(datasets.load_diabetes), "regression", write="json"),
    "queries": Shipped(queries, "ranking", {"group": "query", "task": "ranking"}),
}


@pytest.mark.parametrize("name", TABLES)
def test_the_design_and_the_search_are_those_of_pandas_and_scikit_learn(spark, tmp_path, name):
    shipped = TABLES[name]
    frame = shipped.make()
    frame.insert(0, "nr", np.arange(len(frame))[::-1].copy())
    path = tmp_path / f"table.{shipped.write}"
    if shipped.write == "csv":
        frame.to_csv(path, index=False)
    elif shipped.write == "json":
        frame.to_json(path, orient="records", lines=True, double_precision=15)
    elif shipped.write == "orc":
        frame.to_orc(path)
    else:
        frame.to_parquet(path, index=False)
    design = design_from_table(spark, path, label="label", id="nr", **shipped.settings)

    by = ["query", "nr"] if shipped.task == "ranking" else ["nr"]
    ordered = (pd.read_json(path, lines=True, precise_float=True) if shipped.write == "json" else frame).sort_values(by)
    order = ["nr", *(column for column in frame.columns if column != "nr")]
    if shipped.write == "json":  # of which Spark sorts the keys
        order = sorted(order)
    roles = {"nr", "label", *({shipped.settings["group"]} if "group" in shipped.settings else ())}
    names, columns = expected(ordered[order], roles)
    assert design.names == names
    np.testing.assert_array_equal(design.X if isinstance(design.X, np.ndarray) else design.X.toarray(), columns)
    assert list(design.ids) == list(ordered["nr"])
    labels = ordered["label"].to_numpy()
    assert list(design.y) == list(labels)
    codes = np.unique(labels, return_inverse=True)[1] if shipped.task == "classification" else labels.astype(float)
    np.testing.assert_array_equal(design.codes, codes)

    groups = (
        None
        if "group" not in shipped.settings
        else np.unique(ordered[shipped.settings["group"]], return_inverse=True)[1]
    )
    ours = searched(spark, tmp_path, design, shipped.task)
    X = columns if isinstance(design.X, np.ndarray) else sparse.csr_matrix(columns)
    theirs = by_sklearn(X, codes, shipped.task, groups, None)
    assert_same_scores(ours, theirs)
