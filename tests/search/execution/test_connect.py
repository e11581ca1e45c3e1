"""Searches on a real Spark Connect server: scikit-learn's scores, and what harms no other fit."""

from __future__ import annotations

import gc
import importlib
import os
import pickle
import re
import signal
import sys
import threading
from pathlib import Path

import cloudpickle
import numpy as np
import pytest
from scipy import sparse
from sklearn import model_selection
from sklearn.base import clone
from sklearn.datasets import make_classification
from sklearn.exceptions import FitFailedWarning
from sklearn.experimental import enable_halving_search_cv  # noqa: F401
from sklearn.linear_model import LogisticRegression
from xgboost import XGBClassifier

import hpt_spark
from hpt_spark.errors import HptSparkError, InputError, SparkEndedError
from tests.connect_server import running_server
from tests.search import each_strategy
from tests.search.misbehaving import Misbehaving
from tests.search.scores import assert_same_scores, scores_of, split_scores
from tests.search.searching import records_in
from tests.search.without_spark import without_spark
from tests.waiting import wait_until

pytestmark = [
    pytest.mark.connect,
    pytest.mark.filterwarnings("ignore::sklearn.exceptions.FitFailedWarning"),
    pytest.mark.filterwarnings("ignore:One or more"),
]
cloudpickle.register_pickle_by_value(sys.modules[__name__])  # the server cannot import this file
X, y = make_classification(120, 5, n_informative=4, n_redundant=0, n_classes=3, random_state=0)
FOREST = {"n_estimators": [3, 6, 9], "max_depth": [2, 3]}


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    with running_server(tmp_path_factory.mktemp("connect")) as address:
        yield address


@pytest.fixture
def new_session(server):
    """Give sessions of the server, which are stopped at the end."""
    from pyspark.sql.connect.session import SparkSession

    mode = "SPARK_CONNECT_MODE_ENABLED"  # what PySpark's builder sets
    before, os.environ[mode] = os.environ.get(mode), "1"
    sessions = []

    def create():
        sessions.append(SparkSession.builder.remote(server).create())
        return sessions[-1]

    yield create
    while sessions:
        sessions.pop().stop()
    gc.collect()  # collected in a thread of PySpark's pool, a session would wait for that thread itself, for ever
    os.environ.pop(mode)
    if before is not None:
        os.environ[mode] = before


@pytest.fixture
def session(new_session):
    return new_session()


@pytest.mark.parametrize(
    ("kind", "estimator", "grid", "arguments"),
    [
        (
            "GridSearchCV",
            LogisticRegression(),
            {"C": [0.1, 1.0, 10.0]},
            {"scoring": "accuracy", "return_train_score": True},
        ),
        (
            "RandomizedSearchCV",
            XGBClassifier(n_jobs=1, random_state=0),
            FOREST,
            {"scoring": ["accuracy", "neg_log_loss"], "refit": "neg_log_loss", "n_iter": 5, "random_state": 0},
        ),
        (
            "HalvingGridSearchCV",
            XGBClassifier(n_jobs=1, random_state=0),
            {"max_depth": [1, 2, 3, 4]},
            {"resource": "n_estimators", "max_resources": 8, "min_resources": 2, "factor": 2, "random_state": 0},
        ),
    ],
)
def test_scores_and_refit_equal_scikit_learns(session, kind, estimator, grid, arguments):
    ours = getattr(hpt_spark, kind)(estimator, grid, cv=3, sc=session, **arguments).fit(X, y)
    theirs = getattr(model_selection, kind)(estimator, grid, cv=3, **arguments).fit(X, y)
    assert_same_scores(ours, theirs)
    assert ours.best_params_ == theirs.best_params_
    np.testing.assert_array_equal(ours.predict_proba(X), theirs.predict_proba(X))
    assert ours.fit_counts_["continued"] == 0, "no executor keeps a training for the next rung"


@pytest.mark.parametrize(
    "name", ["race", "race and optuna", "rounds", "rounds and race", "rounds and optuna", "curves that race"]
)
def test_strategies_that_decide_on_the_way_are_as_elsewhere(session, tmp_path, name):
    def searched(**arguments):
        search = each_strategy.SEARCHES[name]().set_params(refit=False, **arguments)
        return search.fit(each_strategy.X, each_strategy.y)

    with without_spark():
        expected = searched()
    for resumed in (False, True):
        found = searched(sc=session, journal=str(tmp_path))
        assert (found.fit_counts_["resumed"] > 0) == resumed
        assert found.end_reason_ == expected.end_reason_
        for column, values in scores_of(expected).items():
            np.testing.assert_array_equal(scores_of(found)[column], values, err_msg=column)


def test_outer_folds_are_searched_on_it(session):
    arguments = {"cv": 2, "scoring": "accuracy"}
    ours = hpt_spark.GridSearchCV(LogisticRegression(), {"C": [0.1, 1.0]}, sc=session, **arguments)
    theirs = model_selection.GridSearchCV(LogisticRegression(), {"C": [0.1, 1.0]}, **arguments)
    found = hpt_spark.nested_cross_validate(ours, X, y, cv=3)
    np.testing.assert_array_equal(found["test_score"], model_selection.cross_validate(theirs, X, y, cv=3)["test_score"])


