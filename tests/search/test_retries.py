"""The ladder of retries: each way up it ends, and the documentation draws the one that is used."""

from __future__ import annotations

import itertools
import re
from pathlib import Path

import pytest

from hpt_spark.search.retries import NEXT, Ending, Step, next_step

DEATHS = (Ending.FAULT, Ending.KILLED)
TRIED_AS_TASKS = (Step.TOGETHER, Step.EACH, Step.ALONE, Step.EACH_ALONE)


def test_every_death_of_every_step_has_a_next_one_which_the_driver_has_yet_to_come_to():
    order = list(Step)
    for step, ending in itertools.product(TRIED_AS_TASKS, (*DEATHS, Ending.TIMEOUT)):
        assert order.index(NEXT[step, ending]) > order.index(step)
    assert NEXT[Step.TOGETHER, Ending.RAISED] is Step.PLAIN
    assert {step for step, _ in NEXT} == set(TRIED_AS_TASKS)


@pytest.mark.parametrize("fits", [1, 3])
@pytest.mark.parametrize("deaths", list(itertools.product(DEATHS, repeat=4)))
def test_whatever_kills_a_fit_it_is_tried_twice_at_least_and_not_blamed_for_others(fits, deaths):
    step, tried = Step.TOGETHER, []
    for ending in deaths:
        if step is Step.FAILED:
            break
        tried.append((step, ending))
        following = next_step(step, ending, fits)
        fits = 1 if following.one_by_one else fits
        step = following
    assert step is Step.FAILED
    assert len(tried) >= 2
    last, ending = tried[-1]
    assert last.one_by_one or fits == 1, "no fit fails with those of its group"
    assert last.alone or ending is Ending.FAULT, "what others may have a part in is tried alone"


def test_a_group_that_had_no_more_time_is_taken_apart_and_a_fit_fails_at_once():
    for step in TRIED_AS_TASKS:
        assert next_step(step, Ending.TIMEOUT, 1) is Step.FAILED
        if not step.one_by_one:
            assert next_step(step, Ending.TIMEOUT, 3).one_by_one


def test_the_documentation_draws_this_table():
    text = (Path(__file__).parents[2] / "docs" / "reliability.md").read_text(encoding="utf-8")
    drawn = set(re.findall(r"^ +(\w+) -->\|(\w+)\| (\w+)$", text, flags=re.MULTILINE))
    assert drawn == {(step.name, ending.value, following.name) for (step, ending), following in NEXT.items()}
