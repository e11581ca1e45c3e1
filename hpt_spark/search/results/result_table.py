"""The columns of ``cv_results_`` for rungs, batches and races."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

DONE = "n_splits_done"  # of a race: how many folds a candidate has got
ITERATION = "iter"  # of halving, which has RESOURCES too, the rung; of proposed candidates the batch
RESOURCES = "n_resources"


def rungs_of(table: Mapping[str, Sequence[Any]]) -> list[int]:
    """Return the rung of each row; nothing where the search did not halve."""
    return [int(rung) for rung in table[ITERATION]] if RESOURCES in table else []


def batches_of(table: Mapping[str, Sequence[Any]]) -> list[int]:
    """Return the batch of each row; nothing where the search had none."""
    return [int(batch) for batch in table[ITERATION]] if ITERATION in table and RESOURCES not in table else []


def best_so_far(means: Iterable[float | None], is_whole: Iterable[bool]) -> list[float]:
    """Return the best mean score up to each row, of candidates that have all folds; NaN before the first one."""
    scores = [mean if whole and mean is not None else math.nan for mean, whole in zip(means, is_whole)]
    return np.fmax.accumulate(np.array(scores, dtype=float)).tolist()
