"""A search around a search, within one, and in other processes."""

from __future__ import annotations

import copy

import joblib
import numpy as np
import pytest
from sklearn import model_selection
from sklearn.base import clone
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from hpt_spark import GridSearchCV, HalvingGridSearchCV
from hpt_spark.errors import InputError
from tests.search.small_search import GRID, X, search_of, y

pytestmark = [
    pytest.mark.filterwarnings("ignore::sklearn.exceptions.FitFailedWarning"),
    pytest.mark.filterwarnings("ignore:One or more"),
]


@pytest.mark.parametrize("backend", [pytest.param("loky", marks=pytest.mark.process), "multiprocessing"])
def test_in_another_process_the_context_is_said_to_stay_where_it_is(spark, backend):
    with joblib.parallel_backend(backend), pytest.raises(ValueError, match=r"SparkContext stays(.|\n)*n_jobs=None"):
        model_selection.cross_val_score(search_of(), X, y, cv=2, n_jobs=2)


def test_in_a_spark_task_too(spark):
    search = search_of()

    def told(_):
        try:
            search.fit(X, y)
        except InputError as error:
            return str(error)

    (said,) = spark.sparkContext.parallelize([0], 1).map(told).collect()
    assert "a SparkContext stays in the process that started it" in said


@pytest.mark.parametrize("wrap", [lambda inner: inner, lambda inner: make_pipeline(StandardScaler(), inner)])
def test_a_search_within_a_search_is_refused(spark, tmp_path, wrap):
    outer = GridSearchCV(wrap(search_of()), {}, sc=spark, journal=str(tmp_path / "journal"))
    with pytest.raises(InputError, match=r"is a search on Spark itself.*SparkContext stays.*scikit-learn's own"):
        outer.fit(X, y)
    assert not (tmp_path / "journal").exists()


@pytest.mark.long
def test_what_is_not_fitted_again_may_hold_a_search(spark):
    frozen = pytest.importorskip("sklearn.frozen").FrozenEstimator(search_of(sc=spark).fit(X, y))
    pipeline = make_pipeline(StandardScaler(with_mean=False, with_std=False), frozen)
    ours = GridSearchCV(pipeline, {"standardscaler__copy": [True]}, cv=2, sc=spark).fit(X, y)
    theirs = model_selection.GridSearchCV(pipeline, {"standardscaler__copy": [True]}, cv=2).fit(X, y)
    assert ours.best_score_ == theirs.best_score_


def test_a_candidate_that_is_a_search_fails_with_its_reason(spark):
    pipeline = make_pipeline(StandardScaler(), LogisticRegression())
    grid = {"logisticregression": [LogisticRegression(), search_of()]}
    with pytest.warns(match="a SparkContext stays in the process"):
        search = GridSearchCV(pipeline, grid, cv=2, sc=spark).fit(X, y)
    assert np.isnan(search.cv_results_["mean_test_score"]).tolist() == [False, True]


def sub_folders(journal):
    return sorted(path for path in journal.iterdir() if path.is_dir())


@pytest.mark.long
@pytest.mark.parametrize("jobs", [None, 2])
def test_each_outer_fold_has_a_folder_of_its_own_in_the_journal_and_resumes_from_it(spark, tmp_path, jobs):
    search, theirs = (
        search_of(sc=spark, journal=str(tmp_path)),
        model_selection.GridSearchCV(LogisticRegression(), GRID, cv=2),
    )
    arguments = {"cv": 3, "return_estimator": True, "error_score": "raise"}
    with joblib.parallel_backend("threading"):
        first = model_selection.cross_validate(search, X, y, n_jobs=jobs, **arguments)
        folders = sub_folders(tmp_path)
        second = model_selection.cross_validate(search, X, y, n_jobs=jobs, **arguments)
    expected = model_selection.cross_validate(theirs, X, y, **arguments)
    for found in (first, second):
        np.testing.assert_array_equal(found["test_score"], expected["test_score"])
    assert len(folders) == 3
    assert sub_folders(tmp_path) == folders
    assert [one.fit_counts_["resumed"] for one in first["estimator"]] == [0, 0, 0]
    assert [one.fit_counts_["resumed"] for one in second["estimator"]] == [4, 4, 4]
    assert not list(tmp_path.rglob("lock*"))


@pytest.mark.long
def test_an_outer_search_over_parameters_of_the_inner_one_keeps_them_apart(spark, tmp_path):
    outer = {"param_grid": {"cv": [2, 3], "estimator__fit_intercept": [True, False]}, "cv": 2, "error_score": "raise"}
    ours = model_selection.GridSearchCV(search_of(sc=spark, journal=str(tmp_path)), **outer).fit(X, y)
    theirs = model_selection.GridSearchCV(model_selection.GridSearchCV(LogisticRegression(), GRID), **outer).fit(X, y)
    np.testing.assert_array_equal(ours.cv_results_["mean_test_score"], theirs.cv_results_["mean_test_score"])
    # One for each estimator and outer fold, and for the refit: results of other inner folds lie in the same one.
    assert len(sub_folders(tmp_path)) == 2 * 2 + 1


@pytest.mark.long
def test_halving_keeps_all_its_rungs_in_the_folder_of_the_outer_fold(spark, tmp_path):
    search = HalvingGridSearchCV(
        LogisticRegression(), {"C": [0.1, 1.0, 10.0]}, factor=2, cv=2, min_resources=20, random_state=0, sc=spark
    )
    search.journal = str(tmp_path)
    model_selection.cross_val_score(search, X, y, cv=2, error_score="raise")
    assert [len(list(folder.glob("candidates-?.json"))) for folder in sub_folders(tmp_path)] == [2, 2]


@pytest.mark.long
def test_the_same_search_with_other_data_is_still_refused(spark, tmp_path):
    search = search_of(sc=spark, journal=str(tmp_path)).fit(X, y)
    assert sub_folders(tmp_path) == []
    with pytest.raises(InputError, match="is of another search, different in X"):
        search.fit(X + 1, y)
    with pytest.raises(InputError, match="is of another search, different in X"):
        copy.deepcopy(search).fit(X + 1, y)
    # To begin with, a clone has no journal; then it is a search as any other.
    fresh = clone(search_of(sc=spark)).set_params(journal=str(tmp_path))
    with pytest.raises(InputError, match="is of another search, different in X"):
        fresh.fit(X + 1, y)
