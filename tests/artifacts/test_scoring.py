"""Executors predict with the driver's releases, or the job ends in a sentence."""

from __future__ import annotations

from types import SimpleNamespace

import pyarrow as pa
import pytest
from sklearn.dummy import DummyRegressor

from hpt_spark.artifacts import scoring
from hpt_spark.artifacts.scoring import predictions
from hpt_spark.search.execution.driver_releases import Release


class Rows:
    """Rows of Spark that give the function which would run on executors."""

    columns = ("x0",)

    def select(self, *names):
        return self

    def mapInArrow(self, function, schema):
        return function


class Model:
    """What is sent to the executors."""

    outputs = ("prediction",)
    task = "regression"
    estimator = DummyRegressor()
    encoding = SimpleNamespace(stored_per_row=1, transform=lambda batch: (batch, pa.array([0]).to_numpy()))

    def outputs_of(self, X):
        return pa.table({"prediction": pa.array([0.5] * X.num_rows)})


def predicted():
    predict = predictions(Rows(), SimpleNamespace(value=Model()), Model(), [])
    (batch,) = predict([pa.RecordBatch.from_pydict({"x0": [1.0, 2.0]})])
    return batch.to_pydict()


def test_the_same_releases_predict():
    assert predicted() == {"p0": [0.5, 0.5], "unseen": [[0], None], "problem": [None, None]}


@pytest.mark.parametrize("package", ["numpy", "sklearn"])
def test_another_release_is_told_in_the_place_of_predictions(monkeypatch, package):
    monkeypatch.setattr(scoring, "releases_of", lambda *of: (Release(package, "0.1.2", "0.1.2"),))
    found = predicted()
    assert found["p0"] == [None, None]
    assert "0.1.2, so that its results may be others: install the driver's releases there" in found["problem"][0]
