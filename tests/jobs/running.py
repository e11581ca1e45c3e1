"""How the tests run jobs, and what they look at afterwards."""

from __future__ import annotations

import csv
import dataclasses
import hashlib
import importlib
import io
import json
import logging
import os
import re
import shutil
import signal
import subprocess
import sys
import zipfile
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path
from typing import Any

import pytest

from hpt_spark.cli import run_job
from hpt_spark.matrix.design import DesignMatrix
from hpt_spark.spark import session

ROOT = Path(__file__).parent.parent.parent
BIN = Path(sys.executable).parent
GRID = {"n_estimators": [3, 5], "max_depth": [2]}
# As many trainings as fits, so that a kill comes between two of them.
SLOW_GRID = {"n_estimators": [40], "max_depth": [2, 3], "learning_rate": [0.05, 0.1, 0.2]}
ONCE = ("seconds", "attempt", "command")  # of a manifest, what is not the same elsewhere
PLACES = ("source", "tables", "run", "spark", "submit")  # sections that tell where, not what
TIMES = re.compile(r"(mean|std)_(fit|score)_time")
SPARK = {"master": "local[2]", "conf": {"spark.ui.enabled": False, "spark.sql.shuffle.partitions": 2}}


# --- how a job is run ---


def environment() -> dict[str, str]:
    return {**os.environ, "PATH": f"{BIN}{os.pathsep}{os.environ['PATH']}"}


def run(*words: str | Path, timeout: float = 900, **variables: str) -> subprocess.CompletedProcess[str]:
    """Run a command as a user does, outside the checkout."""
    return subprocess.run(
        list(map(str, words)),
        capture_output=True,
        text=True,
        env={**environment(), **variables},
        timeout=timeout,
        check=False,
        cwd="/",
    )


def done(*words: str | Path, **variables: str) -> str:
    """Run a command that must succeed and return what it printed."""
    answer = run(*words, **variables)
    assert answer.returncode == 0, answer.stdout + answer.stderr
    assert "Traceback" not in answer.stderr
    return answer.stdout


def run_here(name: str, *argv: str | Path, spark: Any = None) -> tuple[int, str, str]:
    """Run a job in this process; return its exit code and what it printed.

    A job that needs Spark takes the session `spark`, as it takes one that it has started before, and leaves it running.
    """
    module = importlib.import_module(f"jobs.{name}")
    before, level = signal.getsignal(signal.SIGTERM), logging.getLogger("hpt_spark").level
    out, err = io.StringIO(), io.StringIO()
    with pytest.MonkeyPatch.context() as patch, redirect_stdout(out), redirect_stderr(err):
        patch.setattr(session, "_kept", [spark] if spark is not None else [])
        try:
            options, more_options = (getattr(module, name, None) for name in ("options", "more_options"))
            code = run_job(module.main, module.__doc__, options, list(map(str, argv)), more_options)
        finally:
            signal.signal(signal.SIGTERM, before)
            logging.getLogger("hpt_spark").setLevel(level)
    return code, out.getvalue(), err.getvalue()


def done_here(name: str, *argv: str | Path, spark: Any = None) -> str:
    """Run a job in this process that must succeed and return what it printed."""
    code, out, err = run_here(name, *argv, spark=spark)
    assert code == 0, out + err
    return out


def set_words(*settings: str) -> list[str]:
    return [word for setting in settings for word in ("--set", setting)]


def settings(run_dir: Path, *more: str) -> list[str]:
    return set_words(f"run.dir={run_dir}", *more)


def grid(values: object) -> str:
    return f"search.param_grid={json.dumps(values)}"


# --- what lies on disk ---


