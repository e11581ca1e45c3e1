"""The data of the benchmarks: generated once by our own jobs, and kept."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

HPT_SPARK = Path(sys.executable).with_name("hpt-spark")


def generated_tables(scale: float, cache: Path) -> Path:
    """Return the folder of the seven zipped CSVs at `scale`; 1.0 is full size."""
    folder = cache / f"scale-{scale}"
    if not folder.exists():
        cache.mkdir(parents=True, exist_ok=True)
        run_job("generate", "--out", folder, "--scale", str(scale), "--seed", "0")
    return folder


def generated_design(scale: float, sets: Sequence[str], cache: Path) -> Path:
    """Return the folder of the design matrix with the feature `sets` of the data at `scale`."""
    run = cache / f"run-{scale}-{'-'.join(sets)}"
    if not (run / "design" / "manifest.json").exists():
        source, tables = generated_tables(scale, cache).resolve(), f"tables.uri={cache / f'tables-{scale}'}"
        run_job("ingest", "--set", f"source.uri={source}", "--set", tables)
        chosen = f"features.sets=[{','.join(sets)}]"
        run_job("build_features", "--set", tables, "--set", f"run.dir={run}", "--set", chosen)
    return run / "design"


def run_job(*words: str | Path) -> None:
    """Run one of our jobs as its user does."""
    subprocess.run([HPT_SPARK, *words], check=True)
