"""Tables that packages ship, and shapes that others have: designs and searches as pandas and scikit-learn make them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd
import pytest
import sklearn
from scipy import sparse
from sklearn import datasets
from sklearn.linear_model import Ridge
from sklearn.metrics import get_scorer, make_scorer
from sklearn.model_selection import GridSearchCV, GroupKFold, StratifiedGroupKFold
from sklearn.tree import DecisionTreeClassifier
from xgboost import XGBRanker

from hpt_spark import design_from_table
from hpt_spark.config.search_section import SearchSection
from hpt_spark.config.sections import SparkSection
from hpt_spark.tuning.roles import RowRoles
from hpt_spark.tuning.scoring import ndcg
from hpt_spark.tuning.search import run_search
from tests.search.scores import assert_same_scores

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


def penguins() -> pd.DataFrame:
    """Return gaps, names and numbers side by side, as seaborn's tables have them."""
    draw = np.random.default_rng(5)
    frame = pd.DataFrame(
        {
            "bill length (mm)": draw.normal(43, 5, 120).round(1),
            "island": draw.choice(["Biscoe", "Dream, east", 'the "big" one'], 120),
            "sex": draw.choice(["Male", "Female"], 120),
            "label": draw.choice(["Adelie", "Gentoo"], 120),
            "colony": draw.integers(0, 12, 120),
        }
    )
    frame.loc[::17, "bill length (mm)"] = np.nan
    frame.loc[5::19, "sex"] = None
    return frame


def grunfeld() -> pd.DataFrame:
    """Return firms over years with a weight, as statsmodels' panels are."""
    draw = np.random.default_rng(6)
    frame = pd.DataFrame(
        [(f"firm {firm}", year, float(w)) for firm, w in enumerate((1, 2, 3, 1, 2)) for year in range(1935, 1955)],
        columns=["firm", "year", "w"],
    )
    frame["value"] = draw.normal(1000, 200, len(frame))
    frame["label"] = frame["value"] * 0.1 + (frame["year"] - 1935) + draw.normal(size=len(frame))
    return frame


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
    "diabetes": Shipped(of_sklearn(datasets.load_diabetes), "regression"),
    "penguins": Shipped(penguins, "classification", {"group": "colony", "missing": 0}, "csv"),
    "grunfeld": Shipped(grunfeld, "regression", {"weight": "w", "task": "regression"}, "json"),
    "queries": Shipped(queries, "ranking", {"group": "query", "task": "ranking"}),
}


def expected(frame: pd.DataFrame, apart: set[str]) -> tuple[list[str], np.ndarray]:
    """Return what pandas makes of a table: numbers as they are, texts as a column each, missing texts as none."""
    columns: dict[str, Any] = {}
    for name in frame.columns:
        if name in apart:
            continue
        if pd.api.types.is_numeric_dtype(frame[name]):
            columns[name] = frame[name].astype(float)
        else:
            dummies = pd.get_dummies(frame[name], dtype=float)
            columns |= {f"{name}={term}": dummies[term] for term in sorted(dummies)}
    return list(columns), np.column_stack([np.asarray(column) for column in columns.values()])


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
    ordered = (pd.read_json(path, lines=True) if shipped.write == "json" else frame).sort_values(by)
    order = ["nr", *(column for column in frame.columns if column != "nr")]
    if shipped.write == "json":  # of which Spark sorts the keys
        order = sorted(order)
    roles = {"nr", "label", *(shipped.settings[role] for role in ("group", "weight") if role in shipped.settings)}
    names, columns = expected(ordered[order], roles)
    columns = np.nan_to_num(columns) if "missing" in shipped.settings else columns
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
    weights = ordered[shipped.settings["weight"]].to_numpy(float) if "weight" in shipped.settings else None
    ours = searched(spark, tmp_path, design, shipped.task)
    X = columns if isinstance(design.X, np.ndarray) else sparse.csr_matrix(columns)
    theirs = by_sklearn(X, codes, shipped.task, groups, weights)
    assert_same_scores(ours, theirs)


SEARCHES = {
    "classification": ("sklearn.tree.DecisionTreeClassifier", {"random_state": 0}, {"max_depth": [1, 3]}, "accuracy"),
    "regression": ("sklearn.linear_model.Ridge", {}, {"alpha": [0.1, 1.0]}, "r2"),
    "ranking": ("xgboost.XGBRanker", {"random_state": 0, "n_jobs": 1}, {"n_estimators": [2, 4]}, "ndcg"),
}


def searched(spark, folder, design, task):
    from hpt_spark.spark import session

    estimator, params, grid, scoring = SEARCHES[task]
    settings = SearchSection(estimator=estimator, estimator_params=params, param_grid=grid, scoring=scoring, cv=3)
    session._kept.append(spark)
    try:
        roles = RowRoles(task, design.weights, design.groups)
        return run_search(settings, SparkSection(), design.X, design.codes, str(folder / "journal"), roles=roles)[0]
    finally:
        session._kept.pop()


def by_sklearn(X, y, task, groups, weights):
    _, params, grid, scoring = SEARCHES[task]
    estimator = {"classification": DecisionTreeClassifier, "regression": Ridge, "ranking": XGBRanker}[task](**params)
    given: dict[str, Any] = {} if groups is None else {"groups": groups}
    cv: Any = 3
    if groups is not None:
        cv = StratifiedGroupKFold(3) if task == "classification" else GroupKFold(3)
    with sklearn.config_context(enable_metadata_routing=groups is not None or weights is not None):
        scorer = make_scorer(ndcg).set_score_request(qid=True) if task == "ranking" else get_scorer(scoring)
        if task == "ranking":
            estimator.set_fit_request(qid=True)
            given["qid"] = groups
        if weights is not None:
            estimator.set_fit_request(sample_weight=True)
            scorer = scorer.set_score_request(sample_weight=True)
            given["sample_weight"] = weights
        return GridSearchCV(estimator, grid, scoring=scorer, cv=cv).fit(X, y, **given)
