"""Axes and frames of the charts, which are SVG within the page and take their colours from its style."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from hpt_spark.artifacts.report.markup import Html, compact, join, tag
from hpt_spark.artifacts.report.tree import Parameter, Value
from hpt_spark.search.arguments import is_number

WIDE, NARROW = 1000.0, 340.0  # units of a chart's width on a desk and on a phone
LETTER = 7.0  # the mean width of a letter of an axis
STEPS = 9  # of the colours for a quantity


@dataclass(frozen=True)
class Axis:
    """Places of values between two ends, in the chart's units."""

    low: float  # at `start`
    high: float  # at `end`
    start: float
    end: float
    is_log: bool = False
    levels: tuple[Value, ...] = ()  # the values that stand side by side, where they are no numbers

    def at(self, value: Value) -> float:
        """Return the place of a value."""
        if self.levels:
            share = (self.levels.index(value) + 0.5) / len(self.levels)
        else:
            share = share_of(self._of(float(value or 0)), self._of(self.low), self._of(self.high))
        return self.start + share * (self.end - self.start)

    def ticks(self, most: int) -> list[tuple[float, str]]:
        """Return at most so many places with their texts."""
        if self.levels:
            every = math.ceil(len(self.levels) / most)
            return [(self.at(level), show(level)) for level in self.levels[::every]]
        return [(self.at(value), compact(value)) for value in _round_values(self.low, self.high, most, self.is_log)]

    def _of(self, value: float) -> float:
        return math.log10(value) if self.is_log else value


def axis(values: Sequence[float], start: float, end: float, margin: float = 0.05, is_log: bool = False) -> Axis:
    """Return the axis on which all `values` have room."""
    low, high = min(values), max(values)
    if is_log:
        spread = (high / low) ** margin
        return Axis(low / spread, high * spread, start, end, True)
    is_one_value = high - low <= 1e-9 * max(abs(low), abs(high))
    room = abs(high) * 0.1 or 1.0 if is_one_value else margin * (high - low)
    return Axis(low - room, high + room, start, end)


def axis_of(parameter: Parameter, start: float, end: float, margin: float) -> Axis:
    """Return the axis of a hyperparameter's values."""
    if not parameter.is_number:
        return Axis(0, 1, start, end, levels=parameter.levels)
    return axis([float(level or 0) for level in parameter.levels], start, end, margin, parameter.is_log)


def show(value: Any) -> str:
    """Return a hyperparameter's value as a text."""
    if is_number(value):
        return compact(value).replace(",", "")
    return "None" if value is None else str(value)


def cut(text: str, letters: int) -> str:
    """Return a text that is not longer than so many letters."""
    return text if len(text) <= letters else text[: max(1, letters - 1)] + "…"


def share_of(value: float, low: float, high: float) -> float:
    """Return how far a value is from `low` to `high`, from 0 to 1."""
    return 0.5 if high == low else (value - low) / (high - low)


def step_of(share: float) -> str:
    """Return the class of the colour for a share of a quantity, from 0 to 1."""
    return f"q{min(STEPS - 1, max(0, int(share * STEPS)))}"


def chart(label: str, width: float, height: float, *children: Html | None, class_: str = "") -> Html:
    """Return a chart; `label` is its text for screen readers."""
    return tag(
        "svg",
        *children,
        class_=f"chart {class_}".strip(),
        viewBox=f"0 0 {width:.0f} {height:.0f}",
        role="img",
        aria_label=label,
    )


def both(draw: Callable[[float], Html]) -> Html:
    """Return a chart drawn for a desk and for a phone; the style shows one of them."""
    return join(tag("div", draw(WIDE), class_="wide"), tag("div", draw(NARROW), class_="narrow"))


def figure(title: str, drawing: Html, *caption: Html | str) -> Html:
    """Return a chart with its title and caption."""
    return tag("figure", tag("figcaption", tag("strong", title), *([" ", *caption] if caption else [])), drawing)


def text(x: float, y: float, content: str, anchor: str = "start", class_: str | None = None) -> Html:
    """Return a text."""
    return tag("text", content, x=x, y=y, text_anchor=None if anchor == "start" else anchor, class_=class_)


def heading(left: float, y: float, content: str, is_narrow: bool, class_: str) -> Html:
    """Return the heading of the row at `y`: left of the chart on a desk, above the row on a phone."""
    return text(left, y - 14, content, class_=class_) if is_narrow else text(left - 8, y + 4, content, "end", class_)


def dot(place: tuple[float, float], radius: float, class_: str, told: str | None = None) -> Html:
    """Return a circle; `told` is its tooltip."""
    return tag("circle", cx=place[0], cy=place[1], r=radius, class_=class_, data_tip=told)


def horizontal_axis(scale: Axis, y: float, top: float, most: int, grid: bool = True) -> Html:
    """Return the ticks of a horizontal axis below a chart that begins at `top`."""
    parts: list[Html] = []
    for x, label in scale.ticks(most):
        if grid:
            parts.append(tag("line", x1=x, x2=x, y1=top, y2=y, class_="grid"))
        parts.append(text(x, y + 16, label, "middle"))
    return tag("g", *parts, class_="axis")


def vertical_axis(scale: Axis, x: float, right: float) -> Html:
    """Return the ticks of a vertical axis left of a chart that ends at `right`."""
    parts: list[Html] = []
    for y, label in scale.ticks(5):
        parts.append(tag("line", x1=x, x2=right, y1=y, y2=y, class_="grid"))
        parts.append(text(x - 6, y + 4, label, "end"))
    return tag("g", *parts, class_="axis")


def points(pairs: Sequence[tuple[float, float]]) -> str:
    """Return places as SVG lists them."""
    return " ".join(f"{x:.1f},{y:.1f}" for x, y in pairs)


def _round_values(low: float, high: float, most: int, is_log: bool) -> list[float]:
    if is_log:
        powers = [10.0**at for at in range(math.ceil(math.log10(low)), math.floor(math.log10(high)) + 1)]
        if len(powers) >= 2:
            return powers[:: math.ceil(len(powers) / most)]
    raw = (high - low) / max(1, most)
    power = 10.0 ** math.floor(math.log10(raw)) if raw > 0 else 1.0
    step = next(factor * power for factor in (1, 2, 5, 10) if factor * power >= raw * 0.999)
    first = math.ceil(low / step - 1e-9)
    return [float(f"{at * step:.12g}") for at in range(first, math.floor(high / step + 1e-9) + 1)]
