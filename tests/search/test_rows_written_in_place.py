"""Steps, estimators and scorers that write into what they are given: every fit sees what scikit-learn's sees."""

from __future__ import annotations

import pickle
import sys
from functools import wraps

import cloudpickle
import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given
from hypothesis import strategies as st
from scipy import sparse
from sklearn import model_selection
from sklearn.base import BaseEstimator, ClassifierMixin, TransformerMixin
from sklearn.datasets import make_classification
from sklearn.ensemble import GradientBoostingClassifier, HistGradientBoostingClassifier, RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import accuracy_score, make_scorer
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import FunctionTransformer, MaxAbsScaler, StandardScaler
from xgboost import XGBClassifier

from hpt_spark.search.dataset import Dataset
from tests.property_settings import examples
from tests.search.in_process import GridSearchCV

# scikit-learn says it of scorers without weights.
pytestmark = pytest.mark.filterwarnings("ignore:The scoring")

cloudpickle.register_pickle_by_value(sys.modules[__name__])

DENSE, TARGET = make_classification(90, 6, n_informative=4, shift=1.0, scale=3.0, random_state=0)
FOLDS = [(np.arange(30, 90), np.arange(30)), (np.arange(60), np.arange(60, 90))]
DATA = {
    "dense": lambda: DENSE.copy(),
    "csr": lambda: sparse.csr_matrix(np.where(DENSE > 0, DENSE, 0)),
    "frame": lambda: pd.DataFrame(DENSE.copy(), columns=list("abcdef")),
    "lists": lambda: DENSE.tolist(),
    "frame of lists": lambda: pd.DataFrame({"cell": [list(row) for row in DENSE]}),
}


def doubled(X):
    if isinstance(X, pd.DataFrame):
        for column in X.columns:
            X[column] = X[column] * 2
    elif sparse.issparse(X):
        X.data *= 2
    elif isinstance(X, list):
        for row in X:
            row[0] *= 2
    else:
        X *= 2
    return X


class Cells(TransformerMixin, BaseEstimator):
    """Rows that are lists, one or as the cells of a frame, as an array; the lists grow on the way."""

    def fit(self, X, y=None):
        return self

    def transform(self, X):
        lists = X if isinstance(X, list) else X["cell"].tolist()
        for cells in lists:
            cells.append(len(cells))
        return np.array([[*cells[:6], len(cells)] for cells in lists])


class Counts(TransformerMixin, BaseEstimator):
    """Changes itself each time it is used."""

    def fit(self, X, y=None):
        self.calls_ = 0
        return self

    def transform(self, X):
        self.calls_ += 1
        return np.asarray(X) * (1 if self.calls_ % 2 else -1)


class FlipsTargets(TransformerMixin, BaseEstimator):
    def fit(self, X, y=None):
        y[:10] = 1 - y[:10]
        return self

    def transform(self, X):
        return X


def writes_rows(estimator, X, y):
    score = estimator.score(X, y)
    if isinstance(X, pd.DataFrame):
        X["score"] = score
    elif not isinstance(X, list):
        X *= 0
    return score


