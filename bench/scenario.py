"""The worked scenario from end to end: what each job takes, and what comes out.

usage: python bench/scenario.py --scale 1.0 --out docs/benchmarks.md

Generated data, the six jobs one after the other as their user runs them, the scenario's grid of four
candidates on five folds. At full size the search takes twenty minutes on two cores.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from collections.abc import Iterable
from pathlib import Path

from generated import HPT_SPARK
from memory import Usage, measure
from page import page_parser, publish, setting_of_the_run, table

JOBS = ("generate", "ingest", "build_features", "tune", "predict", "report")
FOUR_CANDIDATES = Path(__file__).parents[1] / "conf" / "single_vm.yaml"
# Source: the files of Kaggle's competition TalkingData Mobile User Demographics.
REAL_ROWS = {
    "gender_age_train": 74_645,
    "gender_age_test": 112_071,
    "events": 3_252_950,
    "app_events": 32_473_067,
    "app_labels": 459_943,
    "label_categories": 930,
    "phone_brand_device_model": 187_245,
}


def main() -> int:
    """Run the scenario, print what it took, and write it into ``--out``."""
    options = parse_arguments()
    with tempfile.TemporaryDirectory(prefix="hpt-bench-", dir=options.place) as temporary:
        place = Path(temporary)
        usages = {}
        for job in JOBS:
            usages[job] = measure([HPT_SPARK, job, *arguments(job, place, options)], place / f"{job}.log")
            print(f"{job}: {usages[job]}", file=sys.stderr)
        text = "\n".join(page(usages, rows_of(place / "tables"), place / "run", options))
    publish("scenario", text, options.out)
    return 0


def parse_arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = page_parser(__doc__)
    parser.add_argument("--scale", type=float, default=1.0, help="of the generated data; 1.0 is full size")
    parser.add_argument("--seed", type=int, default=0, help="of the generated data")
    parser.add_argument("--place", type=Path, help="folder for what the jobs write (some GB at full size)")
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help="another setting for the jobs")
    return parser.parse_args()


def arguments(job: str, place: Path, options: argparse.Namespace) -> list[str | Path]:
    """Return the command line of a job."""
    if job == "generate":
        return ["--out", place / "raw", "--scale", str(options.scale), "--seed", str(options.seed)]
    settings = [
        f"source.uri={place / 'raw'}",
        f"tables.uri={place / 'tables'}",
        f"run.dir={place / 'run'}",
        "search.backend=spark",
        *options.set,
    ]
    return ["--conf", FOUR_CANDIDATES, *(word for setting in settings for word in ("--set", setting))]


def rows_of(tables: Path) -> dict[str, int]:
    """Return the number of rows of each ingested table."""
    manifest = json.loads((tables / "manifest.json").read_text(encoding="utf-8"))
    return {name: entry["rows"] for name, entry in manifest["tables"].items()}


def page(usages: dict[str, Usage], rows: dict[str, int], run: Path, options: argparse.Namespace) -> Iterable[str]:
    """Yield the lines of the section."""
    yield "## The scenario from end to end"
    yield ""
    yield f"Scale {options.scale}, seed {options.seed}. {setting_of_the_run(('pyspark', 'xgboost', 'scikit-learn'))}."
    yield "One run; seconds with the start of Python and Java; CPU seconds and peak memory of all processes."
    yield ""
    took = [
        (job, f"{usage.seconds:,.0f}", f"{usage.cpu_seconds:,.0f}", f"{usage.peak_bytes / 1e6:,.0f}")
        for job, usage in usages.items()
    ]
    yield from table(["job", ">seconds", ">CPU seconds", ">peak memory, MB"], took)
    yield ""
    compared = [
        (
            name,
            f"{rows[name]:,}",
            f"{real * options.scale:,.0f}",
            f"{100 * (rows[name] / (real * options.scale) - 1):+.2f} %",
        )
        for name, real in REAL_ROWS.items()
    ]
    yield from table(["table", ">rows", ">of the real data, times the scale", ">difference"], compared)
    yield ""
    yield "What `sweeping_results.txt` holds:"
    yield ""
    yield "```"
    yield from (run / "sweeping_results.txt").read_text(encoding="utf-8").splitlines()
    yield "```"


if __name__ == "__main__":
    sys.exit(main())
