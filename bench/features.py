"""From zipped CSVs to the design matrix: our two jobs beside single pandas processes.

usage: python bench/features.py --scale 0.1 1.0 4.0 --skip-pandas 4.0 --repeat 3 --out docs/benchmarks.md
   or: python bench/features.py --data FOLDER

The peer is `plain_pandas.py`, pandas as a careful user writes it. `pandas_pipeline.py`, written by
hand around a streaming reader and sparse products, shows what one process can do at best. All read
the same files in the same run, each in processes of its own, and their matrices are compared: a
figure is printed only for equal results.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import tempfile
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from generated import HPT_SPARK, generated_tables
from memory import Usage, measure
from page import page_parser, publish, setting_of_the_run
from scipy import sparse

PEER = "plain pandas, one process"
SINGLE_PROCESSES = {
    PEER: Path(__file__).with_name("plain_pandas.py"),
    "hand-written streaming, sparse products, one process": Path(__file__).with_name("pandas_pipeline.py"),
}
TOLERANCE = 1e-6
CHOICES: dict[str, Callable[[Iterable[float]], float]] = {"best": min, "median": statistics.median}


class UnequalError(Exception):
    """Two pipelines gave different results."""


@dataclass(frozen=True)
class Bench:
    """What one data set gave: per pipeline the usage of each repetition, and how the results compare."""

    name: str
    usages: dict[str, list[Usage]]
    comparison: str


def main() -> int:
    """Run the benchmark and print its table; the exit code is 1 if the results differ."""
    options = parse_arguments()
    benches = []
    for name, data in data_sets(options):
        try:
            benches.append(run(name, data, options))
        except (RuntimeError, UnequalError) as problem:
            print(f"{name}: {problem}", file=sys.stderr)
            return 1
    text = page(benches, options)
    publish("features", text, options.out)
    return 0


def parse_arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = page_parser(__doc__)
    source = parser.add_mutually_exclusive_group()
    source.add_argument("--scale", type=float, nargs="+", default=[0.1], help="of generated data; 1.0 is full size")
    source.add_argument("--data", type=Path, help="folder with the seven tables, instead of generated ones")
    parser.add_argument("--cache", type=Path, default=Path("data/bench"), help="keeps the generated data")
    parser.add_argument("--skip-pandas", type=float, nargs="+", default=[], metavar="SCALE", help="only our jobs here")
    parser.add_argument("--repeat", type=int, default=1, help="how often each pipeline runs, by turns")
    parser.add_argument("--take", choices=CHOICES, default="best", help="which of the repetitions to report")
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help="a setting for our jobs")
    return parser.parse_args()


def data_sets(options: argparse.Namespace) -> Iterator[tuple[str, Path]]:
    """Yield name and folder of each data set; generate those that the cache lacks."""
    if options.data:
        yield str(options.data), options.data
        return
    for scale in options.scale:
        yield f"scale {scale}", generated_tables(scale, options.cache)


def run(name: str, data: Path, options: argparse.Namespace) -> Bench:
    """Run the pipelines by turns on one data set and compare their first results."""
    with_pandas = name not in {f"scale {scale}" for scale in options.skip_pandas}
    usages: dict[str, list[Usage]] = {}
    comparison = "our jobs only, nothing to compare with"
    for turn in range(options.repeat):
        with tempfile.TemporaryDirectory(prefix="hpt-bench-") as temporary:
            place = Path(temporary)
            took = run_ours(data, place, options.set)
            if with_pandas:
                took |= {name: run_alone(script, data, place) for name, script in SINGLE_PROCESSES.items()}
            for pipeline, usage in took.items():
                usages.setdefault(pipeline, []).append(usage)
                print(f"{name}, turn {turn + 1}, {pipeline}: {usage}", file=sys.stderr)
            if with_pandas and turn == 0:
                comparison, *_ = [
                    compare(place / script.stem, place / "run" / "design") for script in SINGLE_PROCESSES.values()
                ]
    return Bench(name, usages, comparison)


def run_alone(script: Path, data: Path, place: Path) -> Usage:
    """Run a pipeline that is one process; its results go into a folder of its name."""
    return measure([sys.executable, script, "--data", data, "--out", place / script.stem], place / f"{script.stem}.log")


def run_ours(data: Path, place: Path, settings: list[str]) -> dict[str, Usage]:
    """Run our jobs as their user does, one after the other."""
    extra = [word for setting in settings for word in ("--set", setting)]
    tables = ["--set", f"tables.uri={place / 'tables'}"]
    ingest: list[str | Path] = [HPT_SPARK, "ingest", "--set", f"source.uri={data.resolve()}", *tables, *extra]
    build: list[str | Path] = [HPT_SPARK, "build_features", *tables, "--set", f"run.dir={place / 'run'}", *extra]
    ingested = measure(ingest, place / "ingest.log")
    built = measure(build, place / "build_features.log")
    return {"ingest + build_features": ingested.then(built), "- ingest": ingested, "- build_features": built}


def compare(theirs: Path, ours: Path) -> str:
    """Say how closely two designs agree.

    Parameters
    ----------
    theirs, ours : Path
        Folders with the files of a design.

    Returns
    -------
    str

    Raises
    ------
    UnequalError
        If shapes, columns, classes, rows or targets differ, or a value by more than 1e-6.
    """
    require(read_columns(theirs) == read_columns(ours), "the columns differ")
    require(read_classes(theirs) == read_classes(ours), "the classes differ")
    for name in ("y_train", "train_device_ids", "test_device_ids"):
        require(np.array_equal(np.load(theirs / f"{name}.npy"), np.load(ours / f"{name}.npy")), f"{name} differs")
    shapes, largest = [], 0.0
    for name in ("X_train", "X_test"):
        their_values, our_values = sparse.load_npz(theirs / f"{name}.npz"), sparse.load_npz(ours / f"{name}.npz")
        require(their_values.shape == our_values.shape, f"{name} is {our_values.shape}, not {their_values.shape}")
        # A stored zero is a value to XGBoost, and one that is not stored is missing.
        require(their_values.nnz == our_values.nnz, f"{name} has {our_values.nnz} values, not {their_values.nnz}")
        largest = max(largest, float(abs(their_values - our_values).max()))
        shapes.append(f"{name} {our_values.shape[0]:,} x {our_values.shape[1]:,} with {our_values.nnz:,} values")
    require(largest <= TOLERANCE, f"values differ by up to {largest}")
    return f"equal; {', '.join(shapes)}; largest difference {largest:.1g}"


def require(agree: bool, otherwise: str) -> None:
    """Raise `UnequalError` unless the results agree."""
    if not agree:
        raise UnequalError(f"the results are not equal: {otherwise}")


def read_columns(folder: Path) -> list[tuple[str, str]]:
    """Return block and term of every column."""
    columns = pd.read_csv(folder / "columns.csv", dtype=str, keep_default_na=False)
    return list(columns[["block", "term"]].itertuples(index=False, name=None))


def read_classes(folder: Path) -> list[str]:
    """Return the classes of a design."""
    classes: list[str] = json.loads((folder / "classes.json").read_text(encoding="utf-8"))
    return classes


def page(benches: list[Bench], options: argparse.Namespace) -> str:
    """Lay the measurements out as Markdown."""
    lines = [
        "## From zipped CSVs to the design matrix",
        "",
        f"{setting_of_the_run(('pyspark', 'pandas', 'pyarrow', 'scipy'))}.",
        f"Each figure is the {options.take} of {options.repeat} runs, the pipelines by turns; the peak is the highest.",
        "Seconds are wall-clock and include the start of Python and the JVM; CPU seconds and memory are of all the",
        "processes of a pipeline together. All pipelines read the same files and give the same matrices.",
        "",
        f"| data | pipeline | seconds | times {PEER} | CPU seconds | peak memory, MB |",
        "|---|---|---:|---:|---:|---:|",
    ]
    lines += [line for bench in benches for line in rows(bench, options.take)]
    lines += ["", *(f"- {bench.name}: {bench.comparison}" for bench in benches)]
    return "\n".join(lines)


def rows(bench: Bench, take: str) -> Iterator[str]:
    """Yield a line of the table for each pipeline."""
    seconds = {name: CHOICES[take](usage.seconds for usage in usages) for name, usages in bench.usages.items()}
    peer = seconds.get(PEER)
    for name, usages in sorted(bench.usages.items(), key=lambda item: item[0] != PEER):
        ratio = f"{seconds[name] / peer:.2f}" if peer else ""
        cpu = CHOICES[take](usage.cpu_seconds for usage in usages)
        peak = max(usage.peak_bytes for usage in usages) / 1e6
        yield f"| {bench.name} | {name} | {seconds[name]:.1f} | {ratio} | {cpu:.1f} | {peak:,.0f} |"


if __name__ == "__main__":
    sys.exit(main())
