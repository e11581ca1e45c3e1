"""What the tests of a report's page read of it."""

from __future__ import annotations

import json
import re
from html.parser import HTMLParser

from hpt_spark.artifacts.report.markup import VOID


class Outline(HTMLParser):
    """A page as a reader without eyes meets it: headings, captions, what charts are called; and every tag."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.lines: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.texts: list[str] = []
        self._open: list[str] = []
        self.feed(page)
        self.close()
        assert self._open == []

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self._open.append(tag)
        if dict(attrs).get("role") == "img":
            self.lines.append(f"    [chart] {dict(attrs)['aria-label']}")

    def handle_startendtag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag):
        assert self._open.pop() == tag

    def handle_data(self, data):
        inside = self._open[-1] if self._open else ""
        if inside in ("h1", "h2", "h3"):
            self.lines.append(f"{'#' * int(inside[1])} {data}")
        elif inside == "caption":
            self.lines.append(f"    [table] {data}")
        if inside not in ("script", "style"):
            self.texts.append(data)

    @property
    def text(self) -> str:
        return re.sub(r"\s+", " ", " ".join(self.texts))


def page_of(run) -> str:
    return (run.folder.path / "report.html").read_text(encoding="utf-8")


def table_of(page: str) -> dict:
    found = re.search(r'<script type="application/json" id="candidates-data">(.*?)</script>', page)
    return json.loads(found[1])
