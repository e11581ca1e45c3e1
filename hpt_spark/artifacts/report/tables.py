"""Tables, bars and lists of facts."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from hpt_spark.artifacts.report.markup import Html, tag

MANY_ROWS = 30  # from which on a table scrolls in itself: a table of the user may have a thousand columns


def tiles(*facts: tuple[str, str, str]) -> Html:
    """Return facts side by side: the name of each, its value, and a word on it."""
    return tag(
        "dl",
        *(
            tag("div", tag("dt", name), tag("dd", value, tag("small", more) if more else None))
            for name, value, more in facts
        ),
        class_="tiles",
    )


def pairs(facts: Iterable[tuple[str, Html | str]]) -> Html:
    """Return names and values as a list."""
    return tag("dl", *(tag("div", tag("dt", name), tag("dd", value)) for name, value in facts), class_="pairs")


def bar(share: float, class_: str = "bar") -> Html:
    """Return a bar as wide as its cell times `share`; its number stands beside it."""
    width = 100 * max(0.0, min(1.0, share))
    inner = tag("rect", width=f"{width:.1f}%", height="100%", rx=2)
    return tag(
        "svg",
        tag("rect", width="100%", height="100%", rx=2, class_="track"),
        inner,
        class_=class_,
        aria_hidden="true",
        height=10,
    )


def table(
    caption: str, heads: Sequence[str], rows: Sequence[Sequence[Html | str]], numbers: Sequence[int] = ()
) -> Html:
    """Return a table; `numbers` names the columns that are read from the right."""
    head = [
        tag("th", name, scope="col", class_="number" if at in numbers else None) if name else tag("td")
        for at, name in enumerate(heads)
    ]
    body = [
        tag(
            "tr",
            *(
                tag("th", cell, scope="row") if at == 0 else tag("td", cell, class_="number" if at in numbers else None)
                for at, cell in enumerate(row)
            ),
        )
        for row in rows
    ]
    return tag(
        "div",
        tag("table", tag("caption", caption), tag("thead", tag("tr", *head)), tag("tbody", *body)),
        class_="scroll long" if len(rows) > MANY_ROWS else "scroll",
        role="region",
        tabindex=0,
        aria_label=caption,
    )
