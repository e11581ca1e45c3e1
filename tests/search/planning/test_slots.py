"""For how many slots a search is planned, and what that makes of its tasks."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hpt_spark.search.evaluation import Fit
from hpt_spark.search.fit_groups import FitGroup
from hpt_spark.search.planning.slots import SLOTS_WITHOUT_LIMIT, planned_slots, slots_of_executor, workers_are_reused
from hpt_spark.search.scheduler import TASKS_PER_SLOT, in_tasks

DYNAMIC = {"spark.dynamicAllocation.enabled": "true"}


@pytest.mark.parametrize(
    ("master", "conf", "now", "expected"),
    [
        ("local[4]", DYNAMIC, 4, 4),
        ("yarn", {**DYNAMIC, "spark.dynamicAllocation.maxExecutors": "100", "spark.executor.cores": "4"}, 2, 400),
        (
            "yarn",
            {
                **DYNAMIC,
                "spark.dynamicAllocation.maxExecutors": "100",
                "spark.executor.cores": "4",
                "spark.task.cpus": "2",
            },
            2,
            200,
        ),
        ("yarn", {**DYNAMIC, "spark.dynamicAllocation.maxExecutors": "100"}, 2, 100),
        ("yarn", DYNAMIC, 2, SLOTS_WITHOUT_LIMIT),
        ("yarn", DYNAMIC, 4000, 4000),
        ("yarn", {**DYNAMIC, "spark.dynamicAllocation.maxExecutors": str(2**31 - 1)}, 2, SLOTS_WITHOUT_LIMIT),
        ("yarn", {"spark.dynamicAllocation.enabled": "false", "spark.dynamicAllocation.maxExecutors": "9"}, 2, 2),
        ("yarn", {"spark.executor.instances": "8", "spark.executor.cores": "4"}, 2, 32),
        ("k8s://host", {"spark.executor.cores": "4"}, 2, 8),
        ("spark://host:7077", {}, 2, 2),
        ("spark://host:7077", {"spark.cores.max": "48"}, 2, 48),
        ("spark://host:7077", {**DYNAMIC, "spark.cores.max": "48", "spark.executor.cores": "4"}, 2, 48),
        ("spark://host:7077", {**DYNAMIC, "spark.dynamicAllocation.maxExecutors": "3"}, 2, 3),
    ],
)
def test_for_how_many_slots_a_search_is_planned(master, conf, now, expected):
    assert planned_slots(master, conf, now) == expected


def test_slots_of_an_executor_and_reuse():
    assert slots_of_executor("yarn", {}) == 1
    assert slots_of_executor("yarn", {"spark.executor.cores": "5", "spark.task.cpus": "2"}) == 2
    assert slots_of_executor("spark://host", {}) is None
    assert workers_are_reused({})
    assert not workers_are_reused({"spark.python.worker.reuse": "False"})


def groups(costs):
    return [FitGroup((Fit(number, number, 0),), False, cost) for number, cost in enumerate(costs)]


def test_ten_thousand_paths_are_tasks_for_all_executors_that_may_come():
    conf = {**DYNAMIC, "spark.dynamicAllocation.maxExecutors": "100", "spark.executor.cores": "4"}
    many = groups([1.0] * 10_000)
    assert len(in_tasks(many, planned_slots("yarn", conf, 2) * TASKS_PER_SLOT)) == 10_000
    assert len(in_tasks(many, 2 * TASKS_PER_SLOT)) == 128


@given(st.lists(st.floats(0.01, 100), max_size=200), st.integers(1, 50))
def test_tasks_are_neighbours_of_about_the_same_cost(costs, most):
    all_of_them = groups(costs)
    tasks = in_tasks(all_of_them, most)
    assert [group for task in tasks for group in task] == all_of_them
    assert all(tasks)
    assert len(tasks) <= most
    if len(costs) <= most:
        assert len(tasks) == len(costs)
    else:
        largest = max(sum(group.cost for group in task) for task in tasks)
        assert largest <= sum(costs) / most + max(costs) + 1e-6
