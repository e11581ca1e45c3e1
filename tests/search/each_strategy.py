"""One small search of each strategy, by name, on which the tests of kills agree."""

from __future__ import annotations

import os
import signal
import sys
import time

import cloudpickle
from scipy import stats
from sklearn.datasets import make_classification
from sklearn.ensemble import GradientBoostingClassifier
from sklearn.model_selection import RepeatedStratifiedKFold
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.tree import DecisionTreeClassifier
from xgboost import XGBClassifier

from hpt_spark import GridSearchCV, HalvingGridSearchCV, OptunaSearchCV, RandomizedSearchCV

# The workers cannot import this file.
cloudpickle.register_pickle_by_value(sys.modules[__name__])

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
    "race by rank": lambda: GridSearchCV(tree(), TREES, cv=FOLDS, race={"factor": 2}, keep_oof="best"),
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
    "curves that race": lambda: GridSearchCV(
        booster(), {"learning_rate": [0.01, 0.3, 1.0]}, cv=FOLDS, rounds=ROUNDS, race={"factor": 2}, keep_oof="best"
    ),
    "curves that race and optuna": lambda: OptunaSearchCV(
        booster(), DRAWN, cv=3, rounds=ROUNDS, race={"factor": 2}, **BATCHES
    ),
    "rounds and optuna": lambda: OptunaSearchCV(booster(), DRAWN, cv=2, rounds=ROUNDS, **BATCHES),
}


class Accuracy:
    """A scorer that takes its time, or kills its process once.

    Parameters
    ----------
    nap : float
        Seconds.
    kills : {None, "fit", "worker"}
        The process that dies: the one that fits, or Spark's Python worker above it.
    mark : str
        A file that is there when it has happened.
    """

    def __init__(self, nap=0.0, kills=None, mark=""):
        self.nap, self.kills, self.mark = nap, kills, mark

    def __call__(self, estimator, X, y):
        time.sleep(self.nap)
        if self.kills and self._is_first():
            os.kill(os.getpid() if self.kills == "fit" else os.getppid(), signal.SIGKILL)
            time.sleep(60)
        return float((estimator.predict(X) == y).mean())

    def _is_first(self):
        try:
            os.close(os.open(self.mark, os.O_CREAT | os.O_EXCL))
        except FileExistsError:
            return False
        return True


def search_of(name, scorer, **arguments):
    """Return the search `name`, which is scored by `scorer` and trains no best candidate."""
    return SEARCHES[name]().set_params(scoring=scorer, refit=False, **arguments)
