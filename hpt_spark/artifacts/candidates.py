"""The candidates of a finished search, read from ``cv_results.csv``."""

from __future__ import annotations

import ast
import csv
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from hpt_spark.artifacts.run_directory import TABLE, RunDirectory
from hpt_spark.errors import InputError
from hpt_spark.search.results.result_table import ITERATION, RESOURCES
from hpt_spark.storage.csv_rows import read_rows

FOLD = re.compile(r"split(\d+)_test_score")  # of the deciding scoring
_PARAM = "param_"
_MEAN, _FIRST_FOLD = "mean_test_", "split0_test_"


def deciding_metric(searched: Mapping[str, Any]) -> str:
    """Return the scoring by which a search ranked its candidates, from the settings that its plan has."""
    scoring, refit = searched["scoring"], searched["refit"]
    if isinstance(scoring, str):
        return scoring
    return str(refit if refit in scoring else scoring[0])


def read_candidates(run: RunDirectory) -> list[dict[str, str]]:
    """Return the rows of ``cv_results.csv``.

    With several scorings the columns of the deciding one, the first in the table, are repeated as ``score``.

    Raises
    ------
    InputError
        When it is missing or is no table of a search.
    """
    if not run.folder.exists(TABLE):
        raise InputError(f"run.dir={run.uri} has no {TABLE}; run `hpt-spark tune --overwrite` to make it anew.")
    try:
        with run.folder.reading(TABLE) as path, path.open(encoding="utf-8", newline="") as file:
            rows = [_with_the_score(row) for row in read_rows(file)]
        _check(rows)
    except (ValueError, csv.Error) as error:
        raise InputError(
            f"{run.folder.location(TABLE)} cannot be read as the table of a search ({error}); "
            "run `hpt-spark tune --overwrite` to make it anew."
        ) from None
    return rows


def fold_columns(row: Mapping[str, str]) -> list[str]:
    """Return the names of the columns with the scores of the folds, fold by fold."""
    return sorted(filter(FOLD.fullmatch, row), key=lambda name: int(FOLD.sub(r"\1", name)))


def literal_params(row: Mapping[str, str]) -> dict[str, Any] | None:
    """Return a candidate's parameters from the cell ``params``; None where it holds a nan or the repr of an object."""
    try:
        found = ast.literal_eval(row["params"])
    except (ValueError, SyntaxError, MemoryError, RecursionError):
        return None
    return found if isinstance(found, dict) else None


def param_cells(row: Mapping[str, str]) -> dict[str, str]:
    """Return the cells of the parameters by their names; a cell may be empty for a None or an absent one."""
    return {name.removeprefix(_PARAM): cell for name, cell in row.items() if name.startswith(_PARAM)}


def by_column(rows: Sequence[Mapping[str, str]]) -> dict[str, list[str]]:
    """Return the cells of each column, like ``cv_results_``."""
    return {name: [row[name] for row in rows] for name in rows[0]}


def scorers_of(row: Mapping[str, str]) -> list[str]:
    """Return the names of the scorings in a row's columns; a single scoring is called ``score``."""
    names = [name.removeprefix(_FIRST_FOLD) for name in row if name.startswith(_FIRST_FOLD)]
    return [name for name in names if name != "score"] or ["score"]


def count(rows: int, rungs: Sequence[Any]) -> tuple[int, int]:
    """Return how many candidates a search had, and in how many rungs: 0 where it did not halve.

    Parameters
    ----------
    rows : int
        Of the table.
    rungs : sequence
        The rung of each row, the first one first; empty where the search did not halve.
    """
    # Every candidate has a row in the first rung; survivors have further rows.
    return (list(rungs).count(rungs[0]), len(set(rungs))) if len(rungs) else (rows, 0)


def counted(candidates: int, rungs: int) -> str:
    """Return the two numbers of `count` in words."""
    return f"{candidates} candidates" + (f" in {rungs} rungs" if rungs else "")


def _with_the_score(row: dict[str, str]) -> dict[str, str]:
    if "mean_test_score" in row:
        return row
    name = next((name for name in row if name and name.startswith(_MEAN)), None)
    if name is None:
        return row
    metric = name.removeprefix(_MEAN)
    named = {name: name.removesuffix(f"_test_{metric}") for name in row if name and name.endswith(f"_test_{metric}")}
    of_the_metric = {name: what for name, what in named.items() if re.fullmatch(r"mean|std|rank|split\d+", what)}
    return row | {f"{what}_test_score": row[name] for name, what in of_the_metric.items()}


def _check(rows: Sequence[dict[str, str]]) -> None:
    if not rows:
        raise ValueError("it has no row")
    halving = {name: int for name in (ITERATION, RESOURCES) if name in rows[0]}
    scores = dict.fromkeys(("mean_test_score", "std_test_score", "mean_fit_time"), _number)
    needed: dict[str, Callable[[str], Any]] = {"rank_test_score": int, **scores, "params": str, **halving}
    missing = [name for name in needed if name not in rows[0]]
    if missing:
        raise ValueError(f"it has no column {', '.join(missing)}")
    for number, row in enumerate(rows, 1):
        if None in row or None in row.values():
            raise ValueError(f"row {number} has not as many cells as there are columns")
        for name, read in needed.items():
            try:
                read(row[name])
            except ValueError:
                raise ValueError(f"row {number} has {row[name]!r} as {name}") from None


def _number(cell: str) -> float:
    return float(cell or "nan")  # a masked value is empty
