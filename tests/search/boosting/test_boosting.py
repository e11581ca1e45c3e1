"""One training for several candidates: which ensembles, when, and that the scores stay the same to the last bit."""

from __future__ import annotations

from functools import partial

import numpy as np
import pandas as pd
import pytest
import xgboost
from hypothesis import HealthCheck, given
from hypothesis import strategies as st
from lightgbm import LGBMClassifier, LGBMRanker, LGBMRegressor
from lightgbm.basic import _ConfigAliases
from scipy import sparse
from sklearn import model_selection
from sklearn.datasets import make_classification
from sklearn.decomposition import PCA, KernelPCA
from sklearn.ensemble import (
    AdaBoostClassifier,
    ExtraTreesClassifier,
    GradientBoostingClassifier,
    GradientBoostingRegressor,
    HistGradientBoostingClassifier,
    HistGradientBoostingRegressor,
    RandomForestClassifier,
    RandomForestRegressor,
)
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler
from xgboost import XGBClassifier, XGBModel, XGBRanker, XGBRegressor, XGBRFClassifier

from hpt_spark.search.boosting.staged import staged
from hpt_spark.search.boosting.xgboost import keeps_matrices
from tests.property_settings import examples
from tests.search.grids import XGB_GRIDS
from tests.search.in_process import GridSearchCV, HalvingGridSearchCV
from tests.search.scores import assert_same_scores

# XGBoost says it of scale_pos_weight at three classes.
pytestmark = pytest.mark.filterwarnings("ignore:(?s).*are not used")

X, y = make_classification(150, 8, n_informative=5, n_classes=3, random_state=0)
# By which LightGBM knows what decides whether trainings may be shared, beside the arguments of its classes.
OTHER_NAMES = _ConfigAliases.get("num_iterations", "early_stopping_round", "boosting", "objective", "device_type") - {
    *LGBMClassifier().get_params()
}


def both(estimator, grid, data=X, target=y, fit_params=None, **arguments):
    ours = GridSearchCV(estimator, grid, refit=False, **arguments).fit(data, target, **(fit_params or {}))
    theirs = model_selection.GridSearchCV(estimator, grid, refit=False, **arguments)
    assert_same_scores(ours, theirs.fit(data, target, **(fit_params or {})))
    return ours


@pytest.mark.long
@examples(8, suppress_health_check=list(HealthCheck))
@given(
    grid=XGB_GRIDS,
    as_sparse=st.booleans(),
    kind=st.sampled_from([XGBClassifier, XGBRegressor]),
    weighted=st.booleans(),
    with_train_scores=st.booleans(),
)
def test_any_grid_of_xgboost_has_scikit_learns_scores(grid, as_sparse, kind, weighted, with_train_scores):
    data = sparse.csr_matrix(np.where(np.abs(X) > 0.7, X, 0), dtype=np.float32) if as_sparse else X
    weights = {"sample_weight": np.linspace(0.1, 2, len(y))} if weighted else {}
    both(kind(n_jobs=1), grid, data, fit_params=weights, cv=2, return_train_score=with_train_scores)


def test_approx_shares_trainings_without_drawn_rows_and_never_matrices():
    grid = {"n_estimators": [2, 5], "max_depth": [2, 3], "colsample_bytree": [0.5]}
    ours = both(XGBRegressor(n_jobs=1, tree_method="approx"), grid, cv=2)
    assert (ours.groups, ours.built) == (4, 0)
    assert staged(XGBRegressor(tree_method="approx", subsample=0.5), {}, 100) is None