def test_a_path_is_one_training_and_predictions_come_along(session):
    estimator, matrix = XGBClassifier(n_jobs=1, random_state=0), sparse.csr_matrix(X)
    arguments = {"cv": 3, "scoring": "neg_log_loss"}
    ours = hpt_spark.GridSearchCV(estimator, FOREST, keep_oof="best", sc=session, **arguments).fit(matrix, y)
    assert_same_scores(ours, model_selection.GridSearchCV(estimator, FOREST, **arguments).fit(matrix, y))
    assert ours.fit_counts_["trainings"] == 6
    assert ours.fit_counts_["fits"] == 18
    best = clone(estimator).set_params(**ours.best_params_)
    expected = model_selection.cross_val_predict(best, matrix, y, cv=3, method="predict_proba")
    np.testing.assert_array_equal(ours.oof_predictions_, expected.astype(np.float32))


def test_the_active_session_is_taken_and_a_search_travels_without_it(session):
    search = hpt_spark.GridSearchCV(LogisticRegression(), {"C": [0.1, 1.0]}, cv=2, sc=session)
    assert clone(search).sc is session
    loaded = pickle.loads(pickle.dumps(search))
    assert loaded.sc is None
    theirs = model_selection.GridSearchCV(LogisticRegression(), {"C": [0.1, 1.0]}, cv=2).fit(X, y)
    assert_same_scores(loaded.fit(X, y), theirs)


def test_searches_share_a_session_side_by_side(session):
    search = hpt_spark.GridSearchCV(LogisticRegression(), {"C": [0.1, 1.0]}, cv=2, sc=session)
    ours = hpt_spark.nested_cross_validate(search, X, y, cv=3)
    theirs = model_selection.cross_validate(
        model_selection.GridSearchCV(LogisticRegression(), {"C": [0.1, 1.0]}, cv=2), X, y, cv=3
    )
    np.testing.assert_array_equal(ours["test_score"], theirs["test_score"])


@pytest.mark.parametrize(
    ("how", "reason"), [("killed", "SIGKILL"), ("exits", "exit code 3"), ("worker", "crashed|reset|exited")]
)
def test_a_fit_that_kills_its_process_costs_no_other(session, tmp_path, how, reason):
    marks = str(tmp_path)
    grid = [{"number": [0, 1, 2], "marks": [marks]}, {"number": [9], "how": [how], "marks": [marks]}]
    with pytest.warns(FitFailedWarning, match=rf"also when it was tried again \(.*({reason})"):
        search = hpt_spark.GridSearchCV(Misbehaving(), grid, cv=2, refit=False, sc=session).fit(X, y)
    plain = model_selection.GridSearchCV(Misbehaving(), {"number": [0, 1, 2]}, cv=2, refit=False).fit(X, y)
    np.testing.assert_array_equal(split_scores(search)[:3], split_scores(plain))
    assert np.isnan(split_scores(search)[3]).all()


def test_a_fit_that_takes_too_long_is_stopped(session):
    grid = {"number": [0, 1], "how": ["fits", "hangs"]}
    search = hpt_spark.GridSearchCV(Misbehaving(), grid, cv=2, refit=False, max_fit_time=2, sc=session).fit(X, y)
    hangs = np.array([params["how"] == "hangs" for params in search.cv_results_["params"]])
    assert np.isnan(split_scores(search)[hangs]).all()
    assert not np.isnan(split_scores(search)[~hangs]).any()


def test_ctrl_c_stops_the_searchs_own_operations_and_the_journal_goes_on(session, tmp_path):
    marks, journal = tmp_path / "marks", tmp_path / "journal"
    marks.mkdir()
    other = []
    theirs = threading.Thread(
        target=lambda: other.append(session.range(0, 1, 1, 1).mapInArrow(waits, "n long").collect())
    )
    theirs.start()

    def press():
        wait_until(lambda: records_in(journal) >= 36)  # the first fold's 30, and some of the second
        os.kill(os.getpid(), signal.SIGINT)

    grid = {"number": list(range(30)), "how": ["naps"], "marks": [str(marks)]}
    arguments = {"cv": 2, "refit": False, "journal": str(journal), "sc": session}
    pressing = threading.Thread(target=press)
    pressing.start()
    with pytest.warns(UserWarning, match="ended early"):
        cut_short = hpt_spark.GridSearchCV(Misbehaving(), grid, **arguments).fit(X, y)
    pressing.join()
    assert cut_short.incomplete_
    theirs.join()
    assert other == [[(7,)]], "another operation of the session goes on"
    search = hpt_spark.GridSearchCV(Misbehaving(), grid, **arguments).fit(X, y)
    assert 36 <= search.fit_counts_["resumed"] < 60
    assert search.fit_counts_["resumed"] + search.fit_counts_["trainings"] == 60
    plain = model_selection.GridSearchCV(Misbehaving(), {"number": list(range(30))}, cv=2, refit=False).fit(X, y)
    np.testing.assert_array_equal(split_scores(search), split_scores(plain))


