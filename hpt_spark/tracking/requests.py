"""Requests to MLflow within its limits, and the metrics of a sweep as it takes them."""

from __future__ import annotations

import math
import posixpath
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence

import numpy as np
from mlflow.entities import Metric, Param, RunTag
from mlflow.tracking import MlflowClient

from hpt_spark.search.results.result_table import DONE
from hpt_spark.tracking.sweep import Row, Sweep

# What one request may hold: MLflow allows 1,000 entries, 100 parameters, and 1 MB in all.
ENTRIES, PARAMS, LETTERS_OF_PARAMS = 1000, 100, 800_000
LONGEST_NAME, LONGEST_VALUE = 250, 6000


def log_all(
    client: MlflowClient,
    run_id: str,
    metrics: Iterable[Metric] = (),
    params: Mapping[str, str] | None = None,
    tags: Mapping[str, str] | None = None,
) -> None:
    """Log all of it; the tags come last, because some of them say that the rest is there."""
    tag_list = [RunTag(name, short_value(text)) for name, text in (tags or {}).items()]
    pieces, rest = list(_pieces(params or {})), list(metrics)
    is_last = False
    while not is_last:
        piece = pieces.pop(0) if pieces else []
        room = ENTRIES - len(tag_list) - len(piece)
        batch, rest = rest[:room], rest[room:]
        is_last = not pieces and not rest
        client.log_batch(run_id, batch, piece, tag_list if is_last else [])


def short_value(text: str) -> str:
    """Return the value of a parameter or a tag as MLflow takes it."""
    return text if len(text) <= LONGEST_VALUE else f"{text[: LONGEST_VALUE - 3]}..."


def _pieces(params: Mapping[str, str]) -> Iterator[list[Param]]:
    piece: list[Param] = []
    letters = 0
    for name, text in params.items():
        if piece and (len(piece) == PARAMS or letters + len(text) > LETTERS_OF_PARAMS):
            yield piece
            piece, letters = [], 0
        piece.append(Param(name, text))
        letters += len(text)
    if piece:
        yield piece


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
