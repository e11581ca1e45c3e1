"""HTML and SVG as values: text is escaped where it becomes a part of a tag, so that no value can be markup."""

from __future__ import annotations

import html
import json
import math
from typing import Any

VOID = frozenset({"meta", "input", "rect", "line", "circle", "polyline", "polygon"})


class Html(str):
    """Text that is markup already."""

    __slots__ = ()


def tag(name: str, /, *children: Any, **attributes: Any) -> Html:
    """Return an element.

    Parameters
    ----------
    name : str
    *children : Html, str or number
        What is no `Html` is escaped; None is left out.
    **attributes : str, number, True or None
        ``class_`` is ``class``, ``data_tip`` is ``data-tip``; None leaves one out.
    """
    written = "".join(_attribute(key, value) for key, value in attributes.items() if value is not None)
    if name in VOID and not children:
        return Html(f"<{name}{written}>" if name in ("meta", "input") else f"<{name}{written}/>")
    return Html(f"<{name}{written}>{join(*children)}</{name}>")


def join(*children: Any) -> Html:
    """Return the children one after another; anything but `Html` is escaped."""
    return Html("".join(_child(child) for child in children if child is not None))


def json_block(name: str, value: Any) -> Html:
    """Return `value` as a block of data that a script may read; no text in it can end the block."""
    text = json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    for character in "<>&\u2028\u2029":
        text = text.replace(character, f"\\u{ord(character):04x}")
    return Html(f'<script type="application/json" id="{html.escape(name)}">{text}</script>')


def compact(number: float | int) -> str:
    """Return a number as short as six digits allow."""
    return f"{number:,}" if isinstance(number, int) else f"{number:.6g}"


def two_digits(number: float) -> str:
    """Return a number with two digits that count, without an exponent where six digits do: 0.041, 180."""
    return f"{float(f'{number:.2g}'):g}"


def score_text(score: float | None) -> str:
    """Return a score with five decimals; a failed candidate has none."""
    return "no score" if score is None else f"{score:.5f}"


def duration(seconds: float) -> str:
    """Return a duration for people."""
    if seconds < 1:
        return f"{seconds * 1000:.0f} ms"
    if seconds < 100:
        return f"{seconds:.1f} s"
    if seconds < 5400:
        return f"{seconds / 60:.0f} min"
    return f"{seconds / 3600:.1f} h"


def percent(share: float) -> str:
    """Return a share in percent."""
    return "< 1 %" if 0 < share < 0.01 else f"{100 * share:.0f} %"


def _attribute(key: str, value: Any) -> str:
    name = key.rstrip("_").replace("_", "-")
    if value is True:
        return f" {name}"
    return f' {name}="{html.escape(_short(value))}"'


def _child(child: Any) -> str:
    return child if isinstance(child, Html) else html.escape(_short(child))


def _short(value: Any) -> str:
    if isinstance(value, float):
        return (
            str(int(value)) if math.isfinite(value) and value == int(value) else f"{value:.2f}".rstrip("0").rstrip(".")
        )
    return str(value)
