"""How groups of fits become tasks: all of them, once, in order, and as many at a time as keep the slots busy."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hpt_spark.search.evaluation import Fit
from hpt_spark.search.fit_groups import FitGroup
from hpt_spark.search.planning.task_queue import (
    TASKS_PER_SLOT,
    TASKS_PER_SLOT_WITHOUT_REUSE,
    TaskQueue,
    in_jobs,
    in_tasks,
)


def groups(costs):
    return [FitGroup((Fit(number, number, 0),), False, cost) for number, cost in enumerate(costs)]


def played(queue, slots, seconds_per_cost, first_takes=1.0):
    """Run what `queue` gives out on so many slots; return the tasks in the order of their start, and the busy share."""
    waiting, running, started = list(queue.next_tasks()), [], []
    now = busy = 0.0
    while waiting or running:
        while waiting and len(running) < slots:
            task = waiting.pop(0)
            slowness = first_takes if len(started) < slots else 1.0
            started.append(task)
            took = sum(group.cost for group in task) * seconds_per_cost * slowness
            busy += took
            running.append((now + took, took, task))
        running.sort(key=lambda one: one[0])
        now, took, task = running.pop(0)
        queue.ended((group, group.cost * took / sum(group.cost for group in task)) for group in task)
        waiting += queue.next_tasks()
    return started, busy / (slots * now) if now else 1.0


costs = st.lists(st.floats(0.01, 100), max_size=300)


@given(costs, st.integers(1, 20), st.booleans(), st.floats(1e-6, 100), st.floats(0.1, 20))
def test_each_group_starts_once_and_in_order(costs, slots, reuses, seconds_per_cost, first_takes):
    given_groups = groups(costs)
    started, _ = played(TaskQueue(given_groups, lambda: slots, reuses), slots, seconds_per_cost, first_takes)
    assert [group for task in started for group in task] == given_groups
    assert all(started)


@given(st.lists(st.lists(st.integers(0, 12), min_size=1, max_size=6), max_size=20), st.integers(1, 30))
def test_jobs_have_all_groups_in_order_and_bring_no_more_than_they_may(sizes, most):
    given_groups = groups([float(size) for task in sizes for size in task])
    left = iter(given_groups)
    tasks = [[next(left) for _ in task] for task in sizes]
    jobs = list(in_jobs(tasks, lambda group: group.cost, most))
    assert [group for job in jobs for task in job for group in task] == given_groups
    assert all(task for job in jobs for task in job)
    for job in jobs:
        job_groups = [group for task in job for group in task]
        assert len(job_groups) == 1 or sum(group.cost for group in job_groups) <= most
    if sum(map(sum, sizes)) <= most:
        assert jobs == ([tasks] if tasks else [])


@given(costs, st.lists(st.floats(0, 100), min_size=1, max_size=50))
def test_tasks_are_neighbours_that_cost_about_what_is_wanted(costs, wanted):
    given_groups = groups(costs)
    tasks = in_tasks(given_groups, wanted)
    assert [group for task in tasks for group in task] == given_groups
    assert all(tasks)
    assert len(tasks) <= len(wanted)
    if costs and len(tasks) < len(wanted):
        largest = max(sum(group.cost for group in task) for task in tasks)
        assert largest <= max(wanted) + 1.5 * max(costs) + 1e-6


@pytest.mark.parametrize("first_takes", [1.0, 20.0])
def test_trainings_of_milliseconds_are_tasks_of_a_second_and_keep_the_slots_busy(first_takes):
    started, busy = played(TaskQueue(groups([1.0] * 20_000), lambda: 2), 2, 0.01, first_takes)
    seconds = [len(task) * 0.01 for task in started[8:-20]]
    assert max(seconds) <= 1.01
    assert sum(seconds) / len(seconds) > 0.9
    assert busy > 0.99, "the last tasks are short, so that the slots end together"


def test_long_trainings_are_tasks_of_their_own():
    started, _ = played(TaskQueue(groups([5.0, 7.0] * 100), lambda: 3), 3, 60.0)
    assert {len(task) for task in started} == {1}


def test_few_trainings_are_submitted_at_once_and_many_some_at_a_time():
    assert len(TaskQueue(groups([1.0] * 8), lambda: 2).next_tasks()) == 8
    many = TaskQueue(groups([1.0] * 1000), lambda: 2)
    assert [len(task) for task in many.next_tasks()] == [1, 1]


def test_where_nothing_tells_the_time_all_is_submitted():
    queue = TaskQueue(groups([1.0] * 1000), lambda: 2)
    first = queue.next_tasks()
    queue.ended((group, None) for task in first for group in task)
    tasks = queue.next_tasks()
    assert len(tasks) == 2 * TASKS_PER_SLOT
    assert sum(map(len, tasks)) == 998


def test_where_each_task_starts_a_worker_there_are_few():
    queue = TaskQueue(groups([1.0] * 1000), lambda: 2, reuses_workers=False)
    first = queue.next_tasks()
    queue.ended([(first[0][0], 0.01)])
    assert len(queue.next_tasks()) == 2 * TASKS_PER_SLOT_WITHOUT_REUSE


def test_executors_that_come_later_get_tasks_at_once():
    slots = [2]
    queue = TaskQueue(groups([1.0] * 640), lambda: slots[0])
    assert len(queue.next_tasks()) == 2
    assert queue.next_tasks() == [], "nothing has ended that would tell how long a training takes"
    slots[0] = 16
    assert [len(task) for task in queue.next_tasks()] == [1] * 14, "no slot waits for the end of the first trainings"
    assert queue.next_tasks() == []


def test_executors_that_come_when_trainings_have_ended_get_tasks_at_once():
    slots = [2]
    queue = TaskQueue(groups([1.0] * 640), lambda: slots[0])
    open_tasks = queue.next_tasks()
    queue.ended([(open_tasks.pop()[0], 60.0)])
    open_tasks += queue.next_tasks()
    assert len(open_tasks) <= 9
    slots[0] = 16
    queue.ended([(open_tasks.pop()[0], 60.0)])
    open_tasks += queue.next_tasks()
    assert len(open_tasks) >= 16


def test_few_trainings_are_all_submitted_when_the_executors_are_there():
    slots = [2]
    queue = TaskQueue(groups([1.0] * 60), lambda: slots[0])
    assert len(queue.next_tasks()) == 2
    slots[0] = 16
    assert [len(task) for task in queue.next_tasks()] == [1] * 58


def test_slots_are_counted_no_more_when_no_training_waits():
    counted = []
    queue = TaskQueue(groups([1.0] * 8), lambda: counted.append(1) or 2)
    first = queue.next_tasks()
    queue.ended((group, 1.0) for task in first for group in task)
    assert queue.next_tasks() == []
    assert len(counted) == 1
