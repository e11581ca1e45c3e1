"""How sure the choice of the best candidate is."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence

from hpt_spark.artifacts.report.parameters import ROUNDS
from hpt_spark.artifacts.report.tree import Best, Candidate, Parameter
from hpt_spark.search.arguments import is_number

# The number of leaves of a tree is 2 to the power of the one, and the other itself.
DEPTH = re.compile(r"(^|__)(max_depth|depth)$")
LEAVES = re.compile(r"(^|__)(num_leaves|max_leaves|max_leaf_nodes)$")
COUNTED = re.compile("|".join(one.pattern for one in (ROUNDS, DEPTH, LEAVES)))


def best_of(candidates: Sequence[Candidate], row: int, parameters: Sequence[Parameter]) -> Best:
    """Return the chosen candidate, in `row` of the table, and how sure the choice is.

    The rule of one standard error (Breiman et al., Classification and Regression Trees, 1984, section 3.4.3): every
    candidate whose mean is at most that much below the best one's may as well be the best, and the simplest of them
    is a good choice.
    """
    best = candidates[row]
    # Only candidates of its own rung had equal resources, and only survivors of a race had all folds.
    others = [one for one in candidates if one.rung == best.rung and one.mean is not None and not one.is_dropped]
    error = standard_error(best)
    within = [
        one
        for one in others
        if best.mean is not None and one.mean is not None and one.mean >= best.mean - (error or 0.0)
    ]
    runner_up = min((one for one in others if one.row != row), key=lambda one: one.rank, default=None)
    simplest, by = _simplest(within, parameters)
    return Best(
        candidate=best,
        standard_error=error,
        within=tuple(one.row for one in within),
        simplest=simplest,
        simplest_by=by,
        runner_up=runner_up,
        folds_won=_folds_won(best, runner_up) if runner_up else 0,
    )


def standard_error(candidate: Candidate) -> float | None:
    """Return the standard error of a mean over the folds; scikit-learn's ``std`` divides by their number."""
    folds = len(candidate.fold_scores)
    return candidate.std / math.sqrt(folds - 1) if candidate.std is not None and folds > 1 else None


def _folds_won(best: Candidate, other: Candidate) -> int:
    pairs = zip(best.folds, other.folds)
    return sum(one is not None and two is not None and one > two for one, two in pairs)


def _simplest(within: Sequence[Candidate], parameters: Sequence[Parameter]) -> tuple[Candidate | None, str]:
    """Return the simplest candidate, and what makes it so: the number of leaves, else the time of its fit."""
    if not within:
        return None, ""
    counted = [one.name for one in parameters if one.is_number and COUNTED.search(one.name)]
    values = [one.params.get(name) for one in within for name in counted]
    if counted and all(is_number(value) and value > 0 for value in values):
        return (
            min(within, key=lambda one: (_log_leaves(one, counted), one.fit_seconds)),
            f"the smallest ensemble, by {' and '.join(counted)}",
        )
    return min(within, key=lambda one: one.fit_seconds), "the shortest fit"


def _log_leaves(candidate: Candidate, names: Sequence[str]) -> float:
    """Return the logarithm of the number of leaves that `names` allow."""
    total = 0.0
    for name in names:
        value = float(candidate.params[name] or 0)
        total += value * math.log(2) if DEPTH.search(name) else math.log(value)
    return total
