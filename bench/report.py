"""The report in headless Chromium: its size, and when its first content is painted; pictures of one for the docs.

usage: python bench/report.py --candidates 16 5000 --repeat 5 --out docs/benchmarks.md
   or: python bench/report.py --pictures docs/images --of runs/demo/report.html

`make test-browser` installs what it needs. The searches are made up, as in the tests; the page is a file, the
network is off.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent.parent))

from page import page_parser, publish, setting_of_the_run, table

from hpt_spark.artifacts.report.page import write_report
from tests.artifacts.report.samples import many, sample
from tests.artifacts.searches import a_run
from tests.browser import Page, chromium

PAINT = "performance.getEntriesByName('first-contentful-paint').map(one => one.startTime)"
COLUMNS = ("candidates", ">writing the page, s", ">size, kB", ">first content painted, ms", ">filter and sort, ms")
CHANGE = """() => {
  const input = document.getElementById("filter"), began = performance.now();
  input.value = "max_depth>4";
  input.dispatchEvent(new Event("input"));
  [...document.querySelectorAll("thead button")].find(one => one.textContent === "mean").click();
  return performance.now() - began;
}"""


def main() -> None:
    """Measure and print, or take pictures."""
    options = parse_arguments()
    with chromium() as browser:
        if options.pictures:
            take_pictures(browser, options.of, options.pictures)
            return
        rows = [measured(browser, number, options.repeat) for number in options.candidates]
    text = "\n".join(
        [
            "## The report",
            "",
            "Made-up searches of seven hyperparameters, 5 folds, in headless Chromium, from a file. "
            f"{setting_of_the_run(['hpt-spark', 'numpy'])}. Medians of {options.repeat}.",
            "",
            *table(COLUMNS, rows),
        ]
    )
    publish("report", text, options.out)


def parse_arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = page_parser(__doc__)
    parser.add_argument("--candidates", type=int, nargs="+", default=[16, 5000])
    parser.add_argument("--repeat", type=int, default=5, help="how often each page is opened")
    parser.add_argument("--pictures", type=Path, help="the folder for pictures of the report --of")
    parser.add_argument("--of", type=Path, default=Path("runs/demo/report.html"))
    return parser.parse_args()


def measured(browser: Any, candidates: int, repeat: int) -> list[str]:
    """Return the row of a report of so many candidates."""
    with tempfile.TemporaryDirectory(prefix="hpt-bench-") as folder:
        run = a_run(Path(folder) / "run")
        sample(run, many(candidates))
        began = time.perf_counter()
        write_report(run)
        seconds = time.perf_counter() - began
        file = Path(folder) / "run" / "report.html"
        paints, changes = [], []
        for _ in range(repeat):
            page = Page(browser, file, viewport={"width": 1280, "height": 900})
            page.page.wait_for_function(f"({PAINT}).length > 0")
            paints.append(page.page.evaluate(PAINT)[0])
            changes.append(page.page.evaluate(CHANGE))
            page.close()
        size = file.stat().st_size
    numbers = (f"{candidates:,}", f"{seconds:.1f}", f"{size / 1000:,.0f}")
    return [*numbers, f"{statistics.median(paints):.0f}", f"{statistics.median(changes):.0f}"]


def take_pictures(browser: Any, file: Path, folder: Path) -> None:
    """Write pictures of a report: light, dark, and on a phone."""
    folder.mkdir(parents=True, exist_ok=True)
    desk, phone = {"width": 1160, "height": 1000}, {"width": 360, "height": 740}
    for name, scheme, viewport, height in (
        ("report-light", "light", desk, 1560),
        ("report-dark", "dark", desk, 1560),
        ("report-phone", "light", phone, 1400),
    ):
        page = Page(browser, file.absolute(), color_scheme=scheme, viewport=viewport)
        clip = {"x": 0, "y": 0, "width": viewport["width"], "height": height}
        page.page.screenshot(path=folder / f"{name}.png", full_page=True, clip=clip)
        page.close()


if __name__ == "__main__":
    main()
