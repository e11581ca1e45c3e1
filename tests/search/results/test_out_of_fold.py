"""Out-of-fold predictions: those of the fits that were scored, whatever comes between."""

from __future__ import annotations

import os
import warnings
from contextlib import ExitStack, closing
from types import SimpleNamespace

import numpy as np
import pytest
from sklearn.base import BaseEstimator, ClassifierMixin, clone
from sklearn.datasets import make_classification, make_regression
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LinearRegression, LogisticRegression, Ridge
from sklearn.metrics import log_loss
from sklearn.model_selection import KFold, PredefinedSplit, RepeatedKFold, ShuffleSplit, cross_val_predict
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler
from sklearn.svm import SVC
from xgboost import XGBClassifier, XGBRegressor

from hpt_spark import GridSearchCV, HalvingGridSearchCV
from hpt_spark.errors import InputError
from hpt_spark.search.dataset import Dataset
from hpt_spark.search.evaluation import Fit
from hpt_spark.search.execution.spark_job import SparkJob
from hpt_spark.search.execution.spark_runner import SparkRunner
from hpt_spark.search.execution.spark_task import run_task
from hpt_spark.search.folds import Folds
from hpt_spark.search.results.out_of_fold import FoldPredictions
from hpt_spark.search.results.predictor import Predictor
from tests.search import in_process

X, y = make_classification(90, 5, n_informative=4, n_redundant=0, n_classes=3, random_state=0)
BINARY = (y > 0).astype(int)
NUMBERS = make_regression(90, 5, random_state=0)[1]
TEXTS = np.array(["c", "a", "b"])[y]
CV = KFold(3, shuffle=True, random_state=0)
BOOSTED = {"n_estimators": [2, 5], "max_depth": [2]}


def expected(estimator, params, targets, method, cv=CV):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        found = cross_val_predict(clone(estimator).set_params(**params), X, targets, cv=cv, method=method)
    return found.astype(np.float64 if method == "predict" else np.float32)


KINDS = {
    "one training for several candidates": (XGBClassifier(n_jobs=1, random_state=0), BOOSTED, y, "predict_proba"),
    "regression in single precision": (XGBRegressor(n_jobs=1, random_state=0), BOOSTED, NUMBERS, "predict"),
    "regression": (Ridge(), {"alpha": [0.1, 1.0]}, NUMBERS, "predict"),
    "several targets": (LinearRegression(), {"fit_intercept": [True]}, np.c_[NUMBERS, -NUMBERS], "predict"),
    "a pipeline, classes by texts": (
        make_pipeline(StandardScaler(), LogisticRegression()),
        {"logisticregression__C": [0.1, 1.0]},
        TEXTS,
        "predict_proba",
    ),
    "two classes without probabilities": (SVC(), {"C": [0.1, 1.0]}, BINARY, "decision_function"),
    "three classes without probabilities": (SVC(), {"kernel": ["linear"]}, y, "decision_function"),
}


@pytest.fixture
def predicted_here():
    """Return a function that gives all predictions of a search in this process, as a worker makes them."""
    held = ExitStack()

    def predictions(estimator, grid, targets, cv=CV):
        search = in_process.GridSearchCV(estimator, grid, cv=cv, refit=False)
        search.keep_oof = "all"
        search.fit(X, targets)
        held.callback(search.out_of_fold.close)
        return search.cv_results_["params"], search.out_of_fold.predictions(range(len(search.cv_results_["params"])))

    with held:
        yield predictions


def test_a_lambda_may_be_a_candidate(predicted_here):
    pipeline = make_pipeline(FunctionTransformer(), LogisticRegression())
    grid = {"functiontransformer__func": [lambda rows: rows, lambda rows: rows**2]}
    params, found = predicted_here(pipeline, grid, y)
    for own, predictions in zip(params, found, strict=True):
        np.testing.assert_array_equal(predictions, expected(pipeline, own, y, "predict_proba"))


def test_a_kernel_of_the_grid_may_be_precomputed():
    gram = X @ X.T
    search = in_process.GridSearchCV(SVC(), {"kernel": ["precomputed", "linear"]}, cv=CV, refit=False)
    search.keep_oof = "all"
    search.fit(gram, BINARY)
    with closing(search.out_of_fold):
        found = search.out_of_fold.predictions([0, 1])
    for params, predictions in zip(search.cv_results_["params"], found, strict=True):
        wanted = cross_val_predict(SVC(**params), gram, BINARY, cv=CV, method="decision_function")
        np.testing.assert_array_equal(predictions, wanted.astype(np.float32))


@pytest.mark.parametrize("kind", KINDS)
def test_they_equal_those_of_cross_val_predict_to_the_last_bit(kind, predicted_here):
    estimator, grid, targets, method = KINDS[kind]
    params, found = predicted_here(estimator, grid, targets)
    whole = np.stack([expected(estimator, one, targets, method) for one in params])
    assert found.dtype == whole.dtype
    assert found.tobytes() == whole.tobytes()


