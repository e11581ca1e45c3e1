"""A job run in this process, and one whole run that the tests only read."""

from __future__ import annotations

from functools import partial

import pytest
import yaml

from tests.jobs.running import GRID, SPARK, copy_of, done_here, run_here


@pytest.fixture
def job():
    """Run a job that needs no Spark in this process; return its exit code and what it printed."""
    return run_here


@pytest.fixture
def spark_job(spark):
    """Run a job in this process on the tests' session; return its exit code and what it printed."""
    return partial(run_here, spark=spark)


# --- one whole run, shared by the tests that only read it ---


@pytest.fixture(scope="session")
def place(raw, spark, tmp_path_factory):
    """A folder with a configuration file, the tables and the design.

    The tables lie in a folder of another alphabet, which Java is to find, too.
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
    (folder / "ingest.txt").write_text(done_here("ingest", "--conf", folder / "conf.yaml"))
    (folder / "build.txt").write_text(done_here("build_features", "--conf", folder / "conf.yaml", spark=spark))
    copy_of(folder / "run", folder / "untuned")
    return folder


@pytest.fixture(scope="session")
def tuned(place, spark):
    """The finished run: tuned and predicted."""
    (place / "tune.txt").write_text(done_here("tune", "--conf", place / "conf.yaml", spark=spark))
    (place / "predict.txt").write_text(done_here("predict", "--conf", place / "conf.yaml"))
    return place


@pytest.fixture
def copied(tuned, tmp_path):
    """A copy of the finished run, to be changed."""
    return copy_of(tuned / "run", tmp_path / "run")


@pytest.fixture
def design_only(place, tmp_path):
    """A run with its design and no search."""
    return copy_of(place / "untuned", tmp_path / "run", design_only=True)
