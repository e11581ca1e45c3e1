"""Nested cross-validation: scikit-learn's scores to the last bit, and all outer searches end together."""

from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from sklearn import model_selection
from sklearn.datasets import make_classification
from sklearn.linear_model import LogisticRegression
from sklearn.tree import DecisionTreeClassifier
from xgboost import XGBClassifier

from hpt_spark import GridSearchCV, HalvingRandomSearchCV, OptunaSearchCV, nested_cross_validate
from hpt_spark.errors import HptSparkError, InputError
from hpt_spark.search import nested
from hpt_spark.search.abandoned import Abandoned, leave_if_abandoned
from hpt_spark.search.journal.search_journal import SearchJournal
from tests.search.misbehaving import Misbehaving
from tests.waiting import wait_until

X, y = make_classification(150, 6, flip_y=0.1, random_state=0)
TREE = DecisionTreeClassifier(random_state=0)
GRID = {"max_depth": [1, 3], "min_samples_leaf": [1, 20]}
OUTER = model_selection.StratifiedKFold(3, shuffle=True, random_state=1)


def assert_same(found, expected):
    for name in expected:
        if name.endswith("_time"):
            assert found[name].shape == expected[name].shape
        elif name != "estimator":
            np.testing.assert_array_equal(found[name], expected[name])
    fitted = expected["estimator"]
    assert found["best_params"] == [one.best_params_ for one in fitted]
    assert found["best_score"] == [one.best_score_ for one in fitted]


def theirs(search, outer=OUTER, **arguments):
    return model_selection.cross_validate(search, X, y, cv=outer, return_estimator=True, **arguments)


SEARCHES = {
    "grid": ("GridSearchCV", GRID, {"cv": 2, "scoring": "roc_auc"}),
    "halving": ("HalvingRandomSearchCV", GRID, {"cv": 2, "random_state": 0, "min_resources": 30, "n_candidates": 3}),
}
OURS = {one.__name__: one for one in (GridSearchCV, HalvingRandomSearchCV)}


@pytest.mark.parametrize("name", ["grid", pytest.param("halving", marks=pytest.mark.long)])
def test_the_scores_are_scikit_learns(spark, tmp_path, name):
    kind, grid, arguments = SEARCHES[name]
    ours = OURS[kind](TREE, grid, sc=spark, journal=str(tmp_path), **arguments)
    found = nested_cross_validate(ours, X, y, cv=OUTER)
    assert set(found) == {"test_score", "fit_time", "score_time", "best_params", "best_score", "end_reason"}
    assert_same(found, theirs(getattr(model_selection, kind)(TREE, grid, **arguments)))
    assert len([path for path in tmp_path.iterdir() if path.name.startswith("search-")]) == 3
    if name != "grid":
        return
    again = nested_cross_validate(ours, X, y, cv=OUTER, return_estimator=True)
    assert all(one.fit_counts_["resumed"] == one.fit_counts_["fits"] for one in again["estimator"])
    np.testing.assert_array_equal(again["test_score"], found["test_score"])


@pytest.mark.long
def test_groups_weights_several_scores_and_shared_trainings(spark):
    groups, weights = np.arange(150) % 7, np.linspace(0.5, 2, 150)
    estimator, grid = XGBClassifier(seed=0, n_jobs=1), {"n_estimators": [2, 5]}
    arguments = {"cv": 2, "scoring": ["accuracy", "neg_log_loss"], "refit": "neg_log_loss"}
    outer = model_selection.GroupKFold(3)
    scoring = ["accuracy", "roc_auc"]
    expected = model_selection.cross_validate(
        model_selection.GridSearchCV(estimator, grid, **arguments),
        X,
        y,
        groups=groups,
        cv=outer,
        params={"sample_weight": weights},
        scoring=scoring,
        return_estimator=True,
    )
    found = nested_cross_validate(
        GridSearchCV(estimator, grid, sc=spark, **arguments),
        X,
        y,
        groups=groups,
        cv=outer,
        fit_params={"sample_weight": weights},
        scoring=scoring,
    )
    assert_same(found, expected)


@pytest.mark.long
def test_a_journal_serves_several_proposing_searches_at_once(spark, tmp_path):
    search = OptunaSearchCV(TREE, GRID, n_iter=2, batch_size=1, n_startup_trials=1, cv=2, sc=spark)
    alone = theirs(search, 2)
    found = nested_cross_validate(search.set_params(journal=str(tmp_path)), X, y, cv=2)
    assert_same(found, alone)


def test_searches_of_outer_folds_settle_on_the_size_of_their_batches_together(no_spark, tmp_path, monkeypatch):
    write, written = SearchJournal._write_batch_size, []

    def slowly(self):
        if self._new_batch_size is not None:
            written.append(self._new_batch_size[0])
            time.sleep(0.2)
        write(self)

    monkeypatch.setattr(SearchJournal, "_write_batch_size", slowly)
    search = OptunaSearchCV(TREE, GRID, n_iter=2, n_startup_trials=1, cv=2, refit_on="driver")
    alone = theirs(search, 4)
    found = nested_cross_validate(search.set_params(journal=str(tmp_path)), X, y, cv=4)
    assert_same(found, alone)
    assert written == ["batch_size-2-folds.json"]
    assert (tmp_path / "batch_size-2-folds.json").read_text() == "2\n"


