"""The batches of a search whose candidates are proposed, as ``cv_results_`` tells of them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

BATCH = "iter"  # which of a halving search, that has RESOURCES too, is the rung
RESOURCES = "n_resources"


def batches_of(table: Mapping[str, Sequence[Any]]) -> list[int]:
    """Return the batch of each row of ``cv_results_``; nothing where the search had none."""
    return [int(batch) for batch in table[BATCH]] if BATCH in table and RESOURCES not in table else []


def best_so_far(means: Iterable[float | None], is_whole: Iterable[bool]) -> list[float]:
    """Return the best mean score up to each row, of candidates that have all folds; NaN before the first one."""
    scores = [mean if whole and mean is not None else np.nan for mean, whole in zip(means, is_whole)]
    return [float(best) for best in np.fmax.accumulate(scores)] if scores else []
