"""Weights, groups and queries go into fits, scores and folds as scikit-learn routes them itself."""

from __future__ import annotations

import numpy as np
import pytest
import sklearn
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.metrics import get_scorer, make_scorer, ndcg_score
from sklearn.model_selection import GridSearchCV, GroupKFold, StratifiedGroupKFold
from xgboost import XGBRanker

from hpt_spark.config.search_section import SearchSection
from hpt_spark.config.sections import SparkSection
from hpt_spark.errors import ConfigError
from hpt_spark.tuning.roles import RowRoles
from hpt_spark.tuning.scoring import ndcg
from hpt_spark.tuning.search import run_search
from hpt_spark.tuning.tasks import for_task
from tests.search.scores import assert_same_scores

DRAW = np.random.default_rng(3)
X = DRAW.normal(size=(90, 4))
Y = (X[:, 0] + DRAW.normal(size=90) > 0).astype(np.int32)
RELEVANCE = np.clip(np.round(X[:, 0] + DRAW.normal(size=90)), 0, 3)
WEIGHTS = DRAW.integers(1, 5, 90).astype(float)
GROUPS = np.repeat(np.arange(18), 5)


@pytest.fixture
def searched(spark, tmp_path):
    """Run a search on the tests' session; return its results."""
    from hpt_spark.spark import session

    def run(settings: SearchSection, y, roles: RowRoles):
        session._kept.append(spark)
        try:
            return run_search(settings, SparkSection(), X, y, str(tmp_path / "journal"), roles=roles)[0]
        finally:
            session._kept.pop()

    return run


def routed(estimator, grid, y, scoring, cv, **params):
    with sklearn.config_context(enable_metadata_routing=True):
        search = GridSearchCV(estimator(), grid, scoring=scoring(), cv=cv, refit=params.pop("refit", True))
        return search.fit(X, y, **params)


@pytest.mark.long
def test_weights_and_groups_of_a_classification_with_two_scores(searched):
    settings = SearchSection(
        estimator="sklearn.linear_model.LogisticRegression",
        estimator_params={},
        param_grid={"C": [0.1, 1.0]},
        scoring=["accuracy", "neg_log_loss"],
        refit="neg_log_loss",
        cv=3,
    )
    ours = searched(settings, Y, RowRoles("classification", WEIGHTS, GROUPS))
    theirs = routed(
        lambda: LogisticRegression().set_fit_request(sample_weight=True),
        settings.param_grid,
        Y,
        lambda: {name: get_scorer(name).set_score_request(sample_weight=True) for name in ("neg_log_loss", "accuracy")},
        StratifiedGroupKFold(3),
        sample_weight=WEIGHTS,
        groups=GROUPS,
        refit="neg_log_loss",
    )
    assert_same_scores(ours, theirs)
    np.testing.assert_array_equal(ours.best_estimator_.coef_, theirs.best_estimator_.coef_)


@pytest.mark.long
def test_weights_of_a_regression_and_a_journal_that_knows_them(searched):
    settings = SearchSection(
        estimator="sklearn.linear_model.Ridge",
        estimator_params={},
        param_grid={"alpha": [0.1, 1.0]},
        cv={"splitter": "ShuffleSplit", "n_splits": 3},
        scoring="neg_root_mean_squared_error",
    )
    y = X @ np.arange(4) + DRAW.normal(size=90)
    ours = searched(settings, y, RowRoles("regression", WEIGHTS))
    scorer = "neg_root_mean_squared_error"
    theirs = routed(
        lambda: Ridge().set_fit_request(sample_weight=True),
        settings.param_grid,
        y,
        lambda: get_scorer(scorer).set_score_request(sample_weight=True),
        sklearn.model_selection.ShuffleSplit(3, random_state=0),
        sample_weight=WEIGHTS,
    )
    assert_same_scores(ours, theirs)
    again = searched(settings, y, RowRoles("regression", WEIGHTS))
    assert again.fit_counts_["resumed"] == 6
    with pytest.raises(Exception, match="sample_weight"):
        searched(settings, y, RowRoles("regression", WEIGHTS + 1))


@pytest.mark.long
def test_a_ranking(searched):
    settings = for_task(
        SearchSection(estimator_params={"n_jobs": 1}, param_grid={"n_estimators": [2, 4], "max_depth": [2]}, cv=3),
        "ranking",
    )
    ours = searched(settings, RELEVANCE, RowRoles("ranking", groups=GROUPS))

    def mean_ndcg(y_true, y_pred, qid):
        return np.mean([ndcg_score([y_true[qid == one]], [y_pred[qid == one]]) for one in np.unique(qid)])

    theirs = routed(
        lambda: XGBRanker(n_jobs=1).set_fit_request(qid=True),
        settings.param_grid,
        RELEVANCE,
        lambda: make_scorer(mean_ndcg).set_score_request(qid=True),
        GroupKFold(3),
        qid=GROUPS,
        groups=GROUPS,
    )
    assert_same_scores(ours, theirs)


def test_ndcg_leaves_out_queries_of_one_row():
    y_true, y_pred, qid = np.array([1.0, 0, 2, 0, 1]), np.array([0.1, 0.3, 0.2, 0.9, 0.5]), np.array([3, 3, 1, 2, 2])
    pairs = ndcg_score([[1, 0]], [[0.1, 0.3]]), ndcg_score([[0, 1]], [[0.9, 0.5]])
    assert ndcg(y_true, y_pred, qid) == pytest.approx(np.mean(pairs))
    assert np.isnan(ndcg(y_true[:1], y_pred[:1], qid[:1]))


@pytest.mark.parametrize(
    ("settings", "roles", "told"),
    [
        ({"estimator": "sklearn.linear_model.Ridge"}, RowRoles(), "does not suit a classification"),
        ({}, RowRoles("regression"), "does not suit a regression"),
        ({}, RowRoles("ranking", groups=GROUPS), "takes no qid"),
        (
            {"estimator": "sklearn.neighbors.KNeighborsClassifier"},
            RowRoles(weights=WEIGHTS),
            "takes no weights that scikit-learn could route to it",
        ),
        ({"scoring": "ndcg"}, RowRoles(), "ndcg goes by queries"),
    ],
)
def test_what_does_not_suit_the_task_is_told(settings, roles, told):
    whole = SearchSection(**{"estimator_params": {}, "param_grid": {"n_jobs": [1]}, **settings})
    if "Ridge" in whole.estimator:
        whole = whole.model_copy(update={"param_grid": [{"alpha": [1.0]}]})
    with pytest.raises(ConfigError) as refused:
        run_search(whole, SparkSection(), X, Y, "none", roles=roles)
    assert told in str(refused.value)
