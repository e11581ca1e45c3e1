"""A whole document: sections with a list of them, the style and the script within, and nothing from elsewhere."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.resources import files

from hpt_spark.artifacts.report.markup import Html, join, tag


@dataclass(frozen=True)
class Section:
    """A part of a document with a heading, and its name in the list of sections."""

    name: str
    link: str
    title: str
    body: Html


def document(title: str, where: str, summary: str, notice: str, sections: Sequence[Section]) -> str:
    """Return an HTML document.

    Its Content-Security-Policy names the digests of the style and of the script: nothing else may run or be fetched,
    whatever the texts of a run are.
    """
    style, script = _file("page.css"), _file("page.js")
    own = f"style-src {_digest(style)}; script-src {_digest(script)}"
    policy = f"default-src 'none'; {own}; base-uri 'none'; form-action 'none'"
    head = tag(
        "head",
        tag("meta", charset="utf-8"),
        tag("meta", http_equiv="Content-Security-Policy", content=policy),
        tag("meta", name="viewport", content="width=device-width, initial-scale=1"),
        tag("meta", name="color-scheme", content="light dark"),
        tag("title", f"{title}: {where}"),
        Html(f"<style>{style}</style>"),
    )
    links = [tag("li", tag("a", one.link, href=f"#{one.name}")) for one in sections]
    body = tag(
        "body",
        tag("a", "Skip to the content", href="#content", class_="skip"),
        tag(
            "header",
            tag("p", "hpt_spark", class_="brand"),
            tag("h1", title),
            tag("p", tag("code", where), class_="where"),
            tag("p", summary, class_="summary"),
            tag("p", notice, class_="notice") if notice else None,
        ),
        tag("nav", tag("ul", *links), aria_label="Sections"),
        tag(
            "main",
            *(
                tag(
                    "section",
                    tag("h2", one.title, id=f"{one.name}-title"),
                    one.body,
                    id=one.name,
                    aria_labelledby=f"{one.name}-title",
                )
                for one in sections
            ),
            id="content",
            tabindex=-1,
        ),
        tag("footer", tag("p", "Made by hpt_spark; this page fetches nothing.")),
        Html(f"<script>{script}</script>"),
    )
    return "<!DOCTYPE html>\n" + join(tag("html", head, body, lang="en")) + "\n"


def _file(name: str) -> str:
    return (files(__package__) / name).read_text(encoding="utf-8")


def _digest(text: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"
