"""A small design, and searches on it."""

from __future__ import annotations

import copy
import functools

import numpy as np
from scipy import sparse
from sklearn.experimental import enable_halving_search_cv  # noqa: F401, makes the halving classes importable
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV, HalvingGridSearchCV
from sklearn.tree import DecisionTreeClassifier

from hpt_spark.artifacts.finished_search import finish_search
from hpt_spark.artifacts.plan import plan_of
from hpt_spark.artifacts.run_directory import RunDirectory
from hpt_spark.config.search_section import SearchSection
from hpt_spark.matrix.design import DesignMatrix
from hpt_spark.tuning.best import refit_argument
from hpt_spark.tuning.roles import NO_ROLES
from hpt_spark.tuning.scoring import scoring_argument

CLASSES = ["F", "M22-", "M39+"]


def a_design(columns: int = 4) -> DesignMatrix:
    random = np.random.default_rng(0)
    return DesignMatrix(
        X_train=sparse.csr_matrix(random.random((30, columns), np.float32)),
        X_test=sparse.csr_matrix(random.random((5, columns), np.float32)),
        y_train=np.arange(30, dtype=np.int32) % 3,
        train_device_ids=np.arange(30) - 15,
        test_device_ids=np.array([-(2**63), 9, 7, 2**63 - 1, 0]),
        columns=[("hour", str(number)) for number in range(columns)],
        classes=CLASSES,
        facts={"blocks": {"hour": {"columns": columns, "rare_terms_dropped": 11, "test_only_terms_dropped": 22}}},
    )


def a_run(folder: object) -> RunDirectory:
    """Return a run in `folder` with a saved design."""
    run = RunDirectory(str(folder))
    run.save_design(a_design())
    return run


SETTINGS = SearchSection(
    estimator="sklearn.linear_model.LogisticRegression",
    estimator_params={},
    param_grid=[{"C": [0.1, 10.0]}, {"fit_intercept": [False]}],
    cv=2,
)


def searched(settings: SearchSection = SETTINGS, estimator=None) -> GridSearchCV:
    """Return a fitted search; the usual one is fitted once, and each caller has a copy of it."""
    if settings is SETTINGS and estimator is None:
        return copy.deepcopy(_usual_search())
    return _fitted(settings, estimator)


@functools.cache
def _usual_search() -> GridSearchCV:
    return _fitted(SETTINGS, None)


def _fitted(settings: SearchSection, estimator) -> GridSearchCV:
    design = a_design()
    arguments = {"scoring": scoring_argument(settings, NO_ROLES), "cv": settings.cv, "refit": refit_argument(settings)}
    search = GridSearchCV(estimator or LogisticRegression(), settings.grids, **arguments)
    return search.fit(design.X_train, design.y_train)


def finished(run: RunDirectory, settings: SearchSection = SETTINGS, estimator=None) -> GridSearchCV:
    search = searched(settings, estimator)
    finish(run, search, settings, 12.3456)
    return search


def finish(run: RunDirectory, search: object, settings: SearchSection = SETTINGS, seconds: float = 1.0) -> None:
    """Write the results of a search into a run with a design."""
    design = run.load_design()
    finish_search(run, plan_of(settings, design), search, seconds, design)


SEVERAL = SearchSection(
    estimator="sklearn.linear_model.LogisticRegression",
    param_grid={"C": [0.1, 10.0]},
    scoring=["accuracy", "neg_log_loss"],
    refit="neg_log_loss",
    cv=2,
)


def halved(run: RunDirectory) -> HalvingGridSearchCV:
    """Finish a halving search whose first rank is a row of an earlier rung than the best candidate's."""
    settings = SearchSection(
        strategy="halving",
        estimator="sklearn.tree.DecisionTreeClassifier",
        param_grid={"max_depth": [1, 2, 3, 4], "min_samples_leaf": [1, 2]},
        scoring="accuracy",
        factor=2,
        cv=2,
    )
    design = run.load_design()
    search = HalvingGridSearchCV(
        DecisionTreeClassifier(random_state=0), settings.grids, scoring="accuracy", factor=2, cv=2, random_state=3
    )
    search.fit(design.X_train, design.y_train)
    assert list(search.cv_results_["rank_test_score"]).index(1) != search.best_index_
    assert search.cv_results_["rank_test_score"][search.best_index_] > 1
    finish(run, search, settings)
    return search
