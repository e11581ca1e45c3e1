"""The metrics of a sweep, as MLflow takes them."""

from __future__ import annotations

import math
import posixpath
import re
from collections.abc import Iterator, Sequence

import numpy as np
from mlflow.entities import Metric

from hpt_spark.search.results.result_table import DONE
from hpt_spark.tracking.sweep import Row, Sweep

LONGEST_NAME = 250


def metrics_of_row(row: Row, sweep: Sweep) -> Iterator[Metric]:
    """Yield the metrics of a row; a curve has one per fold whose steps are the rounds, else the steps are the folds."""
    rung = f"rung_{row.step + 1}_" if sweep.halves else ""
    for fold, scores in sorted(row.scores.items()):
        for name, score in scores.items():
            if sweep.curve:
                yield Metric(known_name(f"split{fold}_test_{name}"), score, row.ended, row.step)
            else:
                yield Metric(known_name(f"{rung}split_test_{name}"), score, row.ended, fold)
    for name, value in {**row.summary(), **row.columns}.items():
        yield Metric(known_name(name), value, row.ended, row.step)


def peaks_of(rows: Sequence[Row]) -> Iterator[Metric]:
    """Yield the best mean scores of a curve, at their numbers of rounds: its last point need not be the best.

    A race ranks a point with fewer folds behind all that have more, whatever its mean.
    """
    most = max(row.columns.get(DONE, 0) for row in rows)
    rows = [row for row in rows if row.columns.get(DONE, 0) == most]
    for name in [name for name in rows[0].columns if name.startswith("mean_test_")]:
        scores = [(row.columns.get(name, math.nan), row) for row in rows]
        score, peak = max(scores, key=lambda pair: -math.inf if math.isnan(pair[0]) else pair[0])
        yield Metric(known_name(f"best_{name}"), score, peak.ended, peak.step)


def metrics_of_outer_folds(scores: Sequence[float], time: int) -> Iterator[Metric]:
    """Yield the scores of a nested cross-validation, with their mean and standard deviation."""
    yield Metric("outer_cv_score", float(np.mean(scores)), time, 0)
    yield Metric("outer_cv_std", float(np.std(scores)), time, 0)
    for fold, score in enumerate(scores):
        yield Metric("outer_split_test_score", score, time, fold)


def known_name(name: str) -> str:
    """Return `name` as MLflow takes it."""
    known = re.sub(r"[^\w\-. /]", "_", name)[:LONGEST_NAME]
    # MLflow's stores of files make a path of a name, so that it refuses one that is not in its shortest form.
    is_path = posixpath.normpath(known) == known and not re.match(r"\.\.|\.$|/", known)
    return known if is_path else re.sub(r"^\.+|/", "_", known) or "_"
