"""Charts of several hyperparameters at once: a heat map of two, parallel coordinates of many."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from itertools import pairwise

from hpt_spark.artifacts.report.chart_scores import tip
from hpt_spark.artifacts.report.markup import Html, join, tag, two_digits
from hpt_spark.artifacts.report.svg import (
    LETTER,
    NARROW,
    Axis,
    axis,
    axis_of,
    both,
    chart,
    cut,
    figure,
    points,
    share_of,
    show,
    step_of,
    text,
)
from hpt_spark.artifacts.report.tree import Best, Candidate, Parameter, Report, Value, scored_in_first_rung

MOST_CELLS = 12  # values on one side of the heat map; more are joined
BINS = 8
MOST_LINES = 240
BEST_LINES = 60  # of these, where there are more candidates
DENSE = 60
MOST_AXES = 9
MOST_LEVELS = 6  # values that an axis tells one by one

Bins = list[tuple[str, frozenset[Value]]]


def heat_map(report: Report) -> Html:
    """Return the best mean at each pair of values of two hyperparameters, the first two."""
    shown = [one for one in report.parameters if len(one.levels) > 1][:2]
    if len(shown) < 2:
        return join()
    across, down = sorted(shown, key=lambda one: -len(_bins(one)))
    x_of, y_of = _bin_numbers(across), _bin_numbers(down)
    cells: dict[tuple[int, int], Candidate] = {}
    for one in _worst_first(scored_in_first_rung(report.candidates), report.best):  # the best one stays
        if across.name in one.params and down.name in one.params:
            cells[x_of[one.params[across.name]], y_of[one.params[down.name]]] = one
    if len(cells) < 2:
        return join()
    caption = "Each cell is the best mean there, whatever the other hyperparameters are."
    return figure(f"{across.name} × {down.name}", both(partial(_map, report, cells, across, down)), caption)


def parallel_coordinates(report: Report) -> Html:
    """Return each candidate as a line through its values, coloured by its mean."""
    scored = scored_in_first_rung(report.candidates)
    shown = [one for one in report.parameters if len(one.levels) > 1][:MOST_AXES]
    if len(shown) < 3 or len(scored) < 2:
        return join()
    some = ranked = sorted(scored, key=lambda one: -one.score)
    if len(ranked) > MOST_LINES:
        some = ranked[:BEST_LINES] + ranked[BEST_LINES :: -(-(len(ranked) - BEST_LINES) // (MOST_LINES - BEST_LINES))]
    told = (
        f"{len(some)} of {len(scored):,} candidates: the best {BEST_LINES} and some of the others. "
        if len(some) < len(scored)
        else ""
    )
    return figure(
        "All together",
        both(partial(_lines, report, some, shown)),
        f"{told}The stronger a line's colour, the better its mean; the thick line is the best candidate.",
    )


def _bins(parameter: Parameter) -> Bins:
    """Return the bins of one side; many numbers go into bins of equal frequency."""
    levels = parameter.levels
    if len(levels) <= MOST_CELLS:
        return [(show(level), frozenset([level])) for level in levels]
    if not parameter.is_number:
        return [
            *((show(level), frozenset([level])) for level in levels[: MOST_CELLS - 1]),
            ("others", frozenset(levels[MOST_CELLS - 1 :])),
        ]
    ends = [round(at * len(levels) / BINS) for at in range(BINS + 1)]
    parts = [levels[first:last] for first, last in pairwise(ends)]
    ranges = [[two_digits(float(end or 0)) for end in (part[0], part[-1])] for part in parts]
    return [("–".join(ends), frozenset(part)) for ends, part in zip(ranges, parts)]


def _worst_first(some: Sequence[Candidate], best: Best) -> list[Candidate]:
    """Return candidates by their mean; the best one is last also among equal means."""
    return sorted(some, key=lambda one: (one.score, one.params == best.candidate.params))


def _bin_numbers(parameter: Parameter) -> dict[Value, int]:
    return {value: at for at, (_, part) in enumerate(_bins(parameter)) for value in part}


def _map(
    report: Report, cells: dict[tuple[int, int], Candidate], across: Parameter, down: Parameter, width: float
) -> Html:
    columns, rows = _bins(across), _bins(down)
    letters = 12 if width > NARROW else 8
    left = 16 + LETTER * min(letters, max(len(name) for name, _ in rows))
    cell = min(150.0, (width - left - 8) / len(columns))
    tall = 34.0 if width > NARROW else 30.0
    means = [one.score for one in cells.values()]
    low, high = min(means), max(means)
    room = int((cell - 6) / (LETTER * 1.12))
    parts: list[Html] = [text(0, 14, f"{cut(down.name, 20)} ↓, {cut(across.name, 20)} →", class_="label")]
    parts += [
        text(left + cell * (at + 0.5), 32, cut(name, max(3, room)), "middle") for at, (name, _) in enumerate(columns)
    ]
    parts += [
        text(left - 8, 40 + tall * (at + 0.5) + 4, cut(name, letters), "end") for at, (name, _) in enumerate(rows)
    ]
    for (x_at, y_at), one in sorted(cells.items()):
        step = step_of(share_of(one.score, low, high))
        x, y = left + cell * x_at, 40 + tall * y_at
        is_best = one.params == report.best.candidate.params
        score = f"{one.score:.5f}" if room >= 8 else f"{one.score:.3f}"
        told = text(x + cell / 2, y + tall / 2 + 4, score, "middle", f"{step}-ink") if room >= len(score) - 1 else None
        shape = tag(
            "rect",
            x=x + 1,
            y=y + 1,
            width=cell - 2,
            height=tall - 2,
            rx=3,
            class_=f"{step} best-cell" if is_best else step,
        )
        parts.append(tag("g", shape, told, data_tip=tip(one, report.names)))
    height = 40 + tall * len(rows) + 8
    label = f"Best mean {report.scoring} by {across.name} and {down.name}, from {low:.5f} to {high:.5f}"
    return chart(label, width, height, *parts, class_="heat")


def _lines(report: Report, some: Sequence[Candidate], shown: Sequence[Parameter], width: float) -> Html:
    """Return axes side by side on a desk, one below the other on a phone."""
    is_narrow = width <= NARROW
    count = len(shown) + 1
    height = 56.0 * count + 10 if is_narrow else 300.0
    ends = (12.0, width - 12.0) if is_narrow else (height - 30, 44.0)
    places = (
        [30 + 56.0 * at for at in range(count)]
        if is_narrow
        else [50 + (width - 120) * at / (count - 1) for at in range(count)]
    )
    scores = [one.score for one in some]
    axes = [axis_of(one, *ends, 0.02) for one in shown] + [axis(scores, *ends, 0.02)]
    low, high = min(scores), max(scores)
    parts: list[Html] = []
    for one in _worst_first(some, report.best):
        if any(parameter.name not in one.params for parameter in shown):
            continue  # of another grid
        values = [*(one.params[parameter.name] for parameter in shown), one.mean]
        along = [scale.at(value) for scale, value in zip(axes, values)]
        pairs = list(zip(along, places)) if is_narrow else list(zip(places, along))
        kind = f"{step_of(share_of(one.score, low, high))}-line"
        if one.params == report.best.candidate.params:
            kind += " best-line"
        parts.append(tag("polyline", points=points(pairs), class_=kind, data_tip=tip(one, report.names)))
    letters = 40 if is_narrow else int((width - 120) / (count - 1) / LETTER)
    told: list[tuple[str, tuple[Value, ...]]] = [(one.name.rpartition("__")[2], one.levels) for one in shown]
    for place, scale, (name, levels) in zip(places, axes, [*told, (report.scoring, ())]):
        parts.append(_axis_line(scale, levels, place, cut(name, letters), is_narrow))
    through = ", ".join(one.name for one in shown)
    label = f"{len(some)} candidates as lines through {through} and their mean {report.scoring}"
    return chart(label, width, height, *parts, class_="parallel dense" if len(some) > DENSE else "parallel")


def _axis_line(scale: Axis, levels: tuple[Value, ...], place: float, name: str, is_narrow: bool) -> Html:
    parts: list[Html] = []
    few = levels if len(levels) <= MOST_LEVELS or scale.levels else ()
    few = few[:: max(1, len(few) // MOST_LEVELS)]
    ticks = [(scale.at(level), show(level)) for level in few] or scale.ticks(4)
    if is_narrow:
        parts.append(tag("line", x1=scale.start, x2=scale.end, y1=place, y2=place, class_="rule"))
        parts.append(text(scale.start, place - 8, name, class_="label strong"))
        parts += [
            text(min(max(at, 14), scale.end - 8), place + 14, cut(told, 10), "middle", "halo") for at, told in ticks
        ]
    else:
        parts.append(tag("line", y1=scale.start, y2=scale.end, x1=place, x2=place, class_="rule"))
        parts.append(text(place, 22, name, "middle", "label strong"))
        parts += [text(place + 5, at + 4, cut(told, 10), "start", "halo") for at, told in ticks]
    return tag("g", *parts, class_="axis")
