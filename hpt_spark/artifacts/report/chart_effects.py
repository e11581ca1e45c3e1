"""Validation curves: the score over each hyperparameter, with the slice through the best candidate."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from hpt_spark.artifacts.report.chart_scores import tip
from hpt_spark.artifacts.report.markup import Html, join, tag
from hpt_spark.artifacts.report.svg import (
    NARROW,
    Axis,
    axis,
    axis_of,
    both,
    chart,
    cut,
    dot,
    figure,
    horizontal_axis,
    points,
    text,
    vertical_axis,
)
from hpt_spark.artifacts.report.tree import Best, Candidate, Parameter, Report, Value, scored_in_first_rung

MOST_DOTS = 400
MOST_LINES = 24
LONG_CURVE = 5  # numbers of rounds that deserve a chart of their own
MOST_LEVELS = 12  # that an axis tells one by one

Slice = list[Candidate]


def effect_charts(report: Report) -> Html:
    """Return a chart for each hyperparameter that takes several values."""
    scored = scored_in_first_rung(report.candidates)
    shown = [
        one for one in report.parameters if len(one.levels) > 1 and any(one.name in some.params for some in scored)
    ]
    long = [one for one in shown if one.is_rounds and len(one.levels) >= LONG_CURVE]
    draw = {one: partial(_curve, report, one, scored) for one in shown}
    charts = [figure(one.name, both(draw[one])) for one in long]
    small = [figure(one.name, draw[one](NARROW)) for one in shown if one not in long]
    return join(*charts, tag("div", *small, class_="panels") if small else None)


def slices(scored: Sequence[Candidate], parameter: Parameter) -> list[Slice]:
    """Return the candidates that differ in one hyperparameter alone, each list along it; lists of one are left out."""
    found: dict[tuple[object, ...], Slice] = {}
    for one in scored:
        if parameter.name in one.params:
            rest = tuple(sorted((name, repr(value)) for name, value in _others(one, parameter).items()))
            found.setdefault(rest, []).append(one)
    return [_along(some, parameter) for some in found.values() if len(some) > 1]


def one_in(candidates: int) -> int:
    """Return of how many candidates one is drawn as a dot."""
    return max(1, -(-candidates // MOST_DOTS))


def _curve(report: Report, parameter: Parameter, scored: Sequence[Candidate], width: float) -> Html:
    height, left = (320.0, 66.0) if width > NARROW else (230.0, 58.0)
    having = [one for one in scored if parameter.name in one.params]
    lines = sorted(slices(having, parameter), key=lambda some: -max(one.score for one in some))
    own = slice_of(report.best, having, parameter)
    values = [one.score for one in having] + [score for one in own for score in one.fold_scores]
    x_scale = axis_of(parameter, left, width - 12, 0.06)
    y_scale = axis(values, height - 30, 8)
    x = {level: x_scale.at(level) for level in parameter.levels}

    def place(one: Candidate) -> tuple[float, float]:
        return x[one.params[parameter.name]], y_scale.at(one.score)

    def dots(some: Sequence[Candidate], radius: float, class_: str) -> list[Html]:
        return [dot(place(one), radius, class_, tip(one, report.names)) for one in some]

    parts = [vertical_axis(y_scale, left, width - 12), _levels(parameter, x_scale, height - 30)]
    if len(own) > 1:
        parts.append(tag("polygon", points=points(_fold_band(own, x, parameter.name, y_scale)), class_="fold-band"))
    parts += [
        tag("polyline", points=points([place(one) for one in some]), class_="slice") for some in lines[:MOST_LINES]
    ]
    parts += dots(having[:: one_in(len(having))], 3, "dot")
    if len(own) > 1:
        parts.append(tag("polyline", points=points([place(one) for one in own]), class_="curve"))
        parts += dots(own, 4, "mean")
    parts += dots([one for one in having if one.params == report.best.candidate.params][:1], 6, "best")
    label = f"Mean {report.scoring} over {parameter.name}, {len(having)} candidates"
    return chart(label, width, height, *parts)


def _levels(parameter: Parameter, scale: Axis, y: float) -> Html:
    """Return the ticks; few levels are told each, as round numbers between them mean nothing."""
    room = (scale.end - scale.start) / 52
    if not parameter.is_number:
        most = min(MOST_LEVELS, max(2, int(room * 1.2)))
        letters = int((scale.end - scale.start) / min(len(scale.levels), most) / 6.4)
        return tag(
            "g", *[text(x, y + 16, cut(name, letters), "middle") for x, name in scale.ticks(most)], class_="axis"
        )
    if len(parameter.levels) > MOST_LEVELS:
        return horizontal_axis(scale, y, 8, max(2, int(room)), grid=False)
    shown: list[Html] = []
    last = -100.0
    for level in parameter.levels:
        x = scale.at(level)
        if x - last > 34:  # else its text would run into that of the one before
            shown.append(text(x, y + 16, f"{level:.6g}" if isinstance(level, float) else str(level), "middle"))
            last = x
    return tag("g", *shown, class_="axis")


def slice_of(best: Best, scored: Sequence[Candidate], parameter: Parameter) -> Slice:
    """Return the candidates that differ from the best one in `parameter` alone, and the best one, along it.

    Candidates of another grid, which lack the parameter, are left out.
    """
    rest = _others(best.candidate, parameter)
    own = [one for one in scored if parameter.name in one.params and _others(one, parameter) == rest]
    return _along(own, parameter)


def _others(candidate: Candidate, parameter: Parameter) -> dict[str, Value]:
    """Return the values of all other hyperparameters."""
    return {name: value for name, value in candidate.params.items() if name != parameter.name}


def _along(some: Slice, parameter: Parameter) -> Slice:
    order = {level: at for at, level in enumerate(parameter.levels)}
    return sorted(some, key=lambda one: order[one.params[parameter.name]])


def _fold_band(own: Slice, x: dict[Value, float], name: str, y_scale: Axis) -> list[tuple[float, float]]:
    """Return the band from the lowest to the highest fold along a slice."""
    ranges = [(x[one.params[name]], one.all_scores) for one in own]
    upper = [(at, y_scale.at(max(scores))) for at, scores in ranges]
    return upper + [(at, y_scale.at(min(scores))) for at, scores in reversed(ranges)]
