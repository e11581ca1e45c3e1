"""The ladder of retries: each way up it ends, and the documentation draws the one that is used."""

from __future__ import annotations

import itertools
import math
import re
from pathlib import Path

import pytest

from hpt_spark.search.evaluation import Fit
from hpt_spark.search.execution.fit_process import Death
from hpt_spark.search.fit_groups import FitGroup
from hpt_spark.search.retries import NEXT, Ending, Step, next_step
from hpt_spark.search.scheduler import Scheduler

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


@pytest.mark.parametrize("is_time_up", [False, True])
def test_what_has_died_is_not_tried_alone_when_the_time_is_up(monkeypatch, is_time_up):
    tried = []

    def dies(scheduler, shared, step, groups, dead):
        tried.append(step)
        dead += [(group, Death("killed")) for group in groups]
        scheduler._deadline = 0.0 if is_time_up else math.inf
        yield from ()

    monkeypatch.setattr(Scheduler, "_tried", dies)
    monkeypatch.setattr(Scheduler, "_given_up", lambda scheduler, group, death: [])
    groups = [FitGroup((Fit(0, 0, 0), Fit(1, 1, 0)), True, 1.0), FitGroup((Fit(2, 0, 1), Fit(3, 1, 1)), True, 1.0)]
    list(Scheduler(None, math.inf, None, "")._results(None, groups))
    assert tried == [Step.TOGETHER] if is_time_up else [Step.TOGETHER, *[Step.ALONE] * 2, *[Step.EACH_ALONE] * 4]
