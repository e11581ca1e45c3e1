"""The table of all candidates: its head as HTML, its rows as data that the page's script shows as they are needed."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from hpt_spark.artifacts.report.markup import Html, join, json_block, tag
from hpt_spark.artifacts.report.svg import show
from hpt_spark.artifacts.report.tree import Candidate, Parameter, Report

Column = tuple[str, str, Callable[[Candidate], Any]]  # the name, the kind ("number", "text" or "folds"), the cell


def candidate_table(report: Report) -> Html:
    """Return the table with its filter."""
    columns = _columns(report)
    heads = [
        tag(
            "th",
            tag("button", name, type="button") if kind != "folds" else name,
            scope="col",
            aria_sort=("ascending" if at == 0 else "none") if kind != "folds" else None,
            class_="number" if kind == "number" else None,
        )
        for at, (name, kind, _) in enumerate(columns)
    ]
    constants = [f"{name} = {show(value)}" for name, value in report.constants.items()]
    hidden = (
        tag("p", f"Not in the table, being the same for all candidates: {', '.join(constants)}.", class_="note")
        if constants
        else None
    )
    return join(
        tag("h3", "Table"),
        tag(
            "div",
            tag("label", "Filter ", tag("input", type="search", id="filter", autocomplete="off", spellcheck="false")),
            tag("output", f"{len(report.candidates):,} rows", id="shown", for_="filter"),
            tag("p", "Words, or conditions such as ", tag("code", _example(report)), ".", class_="note"),
            class_="filter",
        ),
        tag(
            "div",
            tag(
                "table",
                tag("caption", "All candidates; a press on a head sorts"),
                tag("thead", tag("tr", *heads)),
                tag("tbody", id="rows"),
            ),
            class_="scroll tall",
            role="region",
            tabindex=0,
            aria_label="Table of all candidates",
        ),
        tag("noscript", tag("p", "The table needs JavaScript; cv_results.csv beside this page has the same rows.")),
        hidden,
        json_block("candidates-data", _data(report, columns)),
    )


def _columns(report: Report) -> list[Column]:
    rungs: list[Column] = [("rung", "number", lambda one: one.rung), ("resources", "number", lambda one: one.resources)]
    return [
        ("rank", "number", lambda one: one.rank),
        *(rungs if report.rungs else []),
        *((one.name, "number" if one.is_number else "text", partial(_value, one)) for one in report.parameters),
        ("mean", "number", lambda one: _rounded(one.mean, 6)),
        ("std", "number", lambda one: _rounded(one.std, 6)),
        ("folds", "folds", lambda one: [_rounded(score, 5) for score in one.folds]),
        ("fit seconds", "number", lambda one: float(f"{one.fit_seconds:.3g}")),
    ]


def _data(report: Report, columns: list[Column]) -> dict[str, Any]:
    scores = [score for one in report.candidates for score in one.all_scores]
    best = report.best
    candidates = sorted(report.candidates, key=lambda one: (-(one.rung or 0), one.rank))
    return {
        "columns": [{"name": name, "kind": kind} for name, kind, _ in columns],
        "rows": [[cell(one) for _, _, cell in columns] for one in candidates],
        "numbers": [one.row for one in candidates],
        "best": best.candidate.row,
        "within": list(best.within),
        "range": [min(scores), max(scores)] if scores else [0, 1],
    }


def _value(parameter: Parameter, one: Candidate) -> Any:
    if parameter.name not in one.params:
        return None
    value = one.params[parameter.name]
    return value if parameter.is_number else show(value)


def _rounded(number: float | None, digits: int) -> float | None:
    return None if number is None else round(number, digits)


def _example(report: Report) -> str:
    numbers = [one for one in report.parameters if one.is_number]
    return f"{numbers[0].name}>={show(numbers[0].levels[-1])}" if numbers else "rank<=10"
