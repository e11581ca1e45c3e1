"""Every kind of X that scikit-learn takes, shared by the workers of a node."""

from __future__ import annotations

import sys

import cloudpickle
import numpy as np
import pandas as pd
import pytest
from scipy import sparse
from sklearn import model_selection
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.compose import make_column_transformer
from sklearn.feature_extraction.text import CountVectorizer
from sklearn.linear_model import LogisticRegression, SGDClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler
from sklearn.svm import SVC
from xgboost import XGBClassifier

from hpt_spark import GridSearchCV
from hpt_spark.search.execution import node_share
from hpt_spark.search.execution.node_share import share

cloudpickle.register_pickle_by_value(sys.modules[__name__])

generator = np.random.default_rng(0)
ROWS = 200
DENSE = np.where(generator.random((ROWS, 12)) < 0.4, generator.normal(size=(ROWS, 12)), 0)
y = (DENSE[:, :3].sum(axis=1) > 0).astype(int)
WORDS = np.array(["red", "green", "blue", "brand", "model"])
LOGISTIC = (LogisticRegression(), {"C": [0.1, 1.0]})
BOOSTED = (XGBClassifier(n_jobs=1, seed=0), {"n_estimators": [2, 4]})


def frame():
    return pd.DataFrame(
        {
            "kind": pd.Categorical(WORDS[generator.integers(0, 5, ROWS)]),
            "name": np.array(["a", "b", "c"], dtype=object)[generator.integers(0, 3, ROWS)],
            "size": DENSE[:, 0],
            "hour": pd.array(generator.integers(0, 24, ROWS), dtype="Int64"),
        }
    )


def frame_model():
    encoded = make_column_transformer(
        (OneHotEncoder(handle_unknown="ignore"), ["kind", "name"]), remainder="passthrough"
    )
    return make_pipeline(encoded, LogisticRegression(max_iter=300)), {"logisticregression__C": [0.1, 1.0]}


def texts():
    return [" ".join(WORDS[generator.integers(0, 5, 6)]) for _ in range(ROWS)]


OF_TEXTS = (make_pipeline(CountVectorizer(), LogisticRegression()), {"logisticregression__C": [0.1, 1.0]})


def mapped(folder):
    np.save(folder / "X.npy", DENSE)
    return np.load(folder / "X.npy", mmap_mode="r")


KINDS = {
    "csr": (lambda _: sparse.csr_matrix(DENSE), BOOSTED),
    "csr_array": (lambda _: sparse.csr_array(DENSE), LOGISTIC),
    "csc": (lambda _: sparse.csc_matrix(DENSE), BOOSTED),
    "coo": (lambda _: sparse.coo_matrix(DENSE), LOGISTIC),
    "lil": (lambda _: sparse.lil_matrix(DENSE), LOGISTIC),
    "dense": (lambda _: DENSE, BOOSTED),
    "columns first": (lambda _: np.asfortranarray(DENSE), LOGISTIC),
    "strided": (lambda _: np.repeat(DENSE, 2, axis=0)[::2, ::2], LOGISTIC),
    "float32": (lambda _: DENSE.astype(np.float32), BOOSTED),
    "memory-mapped": (mapped, LOGISTIC),
    "list of lists": (lambda _: DENSE.tolist(), LOGISTIC),
    "list of texts": (lambda _: texts(), OF_TEXTS),
    "series of texts": (lambda _: pd.Series(texts(), index=range(7, 7 + ROWS)), OF_TEXTS),
    "frame": (lambda _: pd.DataFrame(DENSE, columns=[f"c{n}" for n in range(12)]), BOOSTED),
    "frame of mixed columns": (lambda _: frame(), frame_model()),
    "kernel": (lambda _: DENSE @ DENSE.T, (SVC(kernel="precomputed"), {"C": [0.1, 1.0]})),
}


@pytest.fixture(params=[node_share.SMALLEST_SHARED, 1], ids=["small", "as if large"])
def shared_from(request, monkeypatch):
    """The size from which an array is mapped: with 1, as the arrays of a large X are."""
    monkeypatch.setattr(node_share, "SMALLEST_SHARED", request.param)


