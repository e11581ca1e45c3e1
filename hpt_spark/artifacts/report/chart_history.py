"""The history of a search whose candidates were proposed: each score, and the best up to then."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from itertools import pairwise

from hpt_spark.artifacts.report.chart_effects import one_in
from hpt_spark.artifacts.report.chart_scores import tip
from hpt_spark.artifacts.report.markup import Html, tag
from hpt_spark.artifacts.report.svg import (
    NARROW,
    Axis,
    axis,
    both,
    chart,
    dot,
    figure,
    horizontal_axis,
    points,
    text,
    vertical_axis,
)
from hpt_spark.artifacts.report.tree import Candidate, Report
from hpt_spark.search.results.result_table import best_so_far

SHARE_BELOW = 0.05  # of the scores, at the foot of the chart: outliers would press the others flat


def history_figure(report: Report) -> Html | None:
    """Return the mean scores in the order of the proposals; nothing of a search without any."""
    if not report.batches or all(one.mean is None for one in report.candidates):
        return None
    said = f"Each dot is a candidate, of {report.batches:,} batches in all; the line is the best mean score up to then."
    return figure("History", both(partial(_history, report)), said)


def _history(report: Report, width: float) -> Html:
    candidates = report.candidates
    height, left = (280.0, 66.0) if width > NARROW else (230.0, 58.0)
    means = sorted(one.mean for one in candidates if one.mean is not None)
    x_scale = axis([1, len(candidates)], left, width - 12, 0.02)
    y_scale = axis([means[int(len(means) * SHARE_BELOW)], means[-1]], height - 34, 8)
    every, best = one_in(len(candidates)), report.best.candidate.row
    dots = [
        dot(
            (x_scale.at(at), y_scale.at(max(one.mean, y_scale.low))),
            *((6, "best") if one.row == best else (3, "dot")),
            tip(one, report.names),
        )
        for at, one in enumerate(candidates, 1)
        if one.mean is not None and (at % every == 0 or one.row == best)
    ]
    return chart(
        f"Mean {report.scoring} of {len(candidates)} candidates in the order of their proposals, and the best so far",
        width,
        height,
        vertical_axis(y_scale, left, width - 12),
        horizontal_axis(x_scale, height - 34, 8, 4 if width <= NARROW else 8, grid=False),
        text((left + width) / 2, height - 3, "candidate", "middle", "label"),
        tag("polyline", points=points(_stairs(candidates, x_scale, y_scale)), class_="curve"),
        *dots,
    )


def _stairs(candidates: Sequence[Candidate], x_scale: Axis, y_scale: Axis) -> list[tuple[float, float]]:
    """Return the step function of the best score so far."""
    so_far = best_so_far([one.mean for one in candidates], [not one.is_dropped for one in candidates])
    rises = [
        (at, score)
        for at, (before, score) in enumerate(pairwise([None, *so_far]), 1)
        if score is not None and score == score and score != before
    ]
    ends = [at for at, _ in rises[1:]] + [len(candidates)]
    return [
        (x_scale.at(x), y_scale.at(max(score, y_scale.low))) for (at, score), end in zip(rises, ends) for x in (at, end)
    ]