SEEDED = {"random_state": 0}
SHARING = [
    (LGBMClassifier(n_jobs=1, verbose=-1), "n_estimators", {"max_depth": [2, 3], "boosting_type": ["gbdt"]}),
    (LGBMClassifier(n_jobs=1, verbose=-1, subsample=0.8, subsample_freq=1), "n_estimators", {}),
    (LGBMRegressor(n_jobs=1, verbose=-1, colsample_bytree=0.5), "n_estimators", {"extra_trees": [True]}),
    (GradientBoostingClassifier(**SEEDED), "n_estimators", {"subsample": [0.5, 1.0], "max_features": [None, 2]}),
    (GradientBoostingRegressor(**SEEDED), "n_estimators", {"loss": ["squared_error", "huber"]}),
    (HistGradientBoostingClassifier(**SEEDED), "max_iter", {"l2_regularization": [0.0, 1.0]}),
    (HistGradientBoostingRegressor(early_stopping=False, **SEEDED), "max_iter", {"max_leaf_nodes": [3, 9]}),
    (RandomForestClassifier(**SEEDED), "n_estimators", {"max_depth": [2, None]}),
    (RandomForestRegressor(max_samples=0.5, **SEEDED), "n_estimators", {}),
    (ExtraTreesClassifier(bootstrap=True, **SEEDED), "n_estimators", {}),
    (
        make_pipeline(StandardScaler(), PCA(4, random_state=0), XGBClassifier(n_jobs=1)),
        "xgbclassifier__n_estimators",
        {},
    ),
    (make_pipeline(StandardScaler(), RandomForestClassifier(**SEEDED)), "randomforestclassifier__n_estimators", {}),
]


@pytest.mark.long
@pytest.mark.filterwarnings("ignore:X does not have valid feature names")
@pytest.mark.parametrize(("estimator", "rounds", "others"), SHARING)
def test_a_family_shares_and_has_scikit_learns_scores(estimator, rounds, others):
    scoring = "neg_mean_squared_error" if hasattr(estimator, "loss") and "Regressor" in str(estimator) else None
    ours = both(estimator, {rounds: [9, 3, 6], **others}, cv=2, scoring=scoring, return_train_score=True)
    assert ours.groups == 2 * len(ours.cv_results_["params"]) / 3


def test_rounds_of_lightgbm_without_a_tree_are_fitted_plainly():
    """With 75 rows in a fold and half of them drawn, LightGBM finds nothing to split in some rounds."""
    both(LGBMClassifier(n_jobs=1, verbose=-1, subsample=0.5, subsample_freq=1), {"n_estimators": [4, 9]}, cv=2)


def test_rankers_share():
    groups = np.repeat(np.arange(15), 10)
    labels = (y > 1).astype(int)
    splits = model_selection.GroupKFold(3).split(X, labels, groups)

    def agreement(model, data, target):
        return float(np.corrcoef(model.predict(data), target)[0, 1])

    ranker, fit_params = XGBRanker(n_jobs=1), {"qid": groups}
    arguments = {"cv": list(splits), "scoring": agreement}
    ours = both(ranker, {"n_estimators": [2, 5]}, X, labels, fit_params=fit_params, **arguments)
    assert ours.groups == 3
    # LightGBM's groups are sizes, which no splitter can cut, so that no search can tune it.
    assert staged(LGBMRanker(), {"group": [50, 50]}, 100) is not None


@pytest.mark.parametrize(
    "estimator",
    [
        XGBClassifier(booster="dart"),
        XGBClassifier(booster="gblinear"),
        XGBClassifier(early_stopping_rounds=2),
        XGBClassifier(callbacks=[object()]),
        XGBClassifier(process_type="update", updater="refresh"),
        XGBClassifier(updater="grow_colmaker"),
        XGBClassifier(device="cuda"),
        XGBClassifier(multi_strategy="multi_output_tree"),
        XGBClassifier(objective=lambda labels, scores: (scores, scores)),
        XGBClassifier(eval_metric=lambda labels, scores: 0.0),
        XGBClassifier(random_state=np.random.RandomState(0)),
        XGBClassifier(random_state=np.random.default_rng(0)),
        XGBClassifier(n_estimators=0),
        XGBRFClassifier(),
        type("Own", (XGBClassifier,), {})(),
        LGBMClassifier(boosting_type="dart"),
        LGBMClassifier(early_stopping_round=3),
        LGBMClassifier(num_iterations=3),
        *(LGBMClassifier(**{name: None}) for name in sorted(OTHER_NAMES)),
        LGBMClassifier(random_state=np.random.RandomState(0)),
        GradientBoostingClassifier(),
        GradientBoostingClassifier(n_iter_no_change=2, **SEEDED),
        GradientBoostingClassifier(warm_start=True, **SEEDED),
        GradientBoostingClassifier(init=LogisticRegression(), **SEEDED),
        HistGradientBoostingClassifier(early_stopping=True, **SEEDED),
        HistGradientBoostingClassifier(),
        RandomForestClassifier(),
        RandomForestClassifier(oob_score=True, **SEEDED),
        AdaBoostClassifier(**SEEDED),
        LogisticRegression(),
        make_pipeline(XGBClassifier(), LogisticRegression()),
    ],
)
def test_what_must_not_share(estimator):
    assert staged(estimator, {}, 100) is None


