"""What a training is thought to cost, in which order trainings start, and what is left to wait for."""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hpt_spark.search.planning.cost import makespan, seconds_left, start_order, training_cost
from tests.property_settings import examples


@dataclass(frozen=True)
class Training:
    fold: int
    cost: float
    matrix: str = ""
    candidate: int = 0


TRAININGS = st.lists(
    st.builds(Training, st.integers(0, 4), st.floats(0.5, 100), st.sampled_from(["", "a"]), st.integers(0, 9))
)


@pytest.mark.parametrize(
    ("less", "more"),
    [
        ({"n_estimators": 100}, {"n_estimators": 300}),
        ({"max_depth": 3}, {"max_depth": 4}),
        ({"num_leaves": 300}, {"num_leaves": 3000}),
        ({"colsample_bylevel": 0.01}, {"colsample_bylevel": 0.1}),
        ({"model__max_iter": 10}, {"model__max_iter": 20}),
    ],
)
def test_more_of_what_takes_time_costs_more(less, more):
    assert training_cost(less) < training_cost(more)


@pytest.mark.parametrize("value", [None, "many", True, -1, math.inf, math.nan])
def test_what_is_no_number_of_rounds_does_not_count(value):
    assert training_cost({"n_estimators": value}) == training_cost({})


@given(trainings=TRAININGS, slots=st.integers(1, 9))
def test_each_training_starts_once(trainings, slots):
    assert sorted(start_order(trainings, slots)) == list(range(len(trainings)))


@examples(30)
@given(trainings=TRAININGS.filter(lambda some: 0 < len(some) < 7), slots=st.integers(1, 3))
def test_no_order_ends_much_earlier(trainings, slots):
    ordered = [trainings[at] for at in start_order(trainings, slots)]
    best = min(makespan(order, slots) for order in itertools.permutations(trainings))
    changes = makespan([Training(0, 0.05 * sum(one.cost for one in trainings))], 1)  # each moves to another fold
    assert makespan(ordered, slots) <= 4 / 3 * best + changes


def test_on_one_slot_a_fold_is_finished_before_the_next():
    trainings = [Training(at % 3, 1.0 + at % 2) for at in range(12)]
    folds = [trainings[at].fold for at in start_order(trainings, 1)]
    assert folds == sorted(folds)


def test_the_longest_training_does_not_come_last():
    trainings = [*(Training(0, 1.0) for _ in range(6)), Training(1, 6.0)]
    assert start_order(trainings, 2)[0] == 6


def test_a_rung_which_is_of_no_use_before_its_end_goes_through_the_folds_once():
    trainings = [Training(fold, 1.0, candidate=number) for number in range(20) for fold in range(5)]
    folds = [trainings[at].fold for at in start_order(trainings, 2, in_blocks=False)]
    assert folds == sorted(folds)


@examples(50)
@given(st.integers(1, 70), st.integers(2, 10), st.integers(1, 16), st.floats(0, 1), st.randoms())
def test_a_search_that_is_ended_has_the_scores_of_most_candidates_that_there_was_time_for(
    settings, folds, slots, share, random
):
    costs = [random.choice([1.0, 1.5, 2.0]) for _ in range(settings)]
    trainings = [Training(fold, cost, candidate=number) for number, cost in enumerate(costs) for fold in range(folds)]
    ended = [trainings[at] for at in start_order(trainings, slots)][: int(share * len(trainings))]
    complete = sum(sum(one.candidate == number for one in ended) == folds for number in range(settings))
    block = max(4, settings / 16, 2 * slots / folds)
    assert complete > len(ended) / folds - block - 1


@given(trainings=TRAININGS, slots=st.integers(1, 9))
def test_nothing_ends_before_the_longest_has_or_before_the_cores_can(trainings, slots):
    costs = [one.cost for one in trainings]
    assert makespan(trainings, slots) >= max([0, *costs, sum(costs) / slots]) * (1 - 1e-9)


def test_what_is_left_is_told_from_what_has_finished():
    assert seconds_left(10.0, 5.0, [], 2) == 0
    assert seconds_left(10.0, 5.0, [4.0, 4.0, 4.0], 2) == 3.0
    assert seconds_left(10.0, 5.0, [4.0], 8) == 2.0
