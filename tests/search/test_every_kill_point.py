"""A search whose driver was killed, at whichever record of its journal, ends as the unbroken one does.

What a killed driver leaves is the journal's first records. They are cut off after each one in turn.
"""

from __future__ import annotations

import shutil
import warnings

import numpy as np
import pytest
from scipy import stats
from sklearn.datasets import make_classification
from sklearn.ensemble import GradientBoostingClassifier
from sklearn.model_selection import RepeatedStratifiedKFold
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.tree import DecisionTreeClassifier
from xgboost import XGBClassifier

from hpt_spark import GridSearchCV, HalvingGridSearchCV, OptunaSearchCV, RandomizedSearchCV
from tests.search.scores import scores_of
from tests.search.without_spark import Scheduler

X, y = make_classification(60, 5, n_informative=3, flip_y=0.2, random_state=0)
FOLDS = RepeatedStratifiedKFold(n_splits=3, n_repeats=2, random_state=0)
ROUNDS = {"max": 4, "step": 1, "early_stopping_rounds": 2}
RACE = {"burn_in": 2, "alpha": 0.3}
TREES = {"max_depth": [1, 2, 3], "min_samples_leaf": [1, 25]}
DRAWN = {"max_depth": [1, 2, 3], "learning_rate": stats.loguniform(0.01, 1)}
BATCHES = {"n_iter": 4, "batch_size": 2, "n_startup_trials": 2}
HALVING = {"resource": "n_estimators", "min_resources": 2, "max_resources": 8, "factor": 2, "random_state": 0}


def booster(**params):
    return XGBClassifier(**{"n_jobs": 1, "learning_rate": 0.5, "max_depth": 2, "random_state": 0, **params})


def tree():
    return DecisionTreeClassifier(random_state=0)


def boosting():
    return make_pipeline(StandardScaler(), GradientBoostingClassifier(random_state=0, subsample=0.7))


SEARCHES = {
    "race": lambda: GridSearchCV(tree(), TREES, cv=FOLDS, race=RACE, keep_oof="all"),
    "race and optuna": lambda: OptunaSearchCV(tree(), TREES, cv=FOLDS, race=RACE, **{**BATCHES, "batch_size": "auto"}),
    "random": lambda: RandomizedSearchCV(tree(), TREES, n_iter=4, cv=2, random_state=0),
    "grid": lambda: GridSearchCV(booster(), {"n_estimators": [2, 5], "max_depth": [1, 2]}, cv=2, keep_oof="best"),
    "halving": lambda: HalvingGridSearchCV(booster(), {"max_depth": [1, 2], "gamma": [0, 1]}, cv=2, **HALVING),
    "rounds": lambda: GridSearchCV(booster(), {"max_depth": [1, 2]}, cv=2, rounds=ROUNDS, keep_oof="all"),
    "rounds of a pipeline": lambda: GridSearchCV(
        boosting(), {"gradientboostingclassifier__max_depth": [1, 2]}, cv=2, rounds=ROUNDS
    ),
    "rounds by one of two metrics": lambda: GridSearchCV(
        booster(), {"max_depth": [1, 2]}, cv=2, rounds=ROUNDS, scoring=["accuracy", "roc_auc"], refit="roc_auc"
    ),
    "rounds and race": lambda: GridSearchCV(
        booster(), {"learning_rate": [0.01, 1.0]}, cv=FOLDS, rounds={"max": 4, "step": 2}, race=RACE
    ),
    "rounds and optuna": lambda: OptunaSearchCV(booster(), DRAWN, cv=2, rounds=ROUNDS, **BATCHES),
}
QUICK = ("random",)


def searched(name, journal=None):
    search = SEARCHES[name]()
    search.set_params(refit=search.refit if isinstance(search.refit, str) else False, refit_on="driver")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        return search.set_params(journal=None if journal is None else str(journal)).fit(X, y)


def keep_first(journal, records):
    """Cut off all that a driver would have written after so many records."""
    for path in sorted(journal.glob("fits-*.jsonl")):
        lines = path.read_text().splitlines(keepends=True)
        kept, records = lines[:records], max(0, records - len(lines))
        path.write_text("".join(kept)) if kept else path.unlink()


def records_of(journal):
    return [line for path in sorted(journal.glob("fits-*.jsonl")) for line in path.read_text().splitlines()]


@pytest.mark.usefixtures("no_spark")
@pytest.mark.parametrize(
    "name", [name if name in QUICK else pytest.param(name, marks=pytest.mark.long) for name in SEARCHES]
)
def test_resumed_equals_unbroken(tmp_path, monkeypatch, name):
    unbroken = searched(name)
    whole, cut = tmp_path / "whole", tmp_path / "cut"
    searched(name, whole)
    records = len(records_of(whole))
    ran = []
    run = Scheduler.run
    monkeypatch.setattr(Scheduler, "run", lambda self, fits: ran.extend(fits) or run(self, fits))
    for kept in range(records + 1):
        shutil.copytree(whole, cut)
        keep_first(cut, kept)
        ran.clear()
        resumed = searched(name, cut)
        assert resumed.fit_counts_["resumed"] == kept
        assert len(ran) == records - kept, "only fits that are not in the journal run"
        assert len(records_of(cut)) == records
        assert list(scores_of(resumed)) == list(scores_of(unbroken))
        for column, expected in scores_of(unbroken).items():
            np.testing.assert_array_equal(scores_of(resumed)[column], expected, err_msg=column)
        assert resumed.best_params_ == unbroken.best_params_
        if unbroken.keep_oof != "none":
            np.testing.assert_array_equal(resumed.oof_predictions_, unbroken.oof_predictions_)
        shutil.rmtree(cut)
