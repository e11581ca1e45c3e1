"""A job run in this process, and one whole run that the tests only read."""

from __future__ import annotations

import importlib
import signal
from pathlib import Path

import pytest
import yaml

from hpt_spark.cli import run_job
from tests.jobs.running import (
    BIN,
    GRID,
    ROOT,
    SPARK,
    copy_of,
    done,
)


@pytest.fixture
def job(capsys, monkeypatch):
    """Run a job that needs no fresh JVM in this process; return its exit code and what it printed."""

    def call(name: str, *argv: str | Path) -> tuple[int, str, str]:
        module = importlib.import_module(f"jobs.{name}")
        before = signal.getsignal(signal.SIGTERM)
        capsys.readouterr()
        try:
            options, more_options = (getattr(module, name, None) for name in ("options", "more_options"))
            code = run_job(module.main, module.__doc__, options, list(map(str, argv)), more_options)
        finally:
            signal.signal(signal.SIGTERM, before)
        out, err = capsys.readouterr()
        return code, out, err

    return call


# --- one whole run, shared by the tests that only read it ---


@pytest.fixture(scope="session")
def place(raw, tmp_path_factory):
    """A folder with a configuration file, the tables and the design.

    The tables lie in a folder of another alphabet, which Java is to find under LC_ALL=C too.
    """
    folder = tmp_path_factory.mktemp("jobs")
    (folder / "tables").symlink_to(folder / "таблицы")
    conf = {
        "source": {"uri": str(raw)},
        "tables": {"uri": str(folder / "tables")},
        "features": {"sets": ["brand_model", "weekday", "category"]},
        "search": {"cv": 2, "param_grid": GRID},
        "run": {"dir": str(folder / "run")},
        "spark": SPARK,
    }
    (folder / "conf.yaml").write_text(yaml.safe_dump(conf), encoding="utf-8")
    (folder / "ingest.txt").write_text(done(BIN / "hpt-spark", "ingest", "--conf", folder / "conf.yaml"))
    build = [BIN / "hpt-spark", "build_features", "--conf", folder / "conf.yaml"]
    (folder / "build.txt").write_text(done(*build, LC_ALL="C"))
    copy_of(folder / "run", folder / "untuned")
    return folder


@pytest.fixture(scope="session")
def tuned(place):
    """The finished run: tuned by plain spark-submit, then predicted and reported."""
    jobs = ROOT / "jobs"
    (place / "tune.txt").write_text(done(BIN / "spark-submit", jobs / "tune.py", "--conf", place / "conf.yaml"))
    (place / "predict.txt").write_text(done(BIN / "hpt-spark", "predict", "--conf", place / "conf.yaml"))
    return place


@pytest.fixture
def copied(tuned, tmp_path):
    """A copy of the finished run, to be changed."""
    return copy_of(tuned / "run", tmp_path / "run")


@pytest.fixture
def design_only(place, tmp_path):
    """A run with its design and no search."""
    return copy_of(place / "untuned", tmp_path / "run", design_only=True)
