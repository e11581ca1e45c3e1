"""For how many slots a search is planned."""

from __future__ import annotations

import pytest

from hpt_spark.search.planning.slots import (
    SLOTS_WITHOUT_LIMIT,
    cores_of_local,
    is_true,
    planned_slots,
    slots_of_executor,
)

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
    assert planned_slots({"spark.master": master, **conf}, now) == expected


def test_slots_of_an_executor_and_what_is_switched_on():
    assert slots_of_executor({"spark.master": "yarn"}) == 1
    assert slots_of_executor({"spark.master": "yarn", "spark.executor.cores": "5", "spark.task.cpus": "2"}) == 2
    assert slots_of_executor({"spark.master": "spark://host"}) is None
    assert is_true({}, "spark.python.worker.reuse", default="true")
    assert not is_true({"spark.python.worker.reuse": "False"}, "spark.python.worker.reuse", default="true")


@pytest.mark.parametrize(
    ("master", "cores"),
    [
        ("local", 1),
        ("local[2]", 2),
        ("local[ 12 ]", 12),
        ("local[4,3]", 4),
        ("local[*]", None),
        ("local[*, 3]", None),
        ("local-cluster[2,1,1024]", None),
        ("yarn", None),
        ("", None),
    ],
)
def test_the_cores_that_a_local_master_names(master, cores):
    assert cores_of_local(master) == cores