@pytest.mark.parametrize(
    ("estimator", "method"), [(LogisticRegression(), "predict_proba"), (SVC(), "decision_function")]
)
def test_a_class_that_a_fold_lacks_has_its_column(estimator, method, predicted_here):
    targets = np.where(np.arange(90) < 20, "d", TEXTS)
    cv = PredefinedSplit(np.where(targets == "b", 0, 1 + np.arange(90) % 2))
    _, (found,) = predicted_here(estimator, {"C": [1.0]}, targets, cv)
    with np.errstate(over="ignore"):
        assert found.tobytes() == expected(estimator, {"C": 1.0}, targets, method, cv).tobytes()


def test_a_row_of_no_fold_is_nan_and_one_of_several_has_the_mean(predicted_here):
    cv = ShuffleSplit(2, test_size=0.2, random_state=0)
    _, (found,) = predicted_here(Ridge(), {"alpha": [1.0]}, NUMBERS, cv)
    tested = np.concatenate([test for _, test in cv.split(X)])
    assert np.isnan(found).tolist() == [row not in tested for row in range(90)]
    repeated = RepeatedKFold(n_splits=3, n_repeats=2, random_state=0)
    _, (found,) = predicted_here(Ridge(), {"alpha": [1.0]}, NUMBERS, repeated)
    folds = list(repeated.split(X))
    each = [expected(Ridge(), {"alpha": 1.0}, NUMBERS, "predict", cv=folds[at : at + 3]) for at in (0, 3)]
    np.testing.assert_allclose(found, np.mean(each, axis=0), rtol=1e-15)


@pytest.mark.long
def test_the_best_candidates_are_those_of_its_row(spark):
    arguments = {"cv": CV, "sc": spark}
    search = GridSearchCV(LogisticRegression(), {"C": [1e-6, 1.0]}, keep_oof="best", **arguments).fit(X, y)
    assert search.best_index_ == 1
    np.testing.assert_array_equal(
        search.oof_predictions_, expected(LogisticRegression(), {"C": 1.0}, y, "predict_proba")
    )
    search.set_params(keep_oof="none").fit(X, y)
    assert not hasattr(search, "oof_predictions_")


def test_an_estimator_without_a_seed_is_not_trained_once_more(spark):
    forest = RandomForestClassifier(3, min_samples_leaf=5)
    arguments = {"cv": CV, "scoring": "neg_log_loss", "keep_oof": "best", "sc": spark}
    search = GridSearchCV(forest, {"n_estimators": [3, 6]}, **arguments).fit(X, y)
    for fold, (_, test) in enumerate(CV.split(X)):
        probabilities = search.oof_predictions_[test].astype(np.float64)
        probabilities /= probabilities.sum(axis=1, keepdims=True)
        score = search.cv_results_[f"split{fold}_test_score"][search.best_index_]
        assert -log_loss(y[test], probabilities, labels=[0, 1, 2]) == pytest.approx(score)


@pytest.mark.long
def test_halving_has_those_of_every_rung(spark):
    estimator = XGBClassifier(n_jobs=1, random_state=0)
    arguments = {"resource": "n_estimators", "max_resources": 9, "min_resources": 1, "random_state": 0, "refit": False}
    search = HalvingGridSearchCV(estimator, {"max_depth": [1, 2, 3]}, cv=CV, keep_oof="all", sc=spark, **arguments)
    search.fit(X, y)
    assert search.n_iterations_ == 2
    for row, params in enumerate(search.cv_results_["params"]):
        np.testing.assert_array_equal(search.oof_predictions_[row], expected(estimator, params, y, "predict_proba"))


# --- the journal ---


def journalled(spark, folder, keep_oof="all", **arguments):
    grid = {"max_depth": [1, 2], "n_estimators": [2, 4]}
    estimator = XGBClassifier(n_jobs=1, random_state=0)
    search = GridSearchCV(estimator, grid, cv=CV, refit=False, keep_oof=keep_oof, journal=str(folder), sc=spark)
    return search.fit(X, y)


@pytest.fixture(scope="module")
def whole(spark, tmp_path_factory):
    """A finished journal, its predictions, and the bytes of its files."""
    folder = tmp_path_factory.mktemp("journal")
    search = journalled(spark, folder)
    return np.array(search.oof_predictions_), {path.name: path.read_bytes() for path in folder.iterdir()}


def restored(folder, files):
    for name, content in files.items():
        (folder / name).write_bytes(content)
    return sorted(name for name in files if name.endswith(".npz"))


def test_a_resumed_search_has_them_without_a_fit(spark, whole, tmp_path):
    restored(tmp_path, whole[1])
    search = journalled(spark, tmp_path)
    assert search.fit_counts_["resumed"] == search.fit_counts_["fits"] == 12
    assert search.oof_predictions_.tobytes() == whole[0].tobytes()


@pytest.mark.parametrize("damage", [None, -30])
def test_fits_whose_predictions_are_lost_are_fitted_again(damage, spark, whole, tmp_path):
    lost = tmp_path / restored(tmp_path, whole[1])[0]
    content = lost.read_bytes()
    lost.unlink() if damage is None else lost.write_bytes(content[:damage])
    search = journalled(spark, tmp_path)
    assert search.fit_counts_["resumed"] < 12
    assert search.oof_predictions_.tobytes() == whole[0].tobytes()


