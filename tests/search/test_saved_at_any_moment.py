"""A search can be saved and cloned at any moment, also while it is fitted in another thread."""

from __future__ import annotations

import copy
import importlib.util
import io
import pickle
import threading

import cloudpickle
import joblib
import numpy as np
import pytest
from sklearn import model_selection
from sklearn.base import clone
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import hpt_spark
from tests.search.small_search import GRID, X, search_of, y


def plain_state(value, known=()):
    """Save as skops and others do: an object by its class and its state, down to values."""
    if any(value is one for one in known):
        return "known"
    known = (*known, value)
    if isinstance(value, (dict, list, tuple)):
        return [plain_state(one, known) for one in (value.values() if isinstance(value, dict) else value)]
    if type(value).__module__.startswith(("hpt_spark", "sklearn")):
        state = value.__getstate__() if hasattr(value, "__getstate__") else dict(vars(value))  # Python 3.10
        return [type(value).__name__, plain_state(state, known)]
    if type(value).__module__.startswith(("_thread", "threading", "pyspark", "py4j")):
        raise TypeError(f"{value!r} has no state to be saved")
    return value


SAVERS = {
    "pickle": lambda search: pickle.loads(pickle.dumps(search)),
    "pickle 2": lambda search: pickle.loads(pickle.dumps(search, protocol=2)),
    "cloudpickle": lambda search: pickle.loads(cloudpickle.dumps(search)),
    "joblib": lambda search: joblib.dump(search, io.BytesIO()),
    "deepcopy": copy.deepcopy,
    "copy": copy.copy,
    "clone": clone,
    "in a pipeline": lambda search: clone(make_pipeline(StandardScaler(), search)),
    "state": plain_state,
}
if importlib.util.find_spec("skops"):
    import skops.io

    SAVERS["skops"] = skops.io.dumps


class Saves:
    """Saves a search again and again in another thread, and where scikit-learn asks the user's code."""

    def __init__(self):
        self.search = None
        self.moments = []
        self.errors = []
        self.ended = threading.Event()

    def save(self, moment):
        if self.search is None:
            return
        self.moments.append(moment)
        for name, saver in SAVERS.items():
            if name == "skops" and moment == "meanwhile":
                continue  # it fails on scikit-learn's own estimators while they are fitted, as in the refit
            try:
                saver(self.search)
            except Exception as error:
                self.errors.append((moment, name, repr(error)))

    def until_ended(self):
        while not self.ended.is_set():
            self.save("meanwhile")

    def __reduce__(self):
        return (Saves, ())


saves = Saves()


class SavingSplitter(model_selection.KFold):
    def split(self, X, y=None, groups=None):
        saves.save("split")
        return super().split(X, y, groups)


def best_and_saved(cv_results):
    saves.save("refit")
    return 0


@pytest.mark.long
@pytest.mark.parametrize("kind", ["GridSearchCV", "HalvingGridSearchCV"])
def test_a_search_can_be_saved_and_cloned_at_any_moment_of_its_fit(spark, tmp_path, kind):
    arguments = {"refit": best_and_saved} if kind == "GridSearchCV" else {"min_resources": 60}
    search = getattr(hpt_spark, kind)(
        LogisticRegression(), GRID, cv=SavingSplitter(2), sc=spark.sparkContext, journal=str(tmp_path), **arguments
    )
    saves.__init__()
    saves.search = search
    thread = threading.Thread(target=saves.until_ended)
    thread.start()
    try:
        search.fit(X, y)
    finally:
        saves.ended.set()
        thread.join()
    saves.save("fitted")
    assert not saves.errors, "\n".join(map(str, saves.errors))
    assert {"split", "meanwhile", "fitted"} <= set(saves.moments)
    assert kind != "GridSearchCV" or "refit" in saves.moments
    assert search.sc is spark.sparkContext, "cloning in another thread does not take it away"
    assert clone(search).sc is spark.sparkContext
    loaded = pickle.loads(pickle.dumps(search))
    assert loaded.sc is None
    np.testing.assert_array_equal(loaded.predict(X), search.predict(X))


def test_a_search_is_saved_also_where_its_lock_is_the_callers(spark):
    search = search_of(sc=spark)
    search.journal_lock = threading.Lock()  # which no saver takes
    for saver in SAVERS.values():
        saver(search)
    assert not hasattr(pickle.loads(pickle.dumps(search)).__dict__, "journal_lock")
