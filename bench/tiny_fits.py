"""Thousands of fits of a millisecond: the search beside scikit-learn's own, its journal, the driver's memory.

usage: python bench/tiny_fits.py [--candidates 2000] [--many 33334] [--repeat 3] [--out docs/benchmarks.md]

Each turn is a process of its own on `local[2]`. The many candidates are searched once, with a journal.
"""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import tempfile
import time
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import psutil
from page import page_parser, publish, setting_of_the_run, table
from sklearn.datasets import load_iris
from sklearn.model_selection import GridSearchCV
from sklearn.naive_bayes import GaussianNB

from hpt_spark import GridSearchCV as OurGridSearchCV
from hpt_spark.config.sections import SparkSection
from hpt_spark.spark.session import spark_session

FOLDS = 3
WAYS = ("scikit-learn, one process", "hpt_spark", "hpt_spark, with a journal")


def main() -> None:
    """Measure and print."""
    parser = page_parser(__doc__)
    parser.add_argument("--candidates", type=int, default=2000)
    parser.add_argument("--many", type=int, default=33_334, help="0 to leave them out")
    parser.add_argument("--repeat", type=int, default=3)
    parser.add_argument("--turn", choices=WAYS, help="one turn, as JSON")
    options = parser.parse_args()
    if options.turn:
        print(json.dumps(one_turn(options.turn, options.candidates)))
        return
    turns: dict[str, list[dict[str, Any]]] = {way: [] for way in WAYS}
    for _ in range(options.repeat):
        for way in WAYS:
            turns[way].append(in_a_process(way, options.candidates))
            if turns[way][-1]["scores"] != turns[WAYS[0]][0]["scores"]:
                raise SystemExit(f"{way}: the scores are not scikit-learn's")
    rows = [row_of(way, options.candidates, turns[way]) for way in WAYS]
    if options.many:
        rows.append(row_of(WAYS[-1], options.many, [in_a_process(WAYS[-1], options.many)]))
    lines = [
        "## Thousands of tiny fits",
        "",
        f"Gaussian naive Bayes on 150 rows, {FOLDS} folds, on `local[2]`; medians of {options.repeat}, of the many",
        "candidates one turn. Scores are equal to the last bit. Memory is the most that a process has had.",
        f"{setting_of_the_run(('pyspark', 'scikit-learn'))}.",
        "",
        *table(("search", ">fits", ">s", ">ms per fit", ">Python, MiB", ">Java, MiB"), rows),
    ]
    publish("tiny-fits", "\n".join(lines), options.out)


def in_a_process(way: str, candidates: int) -> dict[str, Any]:
    """Return what a turn has measured."""
    command = [sys.executable, __file__, "--turn", way, "--candidates", str(candidates)]
    measured = json.loads(subprocess.run(command, stdout=subprocess.PIPE, check=True, text=True).stdout)
    print(f"{way}, {candidates} candidates: {measured['seconds']:.1f} s", file=sys.stderr)
    return dict(measured)


def row_of(way: str, candidates: int, turns: list[dict[str, Any]]) -> list[str]:
    """Return the row of some turns."""
    seconds = statistics.median(turn["seconds"] for turn in turns)
    memory = [max(turn[name] for turn in turns) for name in ("python_mib", "java_mib")]
    fits = candidates * FOLDS
    return [way, f"{fits:,}", f"{seconds:.1f}", f"{seconds / fits * 1000:.2f}", *(f"{mib:.0f}" for mib in memory)]


def one_turn(way: str, candidates: int) -> dict[str, Any]:
    """Return the seconds of a search, the sum of its scores and the memory of this process and its Java."""
    warnings.filterwarnings("ignore")
    X, y = load_iris(return_X_y=True)
    grid = {"var_smoothing": np.logspace(-12, 0, candidates).tolist()}
    if way == WAYS[0]:
        search: Any = GridSearchCV(GaussianNB(), grid, cv=FOLDS, refit=False)
        return {**timed(search, X, y), "java_mib": 0}
    with spark_session("bench", SparkSection(master="local[2]")), tempfile.TemporaryDirectory() as folder:
        journal = folder if way == WAYS[2] else None
        search = OurGridSearchCV(GaussianNB(), grid, cv=FOLDS, refit=False, journal=journal)
        measured = timed(search, X, y)
        java = [child for child in psutil.Process().children() if child.name() == "java"]
        return {**measured, "java_mib": max(peak_mib(child.pid) for child in java)}


def timed(search: Any, X: np.ndarray, y: np.ndarray) -> dict[str, Any]:
    """Return the seconds of `fit`, its scores and the most memory that this process has had until its end."""
    began = time.perf_counter()
    search.fit(X, y)
    seconds = time.perf_counter() - began
    scores = float(np.sum(search.cv_results_["mean_test_score"]))
    return {"seconds": seconds, "scores": scores, "python_mib": peak_mib("self")}


def peak_mib(process: int | str) -> float:
    """Return the most memory that a process has had (Linux)."""
    (line,) = (line for line in Path(f"/proc/{process}/status").read_text().splitlines() if line.startswith("VmHWM:"))
    return int(line.split()[1]) / 1024


if __name__ == "__main__":
    sys.exit(main())
