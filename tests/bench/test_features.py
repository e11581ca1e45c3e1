"""What the benchmark of the features writes, and when it refuses to."""

import subprocess
import sys
from pathlib import Path

import pytest

from bench import features
from bench.pandas_pipeline import build
from tests.bench.test_pandas_pipeline import write_tables


def test_different_results_are_refused(tmp_path):
    folder = write_tables(tmp_path)
    build(folder).save(tmp_path / "fractions")
    build(folder).save(tmp_path / "again")
    build(folder, encoding="indicator").save(tmp_path / "ones")
    assert features.compare(tmp_path / "fractions", tmp_path / "again").startswith("equal")
    with pytest.raises(features.UnequalError, match="values differ"):
        features.compare(tmp_path / "fractions", tmp_path / "ones")


@pytest.mark.process
def test_it_explains_itself():
    script = Path(__file__).parents[2] / "bench" / "features.py"
    got = subprocess.run([sys.executable, script, "--help"], capture_output=True, text=True, check=True)
    assert "--skip-pandas" in got.stdout
