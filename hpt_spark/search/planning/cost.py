"""The estimated cost of a training, the order in which trainings start, and the time that the rest will take."""

from __future__ import annotations

import heapq
import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from hpt_spark.search.arguments import is_number

if TYPE_CHECKING:
    from hpt_spark.search.fit_groups import FitGroup

# What a fold's first training on a worker pays on top of its own cost, as a share of a typical one:
# cutting the rows and building the matrix (1 to 2 s where a training takes minutes).
FOLD_CHANGE = 0.05
# A search that is ended early can use the candidates that have all folds: so one block of settings follows another.
MOST_BLOCKS = 16
LEAST_SETTINGS_PER_BLOCK = 4
LEAST_TRAININGS_PER_SLOT = 2  # of a fold in a block, or slots would change their fold too often


def training_cost(params: Mapping[str, Any]) -> float:
    """Return the estimated cost of fitting an estimator with `params`, in a unit of its own.

    A boosting round costs the passes over the rows, one per level of a tree, and the columns that
    it looks at. Only ratios mean something; `seconds_left` learns the unit from what has finished.
    """
    rounds = positive_number(params, ("n_estimators", "max_iter"), 1)
    levels = positive_number(params, ("max_depth",), 6)
    leaves = positive_number(params, ("max_leaves", "num_leaves"), 0)
    depth = max(levels, math.log2(leaves)) if leaves > 1 else levels
    columns = 1.0
    for name in ("colsample_bytree", "colsample_bylevel", "colsample_bynode"):
        columns *= positive_number(params, (name,), 1)
    return max(1.0, rounds) * max(1.0, depth) * (0.5 + 0.5 * columns)


def start_order(trainings: Sequence[FitGroup], slots: int, in_blocks: bool = True) -> list[int]:
    """Return the positions of `trainings`, of which so many run at a time, in the order in which they should start.

    With `in_blocks`, some candidates are to have all folds before others begin.

    Notes
    -----
    Longest first ends within 4/3 of the earliest possible end (Graham, 1969), but sends a worker
    from fold to fold; fold by fold within blocks of settings, longest first within each, keeps what a worker has
    built. Both are played through with the estimated costs, and the one that ends earlier is taken.
    """
    positions = range(len(trainings))
    longest_first = sorted(positions, key=lambda at: (-trainings[at].cost, trainings[at].candidate, at))
    blocks = _blocks(trainings, slots) if in_blocks else {one.candidate: 0 for one in trainings}

    def within_blocks(at: int) -> tuple[Any, ...]:
        one = trainings[at]
        return blocks[one.candidate], one.fold, one.matrix, -one.cost, at

    block_by_block = sorted(positions, key=within_blocks)
    return min(block_by_block, longest_first, key=lambda order: makespan([trainings[at] for at in order], slots))


def _blocks(trainings: Sequence[FitGroup], slots: int) -> dict[int, int]:
    """Return the block of each setting, by its first candidate: they are sorted by matrix, then longest first."""
    settings: dict[int, tuple[str, float, int]] = {}
    for one in trainings:
        settings.setdefault(one.candidate, (one.matrix, -one.cost, one.candidate))
    folds = len({one.fold for one in trainings})
    size = max(
        LEAST_SETTINGS_PER_BLOCK,
        math.ceil(len(settings) / MOST_BLOCKS),
        math.ceil(LEAST_TRAININGS_PER_SLOT * slots / max(1, folds)),
    )
    return {candidate: place // size for place, candidate in enumerate(sorted(settings, key=settings.__getitem__))}


def makespan(trainings: Sequence[FitGroup], slots: int) -> float:
    """Return when the last of `trainings` ends if each free slot takes the next one, in the unit of their costs."""
    change = FOLD_CHANGE * sum(training.cost for training in trainings) / max(1, len(trainings))
    free = [(0.0, slot) for slot in range(max(1, slots))]
    built_in_slot: dict[int, tuple[int, str]] = {}
    for training in trainings:
        at, slot = heapq.heappop(free)
        moved = built_in_slot.get(slot) != (training.fold, training.matrix)
        built_in_slot[slot] = (training.fold, training.matrix)
        heapq.heappush(free, (at + training.cost + change * moved, slot))
    return max(at for at, _ in free)


def seconds_left(cost_done: float, seconds_done: float, costs_left: Sequence[float], slots: int) -> float:
    """Return the estimated seconds until all is done, when something has finished.

    The cost and the seconds of the finished trainings together tell what a unit of cost is.
    """
    at_once = max(1, min(slots, len(costs_left)))
    return sum(costs_left) / at_once * seconds_done / cost_done


def positive_number(params: Mapping[str, Any], names: Sequence[str], default: float) -> float:
    """Return the first of the named parameters, also of a step of a pipeline, that is a positive number."""
    for full_name, value in params.items():
        if full_name.rpartition("__")[2] in names and is_number(value) and 0 < value < math.inf:
            return float(value)
    return default