def test_what_sharing_depends_on_beside_the_parameters():
    histograms = HistGradientBoostingClassifier(**SEEDED)
    assert staged(histograms, {}, 10_000) is not None
    assert staged(histograms, {}, 10_001) is None  # early_stopping="auto" stops early from here on
    for fit_params in ({"eval_set": [(X, y)]}, {"xgb_model": "model.ubj"}, {"sample_weight_eval_set": []}):
        assert staged(XGBClassifier(), fit_params, 100) is None
    pipeline = make_pipeline(StandardScaler(), XGBClassifier())
    assert staged(pipeline, {"xgbclassifier__sample_weight": y}, 100) is not None
    assert staged(pipeline, {"standardscaler__sample_weight": y}, 100) is None


def as_categories(frame):
    return frame.astype({"kind": "category"})


def test_categories_that_a_step_makes_anew_of_the_test_rows_are_those_of_the_training():
    kinds = np.resize(["a", "b", "c"], 150)
    frame = pd.DataFrame({"kind": kinds, "number": X[:, 0]})
    target = np.searchsorted(["a", "b", "c"], kinds) + X[:, 0]
    folds = [(np.arange(150), np.flatnonzero(kinds != "a"))]
    booster = XGBRegressor(n_jobs=1, enable_categorical=True)
    both(
        make_pipeline(FunctionTransformer(as_categories), booster),
        {"xgbregressor__n_estimators": [2, 5]},
        frame,
        target,
        cv=folds,
    )
    ours = both(booster, {"n_estimators": [2, 5]}, as_categories(frame), target, cv=2)
    assert ours.groups == 2


def test_a_kernels_matrix_is_cut_as_the_candidates_parameters_want_it():
    pipeline = make_pipeline(KernelPCA(2, kernel="precomputed"), XGBClassifier(n_jobs=1))
    for kernels in (["linear"], ["precomputed", "linear"]):
        both(pipeline, {"kernelpca__kernel": kernels, "xgbclassifier__n_estimators": [2, 5]}, X @ X.T, cv=2)


def test_without_xgboosts_private_method_trainings_are_still_shared_and_exact(monkeypatch):
    """A release that has renamed it: its own `fit` finds what it needs, and we do not."""
    create = XGBModel._create_dmatrix
    monkeypatch.delattr(XGBModel, "_create_dmatrix")
    # Only `fit` asks an instance for it.
    monkeypatch.setattr(XGBModel, "__getattr__", lambda self, name: _renamed(create, self, name), raising=False)
    keeps_matrices.cache_clear()
    try:
        grid = {"n_estimators": [2, 4, 6], "max_depth": [2, 3], "subsample": [0.7]}
        search = both(XGBClassifier(random_state=0, n_jobs=1), grid, cv=2)
        assert (search.groups, search.built) == (4, 0)
    finally:
        keeps_matrices.cache_clear()


def _renamed(create, estimator, name):
    if name != "_create_dmatrix":
        raise AttributeError(name)
    return partial(create, estimator)


@pytest.mark.long
def test_matrices_are_built_once_per_fold_and_key():
    grid = {"n_estimators": [2, 4], "max_depth": [2, 3], "subsample": [0.5, 1.0]}
    assert both(XGBClassifier(n_jobs=1), grid, cv=3).built == 3
    assert both(XGBClassifier(n_jobs=1), {**grid, "max_bin": [16]}, cv=3).built == 3


def test_the_estimator_scored_at_a_checkpoint_is_the_one_that_a_plain_fit_gives():
    def rounds_seen(model, data, target):
        assert model.get_booster().num_boosted_rounds() == model.n_estimators
        assert model.get_booster().feature_names is None
        return model.n_estimators

    ours = both(XGBClassifier(n_jobs=1), {"n_estimators": [5, 2]}, cv=2, scoring=rounds_seen)
    assert ours.cv_results_["mean_test_score"].tolist() == [5, 2]