def waits(batches):
    """Yield a row after some seconds."""
    import time

    import pyarrow

    time.sleep(5)
    yield pyarrow.RecordBatch.from_arrays([pyarrow.array([7])], names=["n"])


waits.__module__ = "__main__"  # which is sent by value


def test_an_interruption_by_others_is_told_and_the_search_goes_on_later(session, tmp_path):
    journal = tmp_path / "journal"

    def interrupt():
        wait_until(lambda: records_in(journal) >= 2)
        session.interruptAll()

    thread = threading.Thread(target=interrupt)
    thread.start()
    search = hpt_spark.GridSearchCV(
        Misbehaving(), {"number": list(range(30)), "how": ["naps"]}, cv=2, refit=False, journal=str(journal), sc=session
    )
    with pytest.raises(SparkEndedError, match=r"was cancelled\. .*goes on from the journal") as error:
        search.fit(X, y)
    thread.join()
    assert "\n" not in str(error.value)
    assert search.fit(X, y).fit_counts_["resumed"] >= 2


def test_max_time_ends_a_search_whose_fits_hang(session):
    search = hpt_spark.GridSearchCV(Misbehaving(how="hangs"), {"number": [1, 2]}, cv=2, max_time=3, sc=session)
    with pytest.raises(HptSparkError, match="was ended after 0 of 4 fits"):
        search.fit(X, y)


def test_a_module_of_the_client_is_named_and_works_when_it_is_sent(session, tmp_path, monkeypatch):
    name = "only_the_client_has_it"
    Path(tmp_path / f"{name}.py").write_text(
        "from sklearn.linear_model import LogisticRegression\nclass Own(LogisticRegression):\n    pass\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    module = importlib.import_module(name)
    search = hpt_spark.GridSearchCV(module.Own(), {"C": [0.1, 1.0]}, cv=2, sc=session)
    with pytest.raises(HptSparkError, match=rf"cannot import the module {name}: send it with session\.addArtifacts"):
        search.fit(X, y)
    session.addArtifacts(str(tmp_path / f"{name}.py"), pyfile=True)
    theirs = model_selection.GridSearchCV(LogisticRegression(), {"C": [0.1, 1.0]}, cv=2).fit(X, y)
    assert_same_scores(search.fit(X, y), theirs)
    sys.modules.pop(name)


def test_errors_are_raised(session):
    search = hpt_spark.GridSearchCV(
        Misbehaving(), {"how": ["fits", "fails"]}, cv=2, error_score="raise", refit=False, sc=session
    )
    with pytest.raises(ValueError, match="no good"):
        search.fit(X, y)
    killing = hpt_spark.GridSearchCV(RefitKills(), {"C": [1.0]}, cv=2, sc=session)
    with pytest.raises(HptSparkError, match="the refit of RefitKills killed its Python worker"):
        killing.fit(X, y)


class RefitKills(LogisticRegression):
    """Ends its process when it is fitted to all rows."""

    def fit(self, X, y):
        if len(y) == 120:
            os._exit(3)
        return super().fit(X, y)


def test_executors_keep_nothing_when_a_search_has_ended(session):
    hpt_spark.GridSearchCV(LogisticRegression(), {"C": [0.1, 1.0]}, cv=2, sc=session).fit(X, y)
    wait_until(lambda: session.range(0, 1, 1, 1).mapInArrow(files_of_the_executor, "n string").collect() == [])


def files_of_the_executor(batches):
    """Yield the names of the session's files."""
    import os

    import pyarrow
    from pyspark import SparkFiles

    names = [name for name in os.listdir(SparkFiles.getRootDirectory()) if name.endswith((".shared", ".model"))]
    if names:
        yield pyarrow.RecordBatch.from_arrays([pyarrow.array(names)], names=["n"])


files_of_the_executor.__module__ = "__main__"


def test_a_stopped_session_is_told_before_and_during_a_search(new_session, tmp_path):
    stopped = new_session()
    stopped.stop()
    search = hpt_spark.GridSearchCV(LogisticRegression(), {"C": [1.0]}, cv=2, sc=stopped, journal=str(tmp_path / "no"))
    with pytest.raises(InputError, match="the Spark Connect session of the search is stopped; start a new one"):
        search.fit(X, y)
    assert not (tmp_path / "no").exists()

    session, journal = new_session(), tmp_path / "journal"

    def stop():
        wait_until(lambda: records_in(journal) >= 2)
        session.stop()

    thread = threading.Thread(target=stop)
    thread.start()
    grid = {"number": list(range(30)), "how": ["naps"]}
    arguments = {"cv": 2, "refit": False, "journal": str(journal)}
    with pytest.raises(
        SparkEndedError, match=r"session of Spark Connect.* was gone.*goes on from the journal"
    ) as error:
        hpt_spark.GridSearchCV(Misbehaving(), grid, sc=session, **arguments).fit(X, y)
    thread.join()
    assert not re.search(r"\n|\.java|Exception", str(error.value))
    assert (
        hpt_spark.GridSearchCV(Misbehaving(), grid, sc=new_session(), **arguments).fit(X, y).fit_counts_["resumed"] >= 2
    )
