"""The Gantt chart: which process trained what, and when."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from hpt_spark.artifacts.report.markup import Html, duration, tag
from hpt_spark.artifacts.report.svg import LETTER, NARROW, axis, both, chart, cut, heading, text
from hpt_spark.artifacts.report.tree import Timeline, Training

LANE = 26.0
MOST_LANES = 48
UNITS = ((3600.0, "h"), (60.0, "min"), (1.0, "s"))
STEPS_OF_TIME = (1, 2, 5, 10, 15, 20, 30)


def gantt(timeline: Timeline) -> Html:
    """Return the lanes of time with their trainings, failures, retries and the refit."""
    return both(partial(_draw, timeline))


def _draw(timeline: Timeline, width: float) -> Html:
    is_narrow = width <= NARROW
    lanes = timeline.lanes[:MOST_LANES]
    left = 8.0 if is_narrow else min(220.0, 20 + LETTER * max(map(len, lanes)))
    lane = LANE + (14 if is_narrow else 0)
    rows = len(lanes) + (1 if timeline.refit else 0)
    bottom = 8 + lane * rows
    scale = axis([0.0, max(timeline.seconds, 1e-3)], left, width - 12, 0.0)
    parts = [_time_axis(timeline.seconds, scale.at, 8, bottom, 4 if is_narrow else 8)]
    for at, name in enumerate([*lanes, *(["refit"] if timeline.refit else [])]):
        label = cut(name, int((width - 20 if is_narrow else left - 16) / LETTER))
        parts.append(heading(left, 8 + lane * at + (25 if is_narrow else 13), label, is_narrow, "label"))
    for one in _joined(timeline, (width - left) / max(timeline.seconds, 1e-3)):
        if one.lane < len(lanes):
            parts.append(_bar(one, scale.at, 8 + lane * one.lane + (16 if is_narrow else 3), LANE - 6))
    if timeline.refit:
        began, ended = timeline.refit
        x, y = scale.at(began), 8 + lane * len(lanes) + (16 if is_narrow else 3)
        told = f"refit of the best candidate: {duration(ended - began)}"
        parts.append(
            tag(
                "rect",
                x=x,
                y=y,
                width=max(1.5, scale.at(ended) - x),
                height=LANE - 6,
                rx=2,
                class_="refit",
                data_tip=told,
            )
        )
    failed = sum(bool(one.failed) for one in timeline.trainings)
    tried = sum(bool(one.retries) for one in timeline.trainings)
    label = (
        f"{len(timeline.trainings)} trainings on {len(timeline.lanes)} lanes in {duration(timeline.seconds)}; "
        f"{failed} failed, {tried} were tried again"
    )
    return chart(label, width, bottom + 24, *parts, class_="gantt")


def _bar(one: Training, at: Callable[[float], float], y: float, height: float) -> Html:
    x = at(one.began)
    kind = "failed" if one.failed else "retried" if one.retries else "training"
    told = "\n".join(
        [one.label, duration(one.ended - one.began), *(f"tried before, {retry}" for retry in one.retries), one.failed]
    ).strip()
    width = max(1.5, at(one.ended) - x - 0.6)
    shape = tag("rect", x=x, y=y, width=width, height=height, rx=min(2.0, width / 2), class_=kind)
    has_room = width > LETTER * len(one.name) + 8
    name = text(x + width / 2, y + height / 2 + 4, one.name, "middle", "inside") if has_room else None
    return tag("g", shape, name, data_tip=cut(told, 400))


def _joined(timeline: Timeline, units_a_second: float) -> list[Training]:
    """Return the trainings; those too short to be seen one by one are joined to stretches."""
    found: list[Training] = []
    joined: dict[int, tuple[int, int]] = {}  # of a lane: where its stretch stands in `found`, and how many it joins
    for one in timeline.trainings:
        at, count = joined.get(one.lane, (-1, 0))
        is_plain = not one.failed and not one.retries
        is_short = is_plain and (one.ended - one.began) * units_a_second < 1.5
        if is_short and count and (one.began - found[at].ended) * units_a_second < 1.0:
            before = found[at]
            found[at] = Training(one.lane, before.began, one.ended, "", f"{count + 1} trainings", "", ())
            joined[one.lane] = (at, count + 1)
            continue
        found.append(one)
        joined[one.lane] = (len(found) - 1, 1 if is_short else 0)
    return found


def _time_axis(seconds: float, at: Callable[[float], float], top: float, bottom: float, most: int) -> Html:
    unit, name = next((pair for pair in UNITS if seconds >= 1.5 * pair[0]), UNITS[-1])
    total = seconds / unit
    powers = [factor * 10.0**power for power in range(-4, 5) for factor in STEPS_OF_TIME]
    step = next(one for one in sorted(powers) if one * most >= total)
    parts: list[Html] = []
    count = int(total / step + 1e-9)
    for number in range(count + 1):
        x = at(number * step * unit)
        parts.append(tag("line", x1=x, x2=x, y1=top, y2=bottom, class_="grid"))
        anchor = "start" if number == 0 else "middle"
        parts.append(text(x, bottom + 16, f"{number * step:.4g}{f' {name}' if number == count else ''}", anchor))
    return tag("g", *parts, class_="axis")
