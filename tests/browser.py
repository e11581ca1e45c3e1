"""Headless Chromium for tests of pages: the one that is installed here, driven by Playwright."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

AXE = Path(__file__).parent.parent / ".browser/node_modules/axe-core/axe.min.js"
RUN_AXE = "axe.run().then(r => r.violations.map(v => v.id + ': ' + v.nodes.map(n => n.html).join(' ')))"
NAMES = ("chromium", "chromium-browser", "google-chrome")


def installed_chromium() -> str | None:
    """Return the program of this machine's Chromium, if there is one."""
    return next(filter(None, map(shutil.which, NAMES)), None)


@contextmanager
def chromium() -> Iterator[Any]:
    """Give a browser; `make test-browser` installs what it needs."""
    from playwright.sync_api import sync_playwright

    path = installed_chromium()
    assert path is not None, "no Chromium is installed here"
    with sync_playwright() as playwright:
        # The sandbox needs namespaces that root, and most containers, do not have; the pages are our own.
        browser = playwright.chromium.launch(executable_path=path, args=["--no-sandbox"])
        try:
            yield browser
        finally:
            browser.close()


class Page:
    """A page in a browser without a network, with all that it has asked for and said.

    Parameters
    ----------
    browser : playwright Browser
    file : Path
    **context
        Of Playwright's ``new_context``: ``color_scheme``, ``viewport``.
    """

    def __init__(self, browser: Any, file: Path, **context: Any) -> None:
        self.requests: list[str] = []
        self.said: list[str] = []
        self._context = browser.new_context(offline=True, **context)
        self.page = self._context.new_page()
        self.page.on("request", lambda request: self.requests.append(request.url))
        self.page.on("console", lambda message: self.said.append(f"{message.type}: {message.text}"))
        self.page.on("pageerror", lambda error: self.said.append(str(error)))
        self.page.goto(file.as_uri())

    def violations(self) -> list[str]:
        """Return what axe-core finds; it comes through the debugger, as the page's own policy lets no script in."""
        session = self._context.new_cdp_session(self.page)
        session.send("Runtime.evaluate", {"expression": AXE.read_text(encoding="utf-8")})
        answer = session.send("Runtime.evaluate", {"expression": RUN_AXE, "awaitPromise": True, "returnByValue": True})
        return list(answer["result"]["value"])

    def close(self) -> None:
        """Close the page."""
        self._context.close()