@pytest.mark.parametrize(
    "params",
    [
        {},
        {"tree_method": "exact"},
        {"grow_policy": "lossguide", "max_leaves": 5},
        {"subsample": 0.5},
        {"colsample_bylevel": 0.5, "colsample_bytree": 0.7, "seed": 3},
        pytest.param({"tree_method": "approx"}, marks=pytest.mark.long),
        pytest.param({"num_parallel_tree": 2}, marks=pytest.mark.long),
        pytest.param({"base_score": 0.3}, marks=pytest.mark.long),
        pytest.param(
            {"scale_pos_weight": 2, "reg_alpha": 1, "gamma": 0.1, "max_delta_step": 1}, marks=pytest.mark.long
        ),
        pytest.param({"tree_method": "exact", "subsample": 0.5}, marks=pytest.mark.long),
    ],
    ids=str,
)
@pytest.mark.parametrize("kind", [XGBClassifier, pytest.param(XGBRegressor, marks=pytest.mark.slow)])
def test_halving_of_the_rounds_goes_on_where_it_stopped(kind, params):
    """Each rung's scores are those of plain fits, and of the full grid."""
    estimator, grid = kind(n_jobs=1, **params), {"max_depth": [1, 3], "learning_rate": [0.1, 0.5]}
    arguments = {"resource": "n_estimators", "max_resources": 8, "min_resources": 2, "factor": 2, "cv": 2}
    scoring = "neg_log_loss" if kind is XGBClassifier else "neg_mean_absolute_error"
    ours = HalvingGridSearchCV(estimator, grid, scoring=scoring, refit=False, random_state=0, **arguments).fit(X, y)
    theirs = model_selection.HalvingGridSearchCV(
        estimator, grid, scoring=scoring, refit=False, random_state=0, **arguments
    ).fit(X, y)
    assert_same_scores(ours, theirs)
    draws = bool({"subsample", "colsample_bylevel"} & set(params))
    generator_is_pickled = tuple(map(int, xgboost.__version__.split(".")[:2])) >= (3, 3)
    continued = sum(n for n in ours.n_candidates_[1:]) * 2
    assert ours.starts == (0 if draws and not generator_is_pickled else continued)


def test_objectives_that_refit_leaves_go_on_exactly():
    grid = {"max_depth": [2, 3], "objective": ["reg:absoluteerror", "reg:tweedie"]}
    arguments = {"resource": "n_estimators", "max_resources": 12, "min_resources": 3, "factor": 2, "cv": 2}
    target = np.abs(X[:, 0]) * 3 + y
    ours = HalvingGridSearchCV(XGBRegressor(n_jobs=1), grid, refit=False, **arguments).fit(X, target)
    theirs = model_selection.HalvingGridSearchCV(XGBRegressor(n_jobs=1), grid, refit=False, **arguments)
    assert_same_scores(ours, theirs.fit(X, target))
    assert ours.starts


def test_objectives_that_draw_pairs_or_learn_positions_start_anew():
    grid = {"lambdarank_pair_method": ["mean", "topk"], "lambdarank_unbiased": [True, False]}
    arguments = {"resource": "n_estimators", "max_resources": 12, "min_resources": 3, "factor": 2, "cv": 2}
    ranker, labels = XGBRegressor(n_jobs=1, objective="rank:pairwise"), (y > 1).astype(int)
    ours = HalvingGridSearchCV(ranker, grid, refit=False, random_state=0, **arguments).fit(X, labels)
    theirs = model_selection.HalvingGridSearchCV(ranker, grid, refit=False, random_state=0, **arguments)
    assert_same_scores(ours, theirs.fit(X, labels))
    assert not ours.starts


def test_halving_of_samples_or_other_parameters_starts_anew():
    estimator, grid = RandomForestClassifier(**SEEDED), {"max_depth": [1, 2, 3]}
    arguments = {"resource": "n_estimators", "max_resources": 8, "min_resources": 2, "factor": 2, "cv": 2}
    ours = HalvingGridSearchCV(estimator, grid, refit=False, **arguments).fit(X, y)
    assert_same_scores(ours, model_selection.HalvingGridSearchCV(estimator, grid, refit=False, **arguments).fit(X, y))
    arguments = {"min_resources": 40, "factor": 2, "cv": 2, "random_state": 0}
    ours = HalvingGridSearchCV(XGBClassifier(n_jobs=1), grid, refit=False, **arguments).fit(X, y)
    theirs = model_selection.HalvingGridSearchCV(XGBClassifier(n_jobs=1), grid, refit=False, **arguments).fit(X, y)
    assert_same_scores(ours, theirs)
    assert not ours.starts
