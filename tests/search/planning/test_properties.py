"""The properties that fit executors: laws that hold for every size."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import sparse
from sklearn.model_selection._validation import _fit_and_score
from xgboost import XGBClassifier

from hpt_spark.errors import InputError
from hpt_spark.search.dataset import Dataset
from hpt_spark.search.evaluation import Evaluation
from hpt_spark.search.folds import Folds
from hpt_spark.search.planning.cluster import plan_cluster
from hpt_spark.search.planning.executors import Executors
from hpt_spark.search.planning.memory_limit import in_bytes

ROWS = np.arange(600)
EVALUATION = Evaluation(
    fit_and_score=_fit_and_score,
    estimator=XGBClassifier(),
    data=Dataset(sparse.random(600, 4000, 0.5, "csr", np.float32, random_state=0), ROWS % 3, {}, {}),
    candidates=[{"max_depth": depth} for depth in (3, 4, 5)],
    folds=Folds.of([(ROWS[::2], ROWS[1::2]), (ROWS[1::2], ROWS[::2])], 600),
    common={"scorer": None},
    sklearn_config={},
    warning_filters=[],
)
GIB = 1 << 30


def refused(executors, conf, refit_on):
    try:
        plan_cluster(EVALUATION, executors, conf, refit_on)
    except InputError as error:
        return str(error)
    return ""


@pytest.mark.long
@settings(deadline=None, max_examples=40)
@given(st.integers(1, 40), st.integers(1, 64), st.integers(1, 64), st.sampled_from(["executor", "driver"]))
def test_what_is_planned_fits_and_idles_no_more_than_it_must(number, cores, gibibytes, refit_on):
    executors = Executors(number, cores, gibibytes * GIB)
    said = refused(executors, {}, refit_on)
    if said:
        enough = in_bytes(said.split("give --memory ")[1].split(" or more")[0])
        assert enough > executors.memory
        executors = Executors(number, cores, enough)
    plan = plan_cluster(EVALUATION, executors, {}, refit_on)
    properties = {name: value for name, value, _ in plan.properties()}
    heap, overhead = (in_bytes(properties[f"spark.executor.{name}"]) for name in ("memory", "memoryOverhead"))
    assert heap + overhead <= executors.memory
    assert overhead >= plan.forecast.executor_bytes
    assert int(properties["spark.task.cpus"]) == plan.threads <= cores
    if number * (cores // plan.threads) < plan.forecast.trainings:
        for fewer in range(1, plan.threads):  # and so more fits at a time, which would not fit
            conf = {"spark.task.cpus": str(fewer)}
            assert refused(executors, conf, refit_on) or cores // fewer == cores // plan.threads


def test_the_refit_counts_where_it_runs():
    executors = Executors(1, 1, 64 * GIB)
    there, here = (plan_cluster(EVALUATION, executors, {}, where) for where in ("executor", "driver"))
    assert there.executor_bytes > here.executor_bytes, "all rows are twice those of a fold"
    assert there.driver_bytes < here.driver_bytes
