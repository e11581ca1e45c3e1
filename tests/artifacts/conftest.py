"""A run directory to finish searches in."""

from __future__ import annotations

import pytest

from hpt_spark.artifacts.run_directory import RunDirectory
from tests.artifacts.searches import a_design


@pytest.fixture
def run(tmp_path):
    """A run with a saved design."""
    run = RunDirectory(str(tmp_path / "run"))
    run.save_design(a_design())
    return run
