"""Rows per second of `hpt-spark predict --input`, and its memory, beside a loop of one process over the same files.

usage: python bench/predict.py [--rows 10000000] [--columns 20] [--cores 2] [--out docs/benchmarks.md]

The loop reads the same Parquet files batch by batch with pyarrow, and predicts with the same XGBoost model on as many
threads as there are cores. Both write Parquet.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from contextlib import suppress
from pathlib import Path

import numpy as np
import psutil
import pyarrow as pa
import pyarrow.parquet as pq
import yaml
from memory import SECONDS_BETWEEN_SAMPLES, family
from page import page_parser, publish, setting_of_the_run, table

from hpt_spark import load_model

BATCH = 100_000
PACKAGES = ("pyspark", "scikit-learn", "xgboost", "pyarrow")
HPT_SPARK = [str(Path(sys.executable).parent / "hpt-spark")]


def main() -> None:
    """Measure and print."""
    parser = page_parser(__doc__)
    parser.add_argument("--rows", type=int, default=10_000_000)
    parser.add_argument("--columns", type=int, default=20)
    parser.add_argument("--cores", type=int, default=2)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        make_table(folder / "train.parquet", 20_000, options.columns, labelled=True)
        (folder / "new").mkdir()
        for number, start in enumerate(range(0, options.rows, 1_000_000)):
            rows = min(1_000_000, options.rows - start)
            make_table(folder / "new" / f"{number:04}.parquet", rows, options.columns, labelled=False, first=start)
        write_configuration(folder, options.cores)
        job("build_features", folder)
        job("tune", folder)
        one = folder / "one.parquet"
        make_table(one, 1, options.columns, labelled=False)
        start_up, _ = measured("predict", folder, "--input", one, "--output", folder / "one")
        seconds, memory = measured("predict", folder, "--input", folder / "new", "--output", folder / "out")
        code = f"from predict import loop; loop({str(folder)!r}, {options.cores})"
        alone, alone_memory = watched([sys.executable, "-c", code], Path(__file__).parent)
        compare(folder)
    lines = [
        "## Predicting a table",
        "",
        f"{options.rows:,} rows x {options.columns} columns of Parquet, 100 trees 6 deep, equal predictions. "
        f"{setting_of_the_run(PACKAGES)}. One run. *Start* is the same job on one row: Python, the JVM, its workers.",
        "",
        *table(
            ["", ">seconds", ">of these start", ">rows per second", ">MiB at most, by process"],
            [
                [
                    f"`predict --input`, local[{options.cores}]",
                    f"{seconds:.1f}",
                    f"{start_up:.1f}",
                    f"{options.rows / seconds:,.0f}",
                    ", ".join(f"{kind} {size:,}" for kind, size in memory.items()),
                ],
                [
                    f"one process, {options.cores} threads of XGBoost",
                    f"{alone:.1f}",
                    "",
                    f"{options.rows / alone:,.0f}",
                    ", ".join(f"{kind} {size:,}" for kind, size in alone_memory.items()),
                ],
            ],
        ),
    ]
    publish("predict", "\n".join(lines), options.out)


def make_table(file: Path, rows: int, columns: int, *, labelled: bool, first: int = 0) -> None:
    """Write numbers, and two columns of names."""
    draw = np.random.default_rng(first + labelled)
    numbers = {f"x{n}": draw.normal(size=rows) for n in range(columns - 2)}
    names = {f"name{n}": np.array(["a", "b", "c", "d"])[draw.integers(0, 4, rows)] for n in range(2)}
    made = {"id": np.arange(first, first + rows), **numbers, **names}
    if labelled:
        made["y"] = (numbers["x0"] + (names["name0"] == "a") + draw.normal(size=rows) > 0).astype(int)
    pq.write_table(pa.table(made), file, row_group_size=BATCH)


def write_configuration(folder: Path, cores: int) -> None:
    """Write the configuration of the jobs."""
    settings = {
        "features": {"from": "table", "table": {"uri": str(folder / "train.parquet"), "label": "y", "id": "id"}},
        "search": {
            "cv": 2,
            "backend": "joblib",
            "param_grid": {"n_estimators": [100], "max_depth": [6]},
            "estimator_params": {"random_state": 0, "tree_method": "hist"},
        },
        "run": {"dir": str(folder / "run")},
        "spark": {"master": f"local[{cores}]", "conf": {"spark.ui.enabled": False}},
        "tracking": {"mlflow": {"uri": "none"}},
    }
    (folder / "conf.yaml").write_text(yaml.safe_dump(settings), encoding="utf-8")


def job(name: str, folder: Path, *words: object) -> None:
    """Run a job."""
    subprocess.run([*HPT_SPARK, name, "--conf", str(folder / "conf.yaml"), *map(str, words)], check=True)


def measured(name: str, folder: Path, *words: object) -> tuple[float, dict[str, int]]:
    """Run a job; return its seconds and memory."""
    return watched([*HPT_SPARK, name, "--conf", str(folder / "conf.yaml"), *map(str, words)], folder)


def watched(command: list[str], folder: Path) -> tuple[float, dict[str, int]]:
    """Run a command; return its seconds, and the most MiB in memory of a process of each kind."""
    most: dict[str, int] = {}
    started = time.perf_counter()
    with psutil.Popen(command, cwd=folder) as child:
        while child.poll() is None:
            for process in family(child):
                with suppress(psutil.Error):
                    program = "".join(process.cmdline()[:1])
                    if not program:  # it is ending
                        continue
                    kind = "driver" if process == child else "JVM" if "java" in program else "worker"
                    most[kind] = max(most.get(kind, 0), process.memory_info().rss >> 20)
            with suppress(psutil.TimeoutExpired, subprocess.TimeoutExpired):
                child.wait(SECONDS_BETWEEN_SAMPLES)
    if child.returncode:
        raise SystemExit(f"{command[0]} ended with {child.returncode}")
    return time.perf_counter() - started, most


def loop(folder: str, cores: int) -> None:
    """Predict the table as one process does without Spark, batch by batch."""
    model = load_model(f"{folder}/run")
    model.estimator.set_params(n_jobs=cores)
    (Path(folder) / "alone").mkdir()
    for file in sorted(Path(folder, "new").glob("*.parquet")):
        writer = None
        for batch in pq.ParquetFile(file).iter_batches(BATCH):
            found = model.outputs_of(model.transform(batch))
            rows = pa.table({"id": batch.column("id"), **dict(zip(found.column_names, found.columns))})
            writer = writer or pq.ParquetWriter(Path(folder, "alone", file.name), rows.schema)
            writer.write_table(rows)
        if writer:
            writer.close()


def compare(folder: Path) -> None:
    """Raise where the two predictions differ."""
    ours, theirs = (pq.read_table(folder / name).sort_by("id") for name in ("out", "alone"))
    if not all(ours.column(name).equals(theirs.column(name)) for name in theirs.column_names):
        raise SystemExit("the predictions differ")


if __name__ == "__main__":
    main()
