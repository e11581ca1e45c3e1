"""What pandas and scikit-learn make of a table: the design, and the search on it."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import sklearn
from sklearn.linear_model import Ridge
from sklearn.metrics import get_scorer, make_scorer
from sklearn.model_selection import GridSearchCV, GroupKFold, StratifiedGroupKFold
from sklearn.tree import DecisionTreeClassifier
from xgboost import XGBRanker

from hpt_spark.config.search_section import SearchSection
from hpt_spark.config.sections import SparkSection
from hpt_spark.tuning.roles import RowRoles
from hpt_spark.tuning.scoring import ndcg
from hpt_spark.tuning.search import run_search


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
