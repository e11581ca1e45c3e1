"""The cells of ``cv_results.csv`` as candidates, and which of their hyperparameters vary."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from typing import Any

from hpt_spark.artifacts.candidates import fold_columns, literal_params, param_cells
from hpt_spark.artifacts.report.tree import Candidate, Parameter, Value
from hpt_spark.search.arguments import is_number
from hpt_spark.search.results.result_table import ITERATION, RESOURCES

# What boosters and iterative estimators call the number of their rounds.
ROUNDS = re.compile(r"(^|__)(n_estimators|num_boost_round|num_round|iterations|n_iter|max_iter|num_iterations)$")
SPREAD_OF_LOG = 30.0


def candidates_of(rows: Sequence[Mapping[str, str]]) -> tuple[Candidate, ...]:
    """Return the rows of the table as values."""
    cells = [param_cells(row) for row in rows]
    folds = fold_columns(rows[0])
    numeric = {name for name in cells[0] if _all_numbers(own[name] for own in cells)}
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
            params=_params_of(literal_params(row) or None, cells[number], numeric),
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


def _params_of(own: Mapping[str, Any] | None, cells: Mapping[str, str], numeric: set[str]) -> dict[str, Value]:
    params: dict[str, Value] = {}
    for name, cell in cells.items():
        if (name not in own) if own is not None else cell == "":
            continue  # of another grid; an empty cell alone might be a None, too
        if name in numeric and cell != "":
            params[name] = _number(cell)
        else:
            params[name] = None if own is not None and own[name] is None else cell
    return params


def _number(cell: str) -> float | int:
    try:
        return int(cell)
    except ValueError:
        return float(cell)


def _all_numbers(cells: Any) -> bool:
    filled = [cell for cell in cells if cell != ""]
    return bool(filled) and all(finite(cell) is not None for cell in filled)