def state(folder: Path) -> dict[str, str]:
    """Return the digest of every file below `folder`."""
    files = [path for path in folder.rglob("*") if path.is_file()]
    return {str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def rows_of(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def read_manifest(run_dir: Path) -> dict[str, Any]:
    return json.loads((run_dir / "manifest.json").read_text())


def split_scores(run_dir: Path) -> list[dict[str, str]]:
    """Return the text of every split's score: equal texts are equal floats."""
    return [
        {name: value for name, value in row.items() if name.startswith(("split", "param", "rank", "mean_test"))}
        for row in rows_of(run_dir / "cv_results.csv")
    ]


def ids_of_test_file(raw: Path) -> list[str]:
    with zipfile.ZipFile(raw / "gender_age_test.csv.zip") as archive:
        lines = archive.read(archive.namelist()[0]).decode("utf-8").splitlines()
    return lines[1:]


def copy_of(run_dir: Path, target: Path, *, design_only: bool = False) -> Path:
    if design_only:
        shutil.copytree(run_dir / "design", target / "design")
    else:
        shutil.copytree(run_dir, target)
    return target


def change_design(run_dir: Path, **changes: object) -> None:
    folder = run_dir / "design"
    design = dataclasses.replace(DesignMatrix.load(folder), **changes)
    shutil.rmtree(folder)
    folder.mkdir()
    design.save(folder)


def one_sentence(err: str) -> str:
    """Return what a job says of a user's mistake, after a look at its form."""
    assert "Traceback" not in err
    lines = [line for line in err.splitlines() if line]
    if lines[:1] == ["hpt-spark: the configuration is wrong:"]:
        assert len(lines) == 2, err
        return lines[1]
    assert len(lines) == 1, err
    assert lines[0].startswith("hpt-spark: ")
    return lines[0].removeprefix("hpt-spark: ")


def fetched(uri: str, target: Path) -> Path:
    """Copy a folder of HDFS to `target`; needs a running Spark."""
    from hpt_spark.storage.hadoop_files import HadoopFiles

    HadoopFiles(uri).download(uri, target)
    return target


def comparable_manifest(run_dir: Path) -> dict[str, Any]:
    """Return a manifest's statements on the search, not on its place or pipeline; the files are compared themselves."""
    told = {key: value for key, value in read_manifest(run_dir).items() if key not in ONCE}
    told["configuration"] = {key: value for key, value in told["configuration"].items() if key not in PLACES}
    told["files"] = sorted(name for name in told["files"] if not name.startswith(("journal/", "pipeline.json")))
    return told


def fits_of(path: Path) -> dict[str, Any]:
    """Return which fits a timeline tells of, without when and where they ran."""
    told = json.loads(path.read_text())
    return {"fits": sorted(fit for training in told["trainings"] for fit in training["fits"]), "refit": "refit" in told}


def sections_of(path: Path) -> dict[str, str]:
    """Return the sections of a report; those on time and on the configuration are empty, and times are cut out."""
    sections = dict(re.findall(r'<section id="(\w+)"(.*?)</section>', path.read_text(), re.DOTALL))
    assert {"best", "candidates", "time", "settings"} <= set(sections)
    sections["best"] = re.sub(r"<dt>fit</dt><dd>.*?</dd>", "", sections["best"])

    def without_seconds(found: re.Match[str]) -> str:
        data = json.loads(found[1])
        at = [column["name"] for column in data["columns"]].index("fit seconds")
        return json.dumps({**data, "rows": [row[:at] + row[at + 1 :] for row in data["rows"]]})

    table = r'(?<=id="candidates-data">)(.*?)(?=</script>)'
    sections["candidates"] = re.sub(table, without_seconds, sections["candidates"], flags=re.DOTALL)
    return {**sections, "time": "", "settings": ""}


def contents(folder: Path) -> dict[str, object]:
    """Return all that a run leaves but its times, places and attempts; journal, lock and status are left out."""
    found: dict[str, object] = {}
    for path in sorted(path for path in folder.rglob("*") if path.is_file()):
        name = str(path.relative_to(folder))
        if name.startswith(("raw/", "run/journal/")) or name == "run/status.json":
            continue
        if name == "run/cv_results.csv":
            with path.open(newline="") as file:
                rows = list(csv.DictReader(file))
            found[name] = [{key: row[key] for key in row if not TIMES.fullmatch(key)} for row in rows]
        elif name == "run/manifest.json":
            found[name] = comparable_manifest(path.parent)
        elif name == "run/timeline.json":
            found[name] = fits_of(path)
        elif name == "run/report.html":
            found[name] = sections_of(path)
        else:
            found[name] = path.read_bytes()
    return found
