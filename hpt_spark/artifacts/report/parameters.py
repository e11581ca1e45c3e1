"""The cells of ``cv_results.csv`` as candidates, and which of their hyperparameters vary."""

from __future__ import annotations

import ast
import math
import re
from collections.abc import Mapping, Sequence
from typing import Any

from hpt_spark.artifacts.report.tree import Candidate, Parameter, Value
from hpt_spark.search.arguments import is_number
from hpt_spark.search.results.result_table import ITERATION, RESOURCES

PREFIX = "param_"
FOLD = re.compile(r"split(\d+)_test_score")
# What boosters and iterative estimators call the number of their rounds.
ROUNDS = re.compile(r"(^|__)(n_estimators|num_boost_round|num_round|iterations|n_iter|max_iter|num_iterations)$")
SPREAD_OF_LOG = 30.0


def candidates_of(rows: Sequence[Mapping[str, str]]) -> tuple[Candidate, ...]:
    """Return the rows of the table as values."""
    names = [name for name in rows[0] if name.startswith(PREFIX)]
    folds = sorted((name for name in rows[0] if FOLD.fullmatch(name)), key=_fold_number)
    numeric = {name for name in names if _all_numbers(row[name] for row in rows)}
    return tuple(
        Candidate(
            row=number,
            rank=int(row["rank_test_score"]),
            mean=finite(row["mean_test_score"]),
            std=finite(row["std_test_score"]),
            folds=tuple(finite(row[name]) for name in folds),
            fit_seconds=finite(row["mean_fit_time"]) or 0.0,
            score_seconds=finite(row.get("mean_score_time", "")) or 0.0,
            rung=int(row[ITERATION]) if RESOURCES in row else None,
            resources=int(row[RESOURCES]) if RESOURCES in row else None,
            params=_params_of(row, names, numeric),
        )
        for number, row in enumerate(rows)
    )


def varying(candidates: Sequence[Candidate]) -> tuple[tuple[Parameter, ...], dict[str, Value]]:
    """Return the hyperparameters that vary, and the constant ones.

    A hyperparameter that some candidates lack varies too.
    """
    names = list(dict.fromkeys(name for candidate in candidates for name in candidate.params))
    parameters, constants = [], {}
    for name in names:
        values = [candidate.params[name] for candidate in candidates if name in candidate.params]
        levels = sorted(set(values), key=level_order)
        if len(levels) == 1 and len(values) == len(candidates):
            constants[name] = levels[0]
        else:
            parameters.append(_parameter(name, levels))
    return tuple(parameters), constants


def level_order(value: Value) -> tuple[int, float, str]:
    """Return the sort key of a value: ``None`` first, then numbers by size, then texts."""
    if value is None:
        return (0, 0.0, "")
    if is_number(value):
        return (1, float(value), "")
    return (2, 0.0, str(value))


def finite(cell: str | float) -> float | None:
    """Return the number in a cell, or None where there is no finite one."""
    try:
        number = float(cell)
    except ValueError:
        return None
    return number if math.isfinite(number) else None


def _parameter(name: str, levels: list[Value]) -> Parameter:
    numbers = [float(level) for level in levels if is_number(level)]
    are_numbers = len(numbers) == len(levels)
    is_log = are_numbers and numbers[0] > 0 and numbers[-1] / numbers[0] >= SPREAD_OF_LOG
    return Parameter(name, are_numbers, tuple(levels), is_log, are_numbers and bool(ROUNDS.search(name)))


def _params_of(row: Mapping[str, str], names: Sequence[str], numeric: set[str]) -> dict[str, Value]:
    own = _literal(row["params"])
    params: dict[str, Value] = {}
    for name in names:
        bare = name.removeprefix(PREFIX)
        if own is not None and bare not in own:
            continue  # of another grid; an empty cell alone might be a None, too
        if own is None and row[name] == "":
            continue
        if name in numeric and row[name] != "":
            params[bare] = _number(row[name])
        else:
            params[bare] = None if own is not None and own[bare] is None else row[name]
    return params


def _literal(text: str) -> dict[str, Any] | None:
    try:
        value = ast.literal_eval(text)
    except (ValueError, SyntaxError, MemoryError, RecursionError):
        return None  # it holds a nan or the repr of an object
    return value if isinstance(value, dict) and value else None


def _number(cell: str) -> float | int:
    try:
        return int(cell)
    except ValueError:
        return float(cell)


def _all_numbers(cells: Any) -> bool:
    filled = [cell for cell in cells if cell != ""]
    return bool(filled) and all(finite(cell) is not None for cell in filled)


def _fold_number(name: str) -> int:
    found = FOLD.fullmatch(name)
    return int(found[1]) if found else 0
