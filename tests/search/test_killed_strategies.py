"""Each strategy with its driver, a worker or a fit's process killed at a random moment: to the last bit as if not."""

from __future__ import annotations

import random
import time

import numpy as np
import pytest

from tests.search import each_strategy, searching
from tests.search.scores import scores_of

pytestmark = pytest.mark.process
NAMES = ("race", "race by rank", "race and optuna", "halving", "rounds", "rounds and optuna", "curves that race")


def assert_same(found, expected):
    assert list(scores_of(found)) == list(scores_of(expected))
    for name, values in scores_of(expected).items():
        np.testing.assert_array_equal(scores_of(found)[name], values, err_msg=name)
    if expected.keep_oof != "none":
        np.testing.assert_array_equal(found.oof_predictions_, expected.oof_predictions_)
    assert found.end_reason_ == expected.end_reason_


def unbroken(name, spark):
    return each_strategy.search_of(name, each_strategy.Accuracy(), sc=spark).fit(each_strategy.X, each_strategy.y)


@pytest.mark.parametrize("name", NAMES)
def test_a_killed_driver_goes_on_as_if_it_had_not_been(spark, tmp_path, name):
    chance = random.Random(name)
    plan = searching.plan_of(tmp_path, name, how="strategy")
    expected = unbroken(name, spark)
    fits = expected.fit_counts_["fits"] - expected.fit_counts_.get("skipped", 0)
    process = searching.started(plan)
    searching.wait_for_records(process, plan, at_least=chance.randrange(1, fits // 2))
    time.sleep(chance.uniform(0, 0.2))
    searching.kill_all_of(process)
    searching.wait_until_gone(plan)
    finished = searching.records_in(plan["journal"])
    assert 0 < finished < fits
    resumed = searching.run(plan, spark)
    assert resumed.fit_counts_["resumed"] == finished
    assert_same(resumed, expected)


@pytest.mark.parametrize("kills", ["fit", "worker"])
@pytest.mark.parametrize("name", [*NAMES, "rounds of a pipeline", "rounds and race", "curves that race and optuna"])
def test_a_killed_process_costs_a_strategy_nothing(spark, tmp_path, name, kills):
    scorer = each_strategy.Accuracy(kills=kills, mark=str(tmp_path / "killed"))
    found = each_strategy.search_of(name, scorer, sc=spark).fit(each_strategy.X, each_strategy.y)
    assert (tmp_path / "killed").exists()
    assert_same(found, unbroken(name, spark))