@pytest.mark.long
def test_who_wants_them_later_fits_again_and_who_does_not_resumes(spark, tmp_path):
    journalled(spark, tmp_path, "none")
    assert not [name for name in os.listdir(tmp_path) if name.endswith(".npz")]
    assert journalled(spark, tmp_path, "best").fit_counts_["resumed"] == 0
    assert journalled(spark, tmp_path, "none").fit_counts_["resumed"] == 12


# --- what goes wrong ---


class NoPredictions(ClassifierMixin, BaseEstimator):
    """Scores, but cannot predict on some rows."""

    def __init__(self, number=0):
        self.number = number

    def fit(self, X, y):
        if self.number == 2:
            raise ValueError("no such number")
        self.classes_ = np.unique(y)
        return self

    def predict(self, X):
        return np.zeros(len(X))

    def predict_proba(self, X):
        if self.number == 1:
            raise RuntimeError("not today")
        return np.full((len(X), 3), 1 / 3)


def test_failed_fits_and_failed_predictions_are_nan(spark, tmp_path):
    search = GridSearchCV(
        NoPredictions(), {"number": [0, 1, 2]}, cv=CV, keep_oof="all", journal=str(tmp_path), sc=spark
    )
    for resumed in (0, 9):
        with pytest.warns(UserWarning, match=r"of 3 of 9 fits are missing \(RuntimeError: not today\); they are NaN"):
            search.fit(X, y)
        assert np.isnan(search.oof_predictions_).all(axis=(1, 2)).tolist() == [False, True, True]
        assert not np.isnan(search.oof_predictions_[0]).any()
        assert search.fit_counts_["resumed"] == resumed


class OnlyLabels(ClassifierMixin, BaseEstimator):
    def fit(self, X, y):
        return self

    def predict(self, X):
        return np.zeros(len(X))


@pytest.mark.parametrize(
    ("estimator", "arguments", "targets", "said"),
    [
        (LogisticRegression(), {"keep_oof": True}, y, "keep_oof=True is not known; it must be 'none' or 'best' or"),
        (OnlyLabels(), {}, y, "OnlyLabels has neither predict_proba nor decision_function"),
        (RandomForestClassifier(), {}, np.c_[y, y], "y has 2 columns of classes"),
        (SVC(), {"param_grid": {"probability": [True, False]}}, y, "some predict by decision_function and some by"),
        (LogisticRegression(), {"scoring": ["accuracy", "f1_macro"], "refit": False}, y, "refit= to name the one"),
    ],
)
def test_what_cannot_be_kept_is_refused_before_a_fit(estimator, arguments, targets, said, spark, tmp_path):
    search = GridSearchCV(estimator, **{"param_grid": {}, "keep_oof": "best", "sc": spark, **arguments})
    search.set_params(journal=str(tmp_path / "journal"), cv=CV)
    with pytest.raises(InputError, match=said):
        search.fit(X, targets)
    assert not list(tmp_path.glob("journal/fits-*"))


def test_more_than_a_task_may_bring_is_refused(spark, monkeypatch):
    monkeypatch.setattr(SparkRunner, "most_result_bytes", 360)
    search = GridSearchCV(LogisticRegression(), {"C": [1.0]}, cv=CV, keep_oof="all", sc=spark)
    with pytest.raises(InputError, match=r"one training have 360 bytes, .* raise spark.driver.maxResultSize"):
        search.fit(X, y)


@pytest.mark.long
def test_many_are_brought_by_several_jobs(spark, monkeypatch):
    monkeypatch.setattr(SparkRunner, "result_bytes", 800)
    jobs = []
    start = SparkJob.start
    monkeypatch.setattr(SparkJob, "start", lambda job: (jobs.append(job), start(job)))
    search = GridSearchCV(LogisticRegression(), {"C": [0.1, 1.0, 10.0]}, cv=CV, keep_oof="all", sc=spark).fit(X, y)
    brought = [sum(map(len, job._tasks)) for job in jobs if getattr(job._work, "func", None) is run_task]
    assert sum(brought) == 9
    assert max(brought) <= 2  # each has 360 bytes
    for row, params in enumerate(search.cv_results_["params"]):
        np.testing.assert_array_equal(
            search.oof_predictions_[row], expected(LogisticRegression(), params, y, "predict_proba")
        )


def test_predictions_of_another_shape_are_refused(tmp_path):
    evaluation = SimpleNamespace(
        folds=Folds.of([(np.arange(2), np.arange(2, 4))], 4),
        data=Dataset(np.zeros((4, 1)), None, {}, {}),
        predictor=Predictor("decision_function", None, 1),
        candidates=[{}, {}],
    )
    kept = FoldPredictions(tmp_path / "kept", evaluation)
    kept.put(Fit(0, 0, 0), np.zeros((2, 3), np.float32))
    with pytest.raises(InputError, match="those of candidate 1 on fold 0 have the shape"):
        kept.put(Fit(1, 1, 0), np.zeros(2, np.float32))
