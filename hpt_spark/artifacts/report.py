"""The report of a run: one HTML page that opens without a network."""

from __future__ import annotations

import html
import json
from collections.abc import Sequence
from string import Template
from typing import Any

import plotly.graph_objects as go

from hpt_spark.artifacts.candidates import RESOURCES, RUNG, count, counted, ranked, read_candidates
from hpt_spark.artifacts.run_directory import REPORT, RunDirectory

# How a search that has not all its results says so.
PARTIAL = (
    "This search ended early, by max_time or because it was interrupted: some fits are missing and count as failed; "
    "the same `hpt-spark tune` goes on from the journal."
)

PAGE = Template(
    """<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<title>hpt_spark: $title</title>
<style>
body { font: 15px/1.5 system-ui, sans-serif; margin: 2rem auto; max-width: 1000px; padding: 0 1rem; color: #1b1f24; }
h1 { font-size: 1.5rem; } h2 { font-size: 1.15rem; margin-top: 2rem; }
table { border-collapse: collapse; width: 100%; font-variant-numeric: tabular-nums; }
th, td { text-align: left; padding: .3rem .7rem; border-bottom: 1px solid #d8dee4; }
td.number, th.number { text-align: right; }
tr.best { background: #e9f5ec; font-weight: 600; }
.scroll { overflow-x: auto; }
code { background: #f3f4f6; padding: .1rem .3rem; border-radius: 3px; }
</style>
</head>
<body>
<h1>$title</h1>
<p>$summary</p>
$partial
<h2>The best candidate</h2>
$best
<h2>Scores of all candidates</h2>
$chart
<h2>All candidates</h2>
<div class="scroll">$candidates</div>
<h2>The data</h2>
$data
</body>
</html>
"""
)


def write_report(run: RunDirectory) -> str:
    """Write ``report.html`` from the files of a finished run and return where it is."""
    write_page(run, run.finished_manifest())
    return run.folder.location(REPORT)


def write_page(run: RunDirectory, manifest: dict[str, Any]) -> None:
    """Write ``report.html`` from the results in `run` and the manifest that they have, or are about to get."""
    candidates = read_candidates(run)
    with run.folder.atomic_write(REPORT) as path:
        path.write_text(render(manifest, candidates), encoding="utf-8")


def render(manifest: dict[str, Any], candidates: Sequence[dict[str, str]]) -> str:
    """Return the page of a run."""
    search = manifest["plan"]["search"]
    best = manifest["best"]
    rungs = [row[RUNG] for row in candidates if RUNG in row]
    return PAGE.substitute(
        title=html.escape(f"{search['estimator']}, {search['scoring']}"),
        summary=html.escape(
            f"{counted(*count(len(candidates), rungs))} on {search['cv']} folds each, "
            f"{manifest['design']['train_devices']:,} training devices with {manifest['design']['columns']:,} columns; "
            f"finished in {manifest['seconds']:,.0f} seconds."
        ),
        partial=f"<p><strong>{html.escape(PARTIAL)}</strong></p>" if manifest.get("partial") else "",
        best=_table(
            ["parameter", "value"],
            [[name, _shown(value)] for name, value in best["params"].items()]
            + [[f"mean {search['scoring']}", _five(best["score"])]],
        ),
        chart=score_chart(candidates, search["scoring"]),
        candidates=_candidate_table(candidates, best["candidate"]),
        data=_table(
            ["block", "columns", "rare terms dropped", "test-only terms dropped"],
            [
                [name, *map(str, (facts["columns"], facts["rare_terms_dropped"], facts["test_only_terms_dropped"]))]
                for name, facts in manifest["design"]["blocks"].items()
            ],
        ),
    )


def score_chart(candidates: Sequence[dict[str, str]], scoring: str) -> str:
    """Return the chart of mean scores, one bar of one standard deviation each way, as HTML."""
    rows = ranked(candidates)
    figure = go.Figure(
        go.Scatter(
            x=[float(row["mean_test_score"] or "nan") for row in rows],
            y=[_name_of(row) for row in rows],
            error_x={"type": "data", "array": [float(row["std_test_score"] or "nan") for row in rows]},
            mode="markers",
            marker={"size": 9},
        )
    )
    order = "rung and rank" if RUNG in rows[0] else "rank"
    figure.update_layout(
        xaxis_title=f"mean {scoring} and its standard deviation over the folds",
        yaxis={"autorange": "reversed", "showticklabels": False, "title": f"candidates by {order}"},
        height=min(900, 220 + 22 * len(rows)),
        margin={"l": 40, "r": 20, "t": 10, "b": 50},
        template="plotly_white",
    )
    figure.update_traces(hovertemplate="%{y}<br>%{x:.5f}<extra></extra>")
    # Inline, because the page must open where there is no network; a fixed id keeps the page the same each time.
    return figure.to_html(full_html=False, include_plotlyjs=True, div_id="scores", config={"displayModeBar": False})


def _name_of(row: dict[str, str]) -> str:
    rung = f"rung {row[RUNG]}: " if RUNG in row else ""  # a candidate may have the same rank in two rungs
    return f"{row['rank_test_score']}. {rung}{row['params']}"


def _candidate_table(candidates: Sequence[dict[str, str]], best: int) -> str:
    """Return the table, in which the candidate in row `best` of ``cv_results.csv`` is marked."""
    names = [name for name in candidates[0] if name.startswith("param_")]
    of_rung = [name for name in (RUNG, RESOURCES) if name in candidates[0]]
    rows = ranked(candidates)
    cells = [
        [row["rank_test_score"], _five(row["mean_test_score"]), _five(row["std_test_score"])]
        + [_five(row["mean_fit_time"])]
        + [row[name] for name in [*of_rung, *names]]
        for row in rows
    ]
    heads = ["rank", "mean score", "std", "fit seconds", *({RUNG: "rung"}.get(name, name) for name in of_rung)]
    marked = [place for place, row in enumerate(rows) if row in candidates[best : best + 1]]
    return _table([*heads, *(name.removeprefix("param_") for name in names)], cells, marked)


def _table(heads: Sequence[str], rows: Sequence[Sequence[str]], marked: Sequence[int] = ()) -> str:
    lines = ["<tr>" + "".join(f"<th>{html.escape(head)}</th>" for head in heads) + "</tr>"]
    for number, row in enumerate(rows):
        style = ' class="best"' if number in marked else ""
        lines.append(f"<tr{style}>" + "".join(f"<td>{html.escape(str(cell))}</td>" for cell in row) + "</tr>")
    return "<table>" + "".join(lines) + "</table>"


def _shown(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)


def _five(number: str | float) -> str:
    return "" if number == "" else f"{float(number):.5f}"
