"""Charts of scores: all candidates by rank, and the folds of the best one."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

from hpt_spark.artifacts.report.certainty import standard_error
from hpt_spark.artifacts.report.markup import Html, join, score_text, tag
from hpt_spark.artifacts.report.svg import (
    LETTER,
    NARROW,
    axis,
    both,
    chart,
    cut,
    dot,
    heading,
    horizontal_axis,
    points,
    show,
    text,
    vertical_axis,
)
from hpt_spark.artifacts.report.tree import Best, Candidate, Report

MOST_NAMED = 24  # candidates with a line and a name each
ROW = 24.0
BOLD = 1.06  # the width of a bold letter, to that of another


def score_chart(report: Report) -> Html:
    """Return the scores of the candidates of the best one's rung, from the best on."""
    own = [one for one in report.candidates if one.rung == report.best.candidate.rung and one.mean is not None]
    if not own:
        return join()
    scored = sorted(own, key=lambda one: one.rank)
    return both(partial(_named if len(scored) <= MOST_NAMED else _ranked, report, scored))


def describe(candidate: Candidate, names: Sequence[str]) -> str:
    """Return what makes a candidate differ from others."""
    told = [f"{name.rpartition('__')[2]}={show(candidate.params[name])}" for name in names if name in candidate.params]
    return ", ".join(told) or f"candidate {candidate.row}"


def tip(candidate: Candidate, names: Sequence[str]) -> str:
    """Return the tooltip of a candidate."""
    error = standard_error(candidate)
    spread = f" ± {error:.5f}" if error is not None else ""
    return f"#{candidate.rank}: {score_text(candidate.mean)}{spread}\n{describe(candidate, names)}"


def _named(report: Report, scored: Sequence[Candidate], width: float) -> Html:
    best, names = report.best, report.names
    values = [score for one in scored for score in one.all_scores]
    is_narrow = width <= NARROW
    left = 8.0 if is_narrow else min(440.0, 32 + LETTER * BOLD * max(len(describe(one, names)) for one in scored))
    row = ROW + 18 if is_narrow else ROW
    top, bottom = 8.0, 8.0 + row * len(scored)
    scale = axis(values, left + 8, width - 14)
    room = width - 40 if is_narrow else left - 24
    parts = [horizontal_axis(scale, bottom, top, 4 if is_narrow else 7), _band(best, scale.at, top, bottom)]
    for at, one in enumerate(scored):
        y = top + row * at + row / 2 + (9 if is_narrow else 0)
        is_best = one.row == best.candidate.row
        label = cut(describe(one, names), int(room / (LETTER * (BOLD if is_best else 1))))
        parts.append(heading(left, y, label, is_narrow, "label strong" if is_best else "label"))
        parts.append(_line_of(one, scale.at, y, is_best, tip(one, names)))
    label = (
        f"Mean {report.scoring} of {len(scored)} candidates with standard errors and folds; "
        f"the best: {score_text(scored[0].mean)}"
    )
    return chart(label, width, bottom + 26, *parts)


def _line_of(one: Candidate, at: Callable[[float], float], y: float, is_best: bool, told: str) -> Html:
    error = standard_error(one) or 0.0
    folds = [dot((at(score), y), 2.6, "fold") for score in one.fold_scores]
    return tag(
        "g",
        tag("rect", x=0, y=y - 11, width=1000, height=22, class_="hit"),
        *folds,
        tag("line", x1=at(one.score - error), x2=at(one.score + error), y1=y, y2=y, class_="error"),
        dot((at(one.score), y), *((6, "best") if is_best else (4.5, "mean"))),
        data_tip=told,
    )


def _band(best: Best, at: Callable[[float], float], top: float, bottom: float) -> Html | None:
    """Return the range of one standard error below the best mean."""
    if best.standard_error is None or best.candidate.mean is None:
        return None
    low, high = at(best.candidate.mean - best.standard_error), at(best.candidate.mean)
    return tag("rect", x=low, y=top, width=max(0.5, high - low), height=bottom - top, class_="band")


def _ranked(report: Report, scored: Sequence[Candidate], width: float) -> Html:
    """Return mean scores over ranks, with the range of the folds: too many candidates to name each."""
    best, names = report.best, report.names
    # What lies below it may be far off, and would press the others flat.
    worst = sorted(one.score for one in scored)[len(scored) // 20]
    height, left = (300.0, 64.0) if width > NARROW else (240.0, 54.0)
    every = max(1, len(scored) // 400)
    places = [*range(20), *range(20, len(scored), every)]
    shown = [scored[place] for place in places]
    folds = [one.all_scores for one in shown]
    y_scale = axis([max(worst, min(map(min, folds))), max(map(max, folds))], height - 34, 8)
    floor = y_scale.low
    x_scale = axis([1, len(scored)], left, width - 10, 0.01)
    xs = [x_scale.at(place + 1) for place in places]
    line = [(x, y_scale.at(max(floor, one.score))) for x, one in zip(xs, shown)]
    upper = [(x, y_scale.at(max(floor, max(scores)))) for x, scores in zip(xs, folds)]
    lower = [(x, y_scale.at(max(floor, min(scores)))) for x, scores in zip(xs, folds)]
    marks = [
        dot(place, 3.2, "mean", tip(one, names))
        for place, one in zip(line, shown)
        if len(shown) <= 60 or one.rank <= 20
    ]
    y_best = y_scale.at(best.candidate.score)
    y_low = y_scale.at(max(floor, best.candidate.score - (best.standard_error or 0.0)))
    return chart(
        f"Mean {report.scoring} of {len(scored)} candidates by rank, with the range of their folds",
        width,
        height,
        vertical_axis(y_scale, left, width - 10),
        horizontal_axis(x_scale, height - 34, 8, 4 if width <= NARROW else 8, grid=False),
        text((left + width) / 2, height - 3, "rank", "middle", "label"),
        tag("rect", x=left, y=y_best, width=width - left - 10, height=max(0.5, y_low - y_best), class_="band"),
        tag("polygon", points=points([*upper, *reversed(lower)]), class_="fold-band"),
        tag("polyline", points=points(line), class_="curve"),
        *marks,
        dot((xs[0], y_best), 6, "best", tip(best.candidate, names)),
    )