def writes_targets(y, predicted):
    y[: len(y) // 2] = 1 - y[: len(y) // 2]
    return float((y == predicted).mean())


def writes_into_the_estimator(estimator, X, y):
    estimator.seen_ = getattr(estimator, "seen_", 0) + 1
    return estimator.score(X, y) / estimator.seen_


STEPS = {
    "StandardScaler": (StandardScaler(copy=False), {"dense", "frame"}),
    "MaxAbsScaler": (MaxAbsScaler(copy=False), {"dense", "csr"}),
    "doubled": (FunctionTransformer(doubled), set(DATA) - {"frame of lists"}),
    "Counts": (Counts(), {"dense", "frame"}),
    "FlipsTargets": (FlipsTargets(), {"dense", "csr", "frame"}),
}
LAST = {
    "XGBoost": (XGBClassifier(n_jobs=1, max_depth=2), "n_estimators", [2, 5]),
    "forest": (RandomForestClassifier(random_state=0, max_depth=3), "n_estimators", [2, 5]),
    "histograms": (HistGradientBoostingClassifier(random_state=0, max_depth=2), "max_iter", [2, 5]),
    "logistic": (LogisticRegression(max_iter=50), "C", [0.01, 1.0]),
}
SCORINGS = {
    "score": None,
    "log loss": "neg_log_loss",
    "rows": writes_rows,
    "targets": make_scorer(writes_targets),
    "estimator": writes_into_the_estimator,
    "several": {"targets": make_scorer(writes_targets), "accuracy": "accuracy"},
}


def score_by_score(estimator, grid, X, y, fit_params, **arguments):
    """Return scikit-learn's scores, each of a search for one candidate on one fold with data of its own."""
    ((name, values),) = grid.items()
    found = {}
    for at, value in enumerate(values):
        for number, fold in enumerate(FOLDS):
            search = model_selection.GridSearchCV(estimator, {name: [value]}, cv=[fold], refit=False, **arguments)
            X_own, y_own, own_params = pickle.loads(pickle.dumps((X, y, fit_params)))  # as its own process gets them
            search.fit(X_own, y_own, **own_params)
            for column, scores in search.cv_results_.items():
                if column.startswith("split0_"):
                    found[at, column.replace("split0", f"split{number}")] = scores[0]
    return found


def assert_scores(search, expected):
    for (at, column), score in expected.items():
        assert search.cv_results_[column][at] == score, (at, column)


@pytest.mark.long
@examples(25, suppress_health_check=list(HealthCheck))
@given(
    kind=st.sampled_from(list(DATA)),
    steps=st.lists(st.sampled_from(list(STEPS)), max_size=2, unique=True),
    last=st.sampled_from(list(LAST)),
    scoring=st.sampled_from(list(SCORINGS)),
    weighted=st.booleans(),
    with_train_scores=st.booleans(),
)
def test_any_pipeline_that_writes_in_place_has_scikit_learns_scores(
    kind, steps, last, scoring, weighted, with_train_scores
):
    model, name, values = LAST[last]
    chosen = [(step, STEPS[step][0]) for step in steps if kind in STEPS[step][1]]
    chosen += [("cells", Cells())] if kind in ("lists", "frame of lists") else []
    estimator = Pipeline([*chosen, ("last", model)]) if chosen else model
    prefix = "last__" if chosen else ""
    grid = {f"{prefix}{name}": values}
    fit_params = {f"{prefix}sample_weight": np.linspace(0.5, 2, len(TARGET))} if weighted else {}
    arguments = {"scoring": SCORINGS[scoring], "return_train_score": with_train_scores, "error_score": "raise"}
    X = DATA[kind]()
    if kind == "csr" and last == "histograms":
        return  # takes dense rows only
    expected = score_by_score(estimator, grid, X, TARGET.copy(), fit_params, **arguments)
    ours = GridSearchCV(estimator, grid, cv=FOLDS, refit=False, **arguments)
    assert_scores(ours.fit(X, TARGET.copy(), **fit_params), expected)


@pytest.mark.long
def test_scores_are_those_of_scikit_learns_processes():
    estimator = Pipeline([("scale", StandardScaler(copy=False)), ("boost", XGBClassifier(n_jobs=1, max_depth=2))])
    arguments = {"param_grid": {"boost__n_estimators": [2, 4, 8]}, "cv": FOLDS, "refit": False, "scoring": writes_rows}
    ours = GridSearchCV(estimator, **arguments).fit(DENSE.copy(), TARGET)
    theirs = model_selection.GridSearchCV(estimator, n_jobs=2, **arguments).fit(DENSE.copy(), TARGET)
    np.testing.assert_array_equal(ours.cv_results_["mean_test_score"], theirs.cv_results_["mean_test_score"])


def test_what_only_reads_shares_its_rows_and_what_may_write_does_not():
    bare, piped = XGBClassifier(n_jobs=1), Pipeline([("scale", StandardScaler()), ("boost", XGBClassifier(n_jobs=1))])
    grid = {"max_depth": [2, 3], "n_estimators": [2, 4]}
    piped_grid = {f"boost__{name}": values for name, values in grid.items()}
    assert GridSearchCV(bare, grid, cv=FOLDS, scoring="accuracy").fit(DENSE, TARGET).fold_slices == len(FOLDS)
    assert GridSearchCV(bare, grid, cv=FOLDS, scoring=writes_rows).fit(DENSE.copy(), TARGET).fold_slices == len(FOLDS)
    assert GridSearchCV(piped, piped_grid, cv=FOLDS).fit(DENSE.copy(), TARGET).fold_slices == 2 * len(FOLDS)


def test_an_estimator_that_scoring_changes_is_fitted_candidate_by_candidate():
    estimator = Pipeline([("counts", Counts()), ("boost", XGBClassifier(n_jobs=1, max_depth=2))])
    search = GridSearchCV(estimator, {"boost__n_estimators": [2, 4, 6]}, cv=FOLDS, refit=False)
    search.fit(DENSE.copy(), TARGET)
    assert search.cache.fits_one_by_one


def shrinks_trees(estimator, X, y):
    score = estimator.score(X, y)
    for tree in np.ravel(estimator.estimators_):
        tree.tree_.value[:] *= 0.5
    return score


@wraps(accuracy_score)
def bears_the_name_of_scikit_learns(y, predicted):
    y[: len(y) // 2] = 1 - y[: len(y) // 2]
    return float((y == predicted).mean())


class CountsInItsClass(TransformerMixin, BaseEstimator):
    calls = 0

    def fit(self, X, y=None):
        type(self).calls = 0
        return self

    def transform(self, X):
        type(self).calls += 1
        return X * (-1) ** type(self).calls


class KeepsItsCountBack(Counts):
    def __getstate__(self):
        return {name: value for name, value in super().__getstate__().items() if name != "calls_"}


@pytest.mark.parametrize(
    ("estimator", "name", "scoring"),
    [
        (GradientBoostingClassifier(random_state=0), "n_estimators", shrinks_trees),
        (RandomForestClassifier(random_state=0, max_depth=3), "n_estimators", shrinks_trees),
        (XGBClassifier(n_jobs=1, max_depth=2), "n_estimators", make_scorer(bears_the_name_of_scikit_learns)),
        (Pipeline([("counts", CountsInItsClass()), ("last", LAST["XGBoost"][0])]), "last__n_estimators", None),
        (Pipeline([("counts", KeepsItsCountBack()), ("last", LAST["XGBoost"][0])]), "last__n_estimators", None),
    ],
    ids=[
        "trees",
        "trees of a forest",
        "a scorer under another name",
        "an attribute of a class",
        "an attribute kept back",
    ],
)
def test_whatever_a_score_writes_into_the_next_one_does_not_see(estimator, name, scoring):
    grid, arguments = {name: [2, 4, 6]}, {"scoring": scoring, "error_score": "raise"}
    expected = score_by_score(estimator, grid, DENSE, TARGET.copy(), {}, **arguments)
    ours = GridSearchCV(estimator, grid, cv=FOLDS, refit=False, **arguments)
    assert_scores(ours.fit(DENSE.copy(), TARGET.copy()), expected)


class KeepsAParameter(ClassifierMixin, BaseEstimator):
    """Writes into a parameter of ``fit`` that has nothing to do with rows."""

    def __init__(self, shift=0.0):
        self.shift = shift

    def fit(self, X, y, start, notes):
        start += self.shift
        notes.append(self.shift)
        self.start_ = float(start.sum()) + len(notes)
        self.classes_ = np.unique(y)
        return self

    def score(self, X, y):
        return self.start_


@pytest.mark.parametrize("read_only", [False, True])
def test_parameters_that_are_not_of_rows_are_each_fits_own(read_only):
    start = np.zeros(5)
    start.flags.writeable = not read_only  # as a large array is, which workers map
    search = GridSearchCV(KeepsAParameter(), {"shift": [1.0, 2.0]}, cv=FOLDS, refit=False, error_score="raise")
    search.fit(DENSE, TARGET, start=start, notes=[])
    np.testing.assert_array_equal(search.cv_results_["mean_test_score"], [6.0, 11.0])


@pytest.mark.parametrize("kind", ["dense", "csr", "frame"])
def test_data_whose_cells_cannot_be_changed_are_not_copied(kind):
    data = Dataset(DATA[kind](), TARGET, {"sample_weight": np.ones(len(TARGET)), "verbose": True}, {})
    assert data.for_one_fit() is data
