"""The scenario's whole sweep on one machine: as its grid, and as rounds + Optuna in the same time.

usage: python bench/sweep.py [--scale 1.0] [--cores 2] [--budget SECONDS] [--out docs/benchmarks.md]

At full size the grid takes more than an hour on two cores, and Optuna's search as long again. With --budget the grid is
not run, and Optuna's search has so many seconds.
"""

from __future__ import annotations

import argparse
import csv
import json
import shutil
import sys
import tempfile
from pathlib import Path
from typing import Any

from generated import HPT_SPARK, generated_design
from memory import measure
from page import page_parser, publish, setting_of_the_run, table
from search import ALL_SETS

SWEEP = Path(__file__).parents[1] / "conf" / "distributed_sweep.yaml"
SPACE = {
    "max_depth": [3, 4, 5, 6],
    "objective": ["multi:softprob"],
    "reg_alpha": [1],
    "reg_lambda": [1],
    "colsample_bytree": [1],
    "learning_rate": {"loguniform": [0.1, 0.4]},
    "colsample_bylevel": {"loguniform": [0.01, 0.3]},
    "subsample": {"uniform": [0.5, 1.0]},
}
WITH_OPTUNA = {
    "strategy": "optuna",
    "param_grid": [SPACE],
    "n_iter": 1000,
    "n_startup_trials": 4,  # on two cores there is time for some ten settings
    "rounds": {"max": 240, "step": 20, "early_stopping_rounds": 60},
}
HEAD = ("search", ">seconds", ">CPU seconds", ">peak memory, MB", ">settings", ">candidates", ">best mean score")


def main() -> None:
    """Measure and print."""
    options = parse_arguments()
    design = generated_design(options.scale, ALL_SETS, options.cache)
    rows, budget = [], options.budget
    with tempfile.TemporaryDirectory(prefix="hpt-bench-", dir=options.cache) as temporary:
        if budget is None:
            row, budget = tuned("the grid, 16 candidates", {}, design, Path(temporary, "grid"), options.cores)
            rows.append(row)
        settings = {**WITH_OPTUNA, "max_time": budget}
        row, _ = tuned("rounds + Optuna", settings, design, Path(temporary, "optuna"), options.cores)
        rows.append(row)
    lines = [
        "## The whole sweep of the scenario",
        "",
        f"`tune` of conf/distributed_sweep.yaml on generated data at scale {options.scale:g}, {options.cores} cores,",
        "with the start of Python and Java and the refit; then Optuna's search of a wider space, whose numbers of",
        f"rounds up to {WITH_OPTUNA['rounds']['max']} are chosen by the mean curve, ended after {budget:,.0f} s. A",
        "setting is a candidate but for its rounds.",
        f"{setting_of_the_run(('pyspark', 'xgboost', 'scikit-learn', 'optuna'))}. One run each.",
        "",
        *table(HEAD, rows),
    ]
    publish("sweep", "\n".join(lines), options.out)


def parse_arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = page_parser(__doc__)
    parser.add_argument("--scale", type=float, default=1.0)
    parser.add_argument("--cores", type=int, default=2)
    parser.add_argument("--budget", type=float, help="seconds of Optuna's search; by default those of the grid")
    parser.add_argument("--cache", type=Path, default=Path("data/bench"), help="keeps the generated data")
    options = parser.parse_args()
    if options.out and options.budget is not None:
        parser.error("--out needs the grid's row, too: leave --budget out, or add the row by hand.")
    return options


def tuned(name: str, search: dict[str, Any], design: Path, run: Path, cores: int) -> tuple[list[str], float]:
    """Run `tune`; return its row of the table, and its seconds."""
    shutil.copytree(design, run / "design")
    settings = {"run": {"dir": str(run.resolve())}, "spark": {"master": f"local[{cores}]"}, "search": search}
    own = run / "own.yaml"
    own.write_text(json.dumps({**settings, "tracking": {"mlflow": {"uri": "none"}}}), encoding="utf-8")  # YAML, too
    usage = measure([HPT_SPARK, "tune", "--conf", SWEEP, "--conf", own], run / "tune.log")
    print(f"{name}: {usage}", file=sys.stderr)
    manifest = json.loads((run / "manifest.json").read_text(encoding="utf-8"))
    with (run / "cv_results.csv").open(encoding="utf-8", newline="") as file:
        candidates = [
            {name: value for name, value in row.items() if name.startswith("param_")} for row in csv.DictReader(file)
        ]
    settings_tried = {tuple(row.items()) for row in candidates if row.pop("param_n_estimators")}
    return [
        name,
        f"{usage.seconds:,.0f}",
        f"{usage.cpu_seconds:,.0f}",
        f"{usage.peak_bytes / 1e6:,.0f}",
        f"{len(settings_tried):,}",
        f"{len(candidates):,}",
        f"{manifest['best']['score']:.5f}",
    ], usage.seconds


if __name__ == "__main__":
    sys.exit(main())
