"""The report of a run: one HTML page that opens without a network."""

from __future__ import annotations

import csv
import html
import json
from collections.abc import Sequence
from string import Template
from typing import Any

import plotly.graph_objects as go

from hpt_spark.artifacts.run_directory import RunDirectory
from hpt_spark.errors import InputError

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
    return run.folder.location("report.html")


def write_page(run: RunDirectory, manifest: dict[str, Any]) -> None:
    """Write ``report.html`` from the results in `run` and the manifest that they have, or are about to get."""
    candidates = read_candidates(run)
    with run.folder.writing("report.html") as path:
        path.write_text(render(manifest, candidates), encoding="utf-8")


def read_candidates(run: RunDirectory) -> list[dict[str, str]]:
    """Return the rows of ``cv_results.csv``."""
    if not run.folder.exists("cv_results.csv"):
        raise InputError(f"run.dir={run.uri} has no cv_results.csv; run `hpt-spark tune --overwrite` to make it anew.")
    with run.folder.reading("cv_results.csv") as path, path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def render(manifest: dict[str, Any], candidates: Sequence[dict[str, str]]) -> str:
    """Return the page of a run."""
    search = manifest["plan"]["search"]
    folds = search["cv"]
    return PAGE.substitute(
        title=html.escape(f"{search['estimator']}, {search['scoring']}"),
        summary=html.escape(
            f"{len(candidates)} candidates on {folds} folds each, {manifest['design']['train_devices']:,} training "
            f"devices with {manifest['design']['columns']:,} columns; finished in {manifest['seconds']:,.0f} seconds."
        ),
        best=_table(
            ["parameter", "value"],
            [[name, _shown(value)] for name, value in manifest["best"]["params"].items()]
            + [[f"mean {search['scoring']}", f"{manifest['best']['score']:.5f}"]],
        ),
        chart=score_chart(candidates, search["scoring"]),
        candidates=_candidate_table(candidates),
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
    ranked = sorted(candidates, key=lambda row: int(row["rank_test_score"]))
    figure = go.Figure(
        go.Scatter(
            x=[float(row["mean_test_score"] or "nan") for row in ranked],
            y=[f"{row['rank_test_score']}. {row['params']}" for row in ranked],
            error_x={"type": "data", "array": [float(row["std_test_score"] or "nan") for row in ranked]},
            mode="markers",
            marker={"size": 9},
        )
    )
    figure.update_layout(
        xaxis_title=f"mean {scoring} and its standard deviation over the folds",
        yaxis={"autorange": "reversed", "showticklabels": False, "title": "candidates by rank"},
        height=min(900, 220 + 22 * len(ranked)),
        margin={"l": 40, "r": 20, "t": 10, "b": 50},
        template="plotly_white",
    )
    figure.update_traces(hovertemplate="%{y}<br>%{x:.5f}<extra></extra>")
    # Inline, because the page must open where there is no network; a fixed id keeps the page the same each time.
    return figure.to_html(full_html=False, include_plotlyjs=True, div_id="scores", config={"displayModeBar": False})


def _candidate_table(candidates: Sequence[dict[str, str]]) -> str:
    names = [name for name in candidates[0] if name.startswith("param_")]
    rows = sorted(candidates, key=lambda row: int(row["rank_test_score"]))
    cells = [
        [row["rank_test_score"], _five(row["mean_test_score"]), _five(row["std_test_score"])]
        + [_five(row["mean_fit_time"])]
        + [row[name] for name in names]
        for row in rows
    ]
    heads = ["rank", "mean score", "std", "fit seconds", *(name.removeprefix("param_") for name in names)]
    return _table(heads, cells, first_is_best=True)


def _table(heads: Sequence[str], rows: Sequence[Sequence[str]], first_is_best: bool = False) -> str:
    lines = ["<tr>" + "".join(f"<th>{html.escape(head)}</th>" for head in heads) + "</tr>"]
    for number, row in enumerate(rows):
        style = ' class="best"' if first_is_best and number == 0 else ""
        lines.append(f"<tr{style}>" + "".join(f"<td>{html.escape(str(cell))}</td>" for cell in row) + "</tr>")
    return "<table>" + "".join(lines) + "</table>"


def _shown(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)


def _five(number: str) -> str:
    return f"{float(number):.5f}" if number else ""
