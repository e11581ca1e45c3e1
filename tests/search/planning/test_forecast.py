"""What is said before a search starts, and when Spark's settings are called too small for it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import sparse
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection._validation import _fit_and_score
from xgboost import XGBClassifier

from hpt_spark.search.dataset import Dataset
from hpt_spark.search.evaluation import Evaluation
from hpt_spark.search.execution.node_share import share
from hpt_spark.search.fit_groups import group_fits
from hpt_spark.search.folds import Folds
from hpt_spark.search.planning.forecast import (
    OBJECT_BYTES_PER_PICKLED,
    THREAD_ADDRESSES,
    WORKER_BYTES,
    Forecast,
    forecast,
)
from hpt_spark.search.planning.memory_limit import (
    MIN_OVERHEAD,
    MemoryLimit,
    address_space_limit,
    in_bytes,
    memory_limit,
)


def evaluation(X, estimator=None, candidates=({"n_estimators": 10}, {"n_estimators": 20})):
    rows = np.arange(X.shape[0])
    return Evaluation(
        fit_and_score=_fit_and_score,
        estimator=estimator or XGBClassifier(),
        data=Dataset(X, rows % 3, {}, {}),
        candidates=candidates,
        folds=Folds.of([(rows[::2], rows[1::2]), (rows[1::2], rows[::2])], len(rows)),
        common={"scorer": None},
        sklearn_config={},
        warning_filters=[],
    )


def forecast_of(evaluated, slots=2, slots_per_executor=2):
    return forecast(evaluated, group_fits(evaluated, evaluated.fits), 1000, slots, slots_per_executor)


def test_fits_and_trainings_are_counted():
    found = forecast_of(evaluation(np.zeros((60, 4))))
    assert (found.fits, found.trainings, found.slots) == (4, 2, 2)
    assert found.describe().startswith("4 fits in 2 trainings, 2 at a time, estimated time: under 10 s; about ")


@pytest.mark.parametrize("kind", ["frame", "series", "texts"])
def test_pandas_data_are_measured(kind):
    table = pd.DataFrame(np.zeros((60, 4)))
    X = {"frame": table, "series": table[0], "texts": table[0].astype(str)}[kind]
    found = forecast_of(evaluation(X, LogisticRegression(), ({"C": 1.0},)))
    assert (found.fits, found.trainings) == (2, 2)


def test_more_values_rounds_and_workers_need_more():
    small = forecast_of(evaluation(sparse.random(300, 200, 0.1, "csr", random_state=0)))
    large = forecast_of(evaluation(sparse.random(300, 200, 0.5, "csr", random_state=0)))
    longer = forecast_of(
        evaluation(sparse.random(300, 200, 0.1, "csr", random_state=0), candidates=[{"n_estimators": 900}])
    )
    assert large.executor_bytes > small.executor_bytes
    assert longer.seconds > small.seconds
    assert (
        forecast_of(evaluation(np.zeros((60, 4))), 2, 1).executor_bytes
        < forecast_of(evaluation(np.zeros((60, 4))), 2, 2).executor_bytes
    )


@pytest.mark.parametrize("name", ["max_depth", "max_bin"])
def test_a_number_of_numpys_counts_as_pythons_does(name):
    X = np.zeros((6000, 40))
    own, numpys = (
        forecast_of(evaluation(X, candidates=[{name: kind(900) if name == "max_bin" else kind(12)}])).executor_bytes
        for kind in (int, np.int64)
    )
    assert numpys == own
    assert own > forecast_of(evaluation(X, candidates=[{}])).executor_bytes


def test_the_time_of_other_estimators_is_not_guessed():
    found = forecast_of(evaluation(np.zeros((60, 4)), LogisticRegression(), [{"C": 1.0}]))
    assert found.seconds is None
    assert "roughly" not in found.describe()


def test_texts_are_each_processs_own(tmp_path):
    texts = np.array([f"text {number:010}" for number in range(20_000)], dtype=object)
    pickled = share(Dataset(pd.DataFrame({"x": texts}), None, {}, {}), tmp_path).pickled_size
    assert pickled > 15 * len(texts) > 100 * share(Dataset(np.zeros((20_000, 9)), None, {}, {}), tmp_path).pickled_size
    evaluated = evaluation(np.zeros((60, 4)))

    def needed(pickled_bytes):
        groups = group_fits(evaluated, evaluated.fits)
        return forecast(evaluated, groups, pickled, 2, 2, pickled_bytes=pickled_bytes)

    more = OBJECT_BYTES_PER_PICKLED * pickled
    assert needed(pickled).executor_bytes - needed(0).executor_bytes == pytest.approx(2 * more, abs=2)
    assert needed(pickled).process_bytes - needed(0).process_bytes == pytest.approx(more, abs=2)
    assert needed(pickled).address_bytes - needed(0).address_bytes == pytest.approx(more, abs=2)


def test_a_warning_names_the_setting_to_change():
    needed = Forecast(80, 40, 8, 4, int(3.2e9), 8000.0)
    assert "estimated time: 2.2 h" in needed.describe()
    assert needed.warning(MemoryLimit(int(4e9), "raise it")) is None
    assert needed.warning(MemoryLimit(int(5e8), "raise spark.executor.memoryOverhead")) == (
        "The fits of an executor may need 3.2 GB of memory outside the JVM, and 500 MB are there for it: "
        "raise spark.executor.memoryOverhead."
    )


@pytest.mark.parametrize(
    ("master", "conf", "available"),
    [
        ("yarn", {}, MIN_OVERHEAD),
        ("yarn", {"spark.executor.memory": "10g"}, int(0.1 * (10 << 30))),
        ("yarn", {"spark.executor.memory": "10g", "spark.executor.memoryOverhead": "3g"}, 3 << 30),
        ("yarn", {"spark.executor.memory": "10g", "spark.executor.memoryOverheadFactor": "0.5"}, 5 << 30),
        ("yarn", {"spark.executor.pyspark.memory": "2048"}, 2 << 30),
        ("yarn", {"spark.executor.pyspark.memory": "4g", "spark.executor.cores": "4"}, 1 << 30),
        ("k8s://host", {"spark.executor.pyspark.memory": "0", "spark.executor.memory": "10g"}, int(0.4 * (10 << 30))),
        ("k8s://host", {"spark.executor.memory": "10g"}, int(0.4 * (10 << 30))),
    ],
)
def test_what_is_left_to_python_on_a_cluster(master, conf, available):
    assert memory_limit({"spark.master": master, **conf}).available == available


@pytest.mark.parametrize(
    ("size", "cores", "shared_bytes", "setting"),
    [
        ("4g", "4", 1_200_000_000, "8g"),
        ("8g", "4", 1_200_000_000, None),
        ("2g", "1", 1_200_000_000, None),
        ("1g", "2", 1_000_000, "2g"),  # the libraries alone
    ],
)
def test_address_space_is_of_each_process_and_has_the_data_and_the_libraries_in_it(size, cores, shared_bytes, setting):
    conf = {"spark.master": "yarn", "spark.executor.pyspark.memory": size, "spark.executor.cores": cores}
    evaluated = evaluation(np.zeros((60, 4)))
    needed = forecast(evaluated, group_fits(evaluated, evaluated.fits), shared_bytes, int(cores), int(cores))
    warning = needed.warning(memory_limit(conf))
    if setting is None:
        assert warning is None
    else:
        assert warning.startswith("The process of a fit may need ")
        assert warning.endswith(f"set spark.executor.pyspark.memory={setting}, or leave it out.")
        enough = {**conf, "spark.executor.pyspark.memory": setting}
        assert needed.warning(memory_limit(enough)) is None


def test_threads_of_a_fit_take_address_space():
    evaluated = evaluation(np.zeros((60, 4)))
    one, four = (forecast_of(replace(evaluated, threads=threads)).address_bytes for threads in (None, 4))
    assert four == one + 3 * THREAD_ADDRESSES


def test_spark_limits_the_address_space_with_a_local_master_too():
    assert address_space_limit({}) is None
    assert address_space_limit({"spark.executor.pyspark.memory": "3g"}).available == 3 << 30


def test_a_standalone_cluster_has_no_limit_and_a_local_master_the_machines():
    assert memory_limit({"spark.master": "spark://host:7077"}) is None
    assert memory_limit({"spark.master": "local-cluster[2,1,1024]"}) is None
    assert "local[N]" in memory_limit({"spark.master": "local[*]"}).remedy


@given(st.integers(0, 10**6), st.sampled_from([("", 20), ("k", 10), ("m", 20), ("MB", 20), ("g", 30), ("b", 0)]))
def test_sizes_as_spark_writes_them(number, unit):
    assert in_bytes(f"{number}{unit[0]}") == number << unit[1]


def test_what_is_no_size():
    with pytest.raises(ValueError, match="is not a size"):
        in_bytes("much")


def test_the_peak_while_the_arrays_arrive_counts_where_trainings_need_less():
    evaluated = evaluation(np.zeros((60, 4)))
    groups = group_fits(evaluated, evaluated.fits)
    known = forecast(evaluated, groups, 10**9, 4, 2)
    arriving = forecast(evaluated, groups, 10**9, 4, 2, arriving_bytes=2 * (64 << 20))
    of_trainings = known.executor_bytes - 10**9 - 2 * WORKER_BYTES
    assert of_trainings < 2 * (64 << 20)
    assert arriving.executor_bytes == 10**9 + 2 * WORKER_BYTES + 2 * (64 << 20)
    assert forecast(evaluated, groups, 10**9, 4, 2, arriving_bytes=of_trainings // 2) == known


def test_executors_that_are_to_come_are_told_and_count_for_the_time():
    evaluated = evaluation(np.zeros((6000, 40)), candidates=[{"max_depth": depth} for depth in range(1, 40)])
    groups = group_fits(evaluated, evaluated.fits)
    now, later = (forecast(evaluated, groups, 1000, 2, 2, planned_slots=planned) for planned in (2, 64))
    assert "78 trainings, 2 at a time, " in now.describe()
    assert "78 trainings, 2 at a time (more as executors come), " in later.describe()
    assert later.seconds < now.seconds