@pytest.mark.long
def test_several_outer_folds_are_searched_at_a_time(spark, monkeypatch):
    together = threading.Barrier(2)
    original = nested.cross_validate

    def both(*arguments, **more):
        together.wait(60)  # is broken where the first one must have ended before the second begins
        return original(*arguments, **more)

    monkeypatch.setattr(nested, "cross_validate", both)
    search = GridSearchCV(LogisticRegression(), {"C": [1.0]}, cv=2, sc=spark)
    assert len(nested_cross_validate(search, X, y, cv=2)["test_score"]) == 2


@pytest.mark.long
def test_outer_folds_of_the_same_training_rows_share_a_journal(no_spark, tmp_path, monkeypatch):
    monkeypatch.setattr("hpt_spark.storage.lock.TRIES", 1)  # two at once are refused
    rows = np.arange(150)
    outer = [(rows[:100], rows[100:130]), (rows[:100], rows[130:]), (rows[50:], rows[:50])]
    grid = {"number": [1, 2], "how": ["naps"]}  # so that two at once would meet
    ours = GridSearchCV(Misbehaving(), grid, cv=2, refit_on="driver", journal=str(tmp_path))
    found = nested_cross_validate(ours, X, y, cv=outer, return_estimator=True)
    expected = theirs(model_selection.GridSearchCV(Misbehaving(), {"number": [1, 2]}, cv=2), outer)
    np.testing.assert_array_equal(found["test_score"], expected["test_score"])
    assert [one.fit_counts_["trainings"] for one in found["estimator"]] == [4, 0, 4]


def test_outer_folds_draw_from_a_generator_in_their_order():
    rows = np.arange(150)
    outer = [(rows[:100], rows[100:130]), (rows[50:], rows[:50]), (rows[:100], rows[130:])]  # two of one journal

    def search():
        booster = XGBClassifier(n_jobs=1, n_estimators=3, subsample=0.5, random_state=np.random.RandomState(0))
        return model_selection.GridSearchCV(booster, {"max_depth": [1, 3]}, cv=2)

    assert_same(nested.outer_scores(search(), X, y, outer), theirs(search(), outer))


@pytest.mark.long
def test_what_one_search_raises_ends_them_all(spark):
    grid = {"number": [0], "how": ["fails"]}
    jobs = spark.sparkContext.statusTracker()
    failing = GridSearchCV(Misbehaving(), grid, cv=2, error_score="raise", sc=spark)
    sleeping = {"number": [0], "how": ["sleeps"]}

    def fail_meanwhile():
        wait_until(jobs.getActiveJobsIds)
        raise ZeroDivisionError

    with pytest.raises(ValueError, match="no good"):
        nested_cross_validate(failing, X, y, cv=2)
    with pytest.raises(ZeroDivisionError):
        nested._in_threads([fail_meanwhile, lambda: GridSearchCV(Misbehaving(), sleeping, cv=2, sc=spark).fit(X, y)], 2)
    wait_until(lambda: not jobs.getActiveJobsIds())
    assert not [one for one in threading.enumerate() if one.name.startswith("hpt-spark-outer")]


def test_ctrl_c_while_the_searches_begin_ends_those_that_have_begun(monkeypatch):
    submit, left = ThreadPoolExecutor.submit, []

    def interrupted(pool, *work):
        submit(pool, *work)
        raise KeyboardInterrupt

    def search():
        try:
            for _ in range(500):
                leave_if_abandoned()
                time.sleep(0.01)
        except Abandoned:
            left.append(True)
            raise

    monkeypatch.setattr(ThreadPoolExecutor, "submit", interrupted)
    with pytest.raises(KeyboardInterrupt):
        nested._in_threads([search, search], 2)
    assert left == [True]


def test_what_cannot_be_is_told_in_one_sentence(spark):
    with pytest.raises(InputError, match="needs a search of hpt_spark, not GridSearchCV: for others there is"):
        nested_cross_validate(model_selection.GridSearchCV(TREE, GRID), X, y)
    with pytest.raises(InputError, match="refit=False leaves nothing to be scored"):
        nested_cross_validate(GridSearchCV(TREE, GRID, refit=False, sc=spark), X, y)
    with pytest.raises(InputError, match=r"cv=\[\] has no outer folds"):
        nested_cross_validate(GridSearchCV(TREE, GRID, sc=spark), X, y, cv=[])
    with pytest.raises(HptSparkError, match="SparkContext"):
        nested_cross_validate(GridSearchCV(TREE, GRID, sc="local"), X, y)