@pytest.mark.parametrize("kind", list(KINDS))
def test_scores_are_scikit_learns_for_every_kind_of_data(spark, tmp_path, monkeypatch, kind):
    monkeypatch.setattr(node_share, "SMALLEST_SHARED", 1)
    make, (estimator, grid) = KINDS[kind]
    data = make(tmp_path)
    ours = GridSearchCV(estimator, grid, cv=2, return_train_score=True, sc=spark).fit(data, y)
    theirs = model_selection.GridSearchCV(estimator, grid, cv=2, return_train_score=True).fit(data, y)
    for name, values in theirs.cv_results_.items():
        if name.startswith(("split", "mean_t", "std_t", "rank")):
            np.testing.assert_array_equal(ours.cv_results_[name], values, err_msg=name)


@pytest.mark.usefixtures("shared_from")
@pytest.mark.parametrize("kind", list(KINDS))
def test_every_kind_of_data_is_the_same_after_a_journey(tmp_path, kind):
    data = KINDS[kind][0](tmp_path)
    loaded = share(data, tmp_path).load()
    assert type(loaded) is (np.ndarray if isinstance(data, np.memmap) else type(data))
    if sparse.issparse(data):
        assert (loaded != data).nnz == 0
        assert loaded.dtype == data.dtype
    elif isinstance(data, pd.DataFrame):
        pd.testing.assert_frame_equal(loaded, data)
    elif isinstance(data, pd.Series):
        pd.testing.assert_series_equal(loaded, data)
    else:
        np.testing.assert_array_equal(loaded, data)
    if isinstance(data, np.ndarray):
        assert loaded.dtype == data.dtype
        assert loaded.flags.f_contiguous == (data.flags.f_contiguous)


def test_small_arrays_may_be_written_to_and_large_ones_not(tmp_path):
    small, large = share([np.zeros(10), np.zeros(1 << 20)], tmp_path).load()
    small[:] = 1
    with pytest.raises(ValueError, match="read-only"):
        large[:] = 1


class WritesInPlace(ClassifierMixin, BaseEstimator):
    """Centres its rows in place, as an estimator with ``copy=False`` does, and its own start as well."""

    def __init__(self, start=None, shift=0.0):
        self.start = start
        self.shift = shift

    def fit(self, X, y, sample_weight=None):
        X -= X.mean(axis=0) + self.shift
        sample_weight /= sample_weight.sum()
        self.coef_ = self.start
        self.coef_ += X.T @ (y * sample_weight)
        return self

    def predict(self, X):
        return (X @ self.coef_ > 0).astype(int)


def test_estimators_that_write_in_place_get_what_scikit_learn_gives_them(spark, monkeypatch):
    monkeypatch.setattr(node_share, "SMALLEST_SHARED", 2000)  # X and the weights are mapped, the start is not
    weights = generator.random(ROWS * 2)[:ROWS]
    arguments = {"cv": 2, "refit": False, "error_score": "raise"}
    for estimator in (
        WritesInPlace(np.zeros(12)),
        make_pipeline(StandardScaler(copy=False), SGDClassifier(random_state=0)),
    ):
        is_own = isinstance(estimator, WritesInPlace)
        grid = {"shift": [0.0, 0.1]} if is_own else {"sgdclassifier__alpha": [0.1, 0.01]}
        given = {"sample_weight": weights} if is_own else {}
        ours = GridSearchCV(estimator, grid, sc=spark, **arguments).fit(DENSE.copy(), y, **given)
        theirs = model_selection.GridSearchCV(estimator, grid, **arguments).fit(DENSE.copy(), y, **given)
        np.testing.assert_array_equal(ours.cv_results_["mean_test_score"], theirs.cv_results_["mean_test_score"])


def test_a_task_carries_no_data(spark, monkeypatch):
    """What the driver pickles for Spark stays small, whatever X is and the candidates hold."""
    from pyspark import serializers

    sizes = []
    original = serializers.CloudPickleSerializer.dumps

    def measured(self, value):
        pickled = original(self, value)
        sizes.append(len(pickled))
        return pickled

    def largest(rows, words):
        """The bytes of the largest pickle of a search in so many texts, with so many stop words in its candidates."""
        sizes.clear()
        texts = [" ".join(WORDS[generator.integers(0, 5, 30)]) for _ in range(rows)]
        stop_words = [str(value) for value in generator.normal(size=words)]
        grid = {"sgdclassifier__alpha": [0.1, 0.01], "countvectorizer__stop_words": [stop_words]}
        estimator = make_pipeline(CountVectorizer(), SGDClassifier(random_state=0))
        GridSearchCV(estimator, grid, cv=2, refit=False, sc=spark).fit(texts, np.arange(rows) % 2)
        return max(sizes)

    monkeypatch.setattr(serializers.CloudPickleSerializer, "dumps", measured)
    assert largest(3000, 20_000) < largest(30, 20) + 500
