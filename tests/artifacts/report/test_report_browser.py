"""The pages in a real browser: from a file, with the network off."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from hpt_spark.artifacts.report.comparison import write_comparison
from hpt_spark.artifacts.report.page import write_report
from tests.artifacts.report.samples import FOLDS, hostile, many, sample, sixteen
from tests.artifacts.searches import a_run
from tests.browser import Page, chromium

pytestmark = pytest.mark.browser

PHONE, DESK = {"width": 360, "height": 740}, {"width": 1280, "height": 900}
KINDS = ("sweep", "proposals", "hostile", "many", "comparison")


@pytest.fixture(scope="module")
def browser():
    with chromium() as one:
        yield one


@pytest.fixture(scope="module")
def pages(tmp_path_factory) -> dict[str, Path]:
    """The file of each kind of page."""
    folder = tmp_path_factory.mktemp("runs")
    runs = {}
    made = {"sweep": sixteen(), "proposals": many(100), "hostile": hostile(), "many": many()}
    for kind, params in made.items():
        runs[kind] = a_run(folder / kind)
        more = {"iter": np.arange(100) // 4} if kind == "proposals" else {}
        told = {"command": "hpt-spark tune --conf demo", "configuration": {"search": {"cv": FOLDS}}}
        sample(runs[kind], params, more=more, **told)
        write_report(runs[kind])
    write_comparison([runs["sweep"], runs["hostile"]], str(folder / "comparison.html"))
    return {kind: folder / kind / "report.html" for kind in runs} | {"comparison": folder / "comparison.html"}


@pytest.fixture
def opened(browser, pages):
    """Open a page of a kind; it is closed at the end, and must not have said or fetched anything."""
    found: list[Page] = []

    def open_one(kind: str, **context) -> Page:
        found.append(Page(browser, pages[kind], **{"viewport": DESK, **context}))
        return found[-1]

    yield open_one
    for one in found:
        one.close()
        assert one.said == []
        assert [url for url in one.requests if not url.startswith("file://")] == []
        assert len(one.requests) == 1


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("kind", KINDS)
def test_axe_finds_no_violation(opened, kind, scheme):
    assert opened(kind, color_scheme=scheme).violations() == []


@pytest.mark.parametrize("kind", KINDS)
def test_a_phone_scrolls_sideways_in_tables_only(opened, kind):
    page = opened(kind, viewport=PHONE).page
    page.evaluate("document.querySelectorAll('details').forEach(one => { one.open = true; })")
    assert page.evaluate("document.documentElement.scrollWidth") <= PHONE["width"]
    wide = page.evaluate(
        "[...document.querySelectorAll('body *')].filter(one => one.scrollWidth > one.clientWidth + 1 "
        "&& ['auto', 'scroll'].includes(getComputedStyle(one).overflowX) && !one.querySelector('table'))"
        ".map(one => one.outerHTML.slice(0, 80))"
    )
    assert wide == []


@pytest.mark.parametrize("kind", KINDS)
def test_a_phone_leaves_the_names_of_rows_room_for_a_word(opened, kind):
    narrow = "[...document.querySelectorAll('.scroll:not(.tall) tbody th')].filter(one => one.offsetWidth < 120)"
    assert opened(kind, viewport=PHONE).page.evaluate(f"{narrow}.map(one => one.innerText)") == []


def cells(page, column: int) -> list[str]:
    return page.locator(f"#rows tr > :nth-child({column})").all_inner_texts()


def test_a_press_on_a_head_sorts_and_says_so(opened):
    page = opened("sweep").page
    head = page.locator("thead th", has_text="n_estimators")
    column = 1 + page.locator("#rows").locator("xpath=../thead/tr/th").all_inner_texts().index(head.inner_text())
    assert head.get_attribute("aria-sort") == "none"
    head.get_by_role("button").click()
    assert head.get_attribute("aria-sort") == "ascending"
    rounds = [int(cell) for cell in cells(page, column)]
    assert rounds == sorted(rounds)
    assert len(rounds) == 16
    head.get_by_role("button").press("Enter")  # by the keyboard, too
    assert head.get_attribute("aria-sort") == "descending"
    assert [int(cell) for cell in cells(page, column)] == sorted(rounds, reverse=True)
    assert page.locator("th[aria-sort=ascending]").count() == 0


def test_the_filter_takes_conditions_and_words(opened):
    page = opened("sweep").page
    page.fill("#filter", "n_estimators>=300 max_depth=4")
    assert page.inner_text("#shown") == "4 of 16 rows"
    assert len(cells(page, 1)) == 4
    page.fill("#filter", "best")
    assert page.inner_text("#shown") == "0 of 16 rows"
    page.fill("#filter", "")
    assert page.inner_text("#shown") == "16 rows"
    assert len(cells(page, 1)) == 16


def test_thousands_of_rows_come_as_they_are_scrolled_to(opened):
    page = opened("many").page
    assert page.inner_text("#shown") == "5,000 rows"
    before = page.locator("#rows tr").count()
    assert before < 200
    page.evaluate("(box => { box.scrollTop = box.scrollHeight; })(document.querySelector('.tall'))")
    page.wait_for_function(f"document.querySelectorAll('#rows tr').length > {before}")
    page.fill("#filter", "max_depth<3 booster=dart")
    shallow = [one for one in many() if one["max_depth"] < 3 and one["booster"] == "dart"]
    assert page.inner_text("#shown") == f"{len(shallow)} of 5,000 rows"


def test_hostile_names_and_values_do_nothing(opened):
    page = opened("hostile").page
    page.fill("#filter", "</script>")
    for place in page.locator("[data-tip]").all()[:40]:
        place.dispatch_event("pointerover")
    assert page.evaluate("window.hacked") is None
    assert page.locator("main img, main b, main svg svg").count() == 0
    assert page.locator("script:not([type])").count() == 1
    assert "</script><script>window.hacked=1</script>" in page.inner_text("#rows")


def test_what_is_pointed_at_tells_its_numbers(opened):
    page = opened("sweep").page
    page.locator(".wide circle.best").first.hover()
    page.wait_for_selector(".tip:not([hidden])")
    assert page.inner_text(".tip").startswith("#1: -2.3")


def test_it_prints_every_section_and_every_candidate(opened):
    page = opened("sweep").page
    page.emulate_media(media="print")
    page.evaluate("dispatchEvent(new Event('beforeprint'))")
    assert page.locator("details:not([open])").count() == 0
    assert not page.locator("nav").is_visible()
    assert page.locator(".tall").evaluate("one => one.scrollHeight <= one.clientHeight + 1")
