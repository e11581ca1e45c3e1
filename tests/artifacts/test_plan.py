"""The plan of a search: what makes it another one."""

from __future__ import annotations

import json
from datetime import date
from types import SimpleNamespace

import pytest

from hpt_spark.artifacts.plan import command_line, plan_of
from hpt_spark.artifacts.run_directory import differing_keys
from hpt_spark.config.search_section import SearchSection

DESIGN = SimpleNamespace(
    facts={"files": dict.fromkeys(("X_train.npz", "y_train.npy", "columns.csv", "classes.json"), "digest")}
)
OF_HALVING = {"factor": 2.0, "min_resources": 7, "max_resources": 8}
OF_SOME_STRATEGY = {"n_iter": 11, "random_state": 1, "resource": "gamma", **OF_HALVING}
OF_A_PARAMETER = {"resource": "n_jobs", "max_resources": 9}


def searched(**given):
    return plan_of(SearchSection(**given), DESIGN)


def searched_unchecked(**given):
    """Return the plan also of settings that are refused, as they do nothing."""
    return plan_of(SearchSection().model_copy(update=given), DESIGN)


def test_a_grid_search_is_the_same_whatever_is_set_for_other_strategies():
    assert searched_unchecked(**OF_SOME_STRATEGY) == searched()


@pytest.mark.parametrize(
    ("settings", "used"),
    [
        ({"strategy": "grid"}, {}),
        ({"strategy": "random"}, {"n_iter", "random_state"}),
        ({"strategy": "halving"}, {"random_state", *OF_HALVING}),
        ({"strategy": "halving", **OF_A_PARAMETER}, {"resource", *OF_HALVING}),
        ({"strategy": "halving_random"}, {"n_iter", "random_state", *OF_HALVING}),
        ({"strategy": "halving_random", **OF_A_PARAMETER}, set(OF_SOME_STRATEGY)),
    ],
)
def test_what_a_strategy_does_not_use_is_no_part_of_its_plan(settings, used):
    for key, value in OF_SOME_STRATEGY.items():
        if key == "resource" and settings["strategy"].startswith("halving") and "resource" not in settings:
            continue  # another kind of resource uses other keys
        plans = searched_unchecked(**settings), searched_unchecked(**{**settings, key: value})
        differences = differing_keys(*plans)
        assert differences == ([f"search.{key}"] if key in used else []), key


NAN, INF = float("nan"), float("inf")


def strict(constant):
    raise AssertionError(f"{constant} is no JSON")


def test_a_plan_is_strict_json_and_is_read_back_as_the_same():
    plan = searched(
        estimator_params={"missing": NAN, "base": {"low": -INF, "of": {1: None}}, "flag": True},
        param_grid={"missing": [NAN, 0.5, INF, -INF], "steps": [[1, NAN]], "since": [date(2024, 2, 3)]},
    )
    assert plan["search"]["error_score"] == "nan"
    assert plan["search"]["estimator_params"] == {
        "missing": "nan",
        "base": {"low": "-inf", "of": {"1": None}},
        "flag": True,
    }
    assert plan["search"]["param_grid"] == [
        {"missing": ["nan", 0.5, "inf", "-inf"], "steps": [[1, "nan"]], "since": ["2024-02-03"]}
    ]
    again = json.loads(json.dumps(plan, allow_nan=False), parse_constant=strict)
    assert again == plan
    assert differing_keys(again, plan) == []


@pytest.mark.parametrize(
    ("one", "other"), [(NAN, 0.0), (NAN, INF), (INF, -INF), (NAN, None), (1, "1"), (1, 1.0), (1, True)]
)
def test_another_value_is_another_plan(one, other):
    plan, another = (searched(estimator_params={"a": value}) for value in (one, other))
    assert differing_keys(plan, another) == ["search.estimator_params.a"]
    plan, another = (searched(param_grid={"a": [value]}) for value in (one, other))
    assert differing_keys(plan, another) == ["search.param_grid"]


@pytest.mark.parametrize(
    ("arguments", "shown"),
    [
        (["hpt-spark tune", "tune", "--conf", "my file.yaml"], "hpt-spark tune --conf 'my file.yaml'"),
        (["jobs/tune.py", "--set", "search.cv=3"], "jobs/tune.py --set search.cv=3"),
        (["tune.py", "--set", "spark.conf.my.password=a b"], "tune.py --set 'spark.conf.my.password=***'"),
        (
            ["tune.py", "--set", "spark.conf={a.password: b, c: d}"],
            "tune.py --set 'spark.conf={a.password: ***, c: d}'",
        ),
        (["tune.py", "--set=spark.conf.a.secret=a b"], "tune.py '--set=spark.conf.a.secret=***'"),
        (["tune.py", "--set", "source.uri=https://x/y?sig=abc"], "tune.py --set 'source.uri=https://x/y?***'"),
    ],
)
def test_the_command_is_told_without_secrets(arguments, shown):
    assert command_line(arguments) == shown
