"""What the tests of the search share."""

import pytest

from hpt_spark.search.execution import spark_runner
from hpt_spark.search.execution.spark_job import SparkJob
from tests.search.strategies.curves_by_hand import plain_scores
from tests.search.without_spark import without_spark


@pytest.fixture
def marks(tmp_path):
    """The folder in which the fits of `Misbehaving` leave marks."""
    folder = tmp_path / "marks"
    folder.mkdir()
    return folder


@pytest.fixture
def no_spark():
    """Searches whose fits run in this process."""
    with without_spark():
        yield


@pytest.fixture
def jobs(monkeypatch):
    """The jobs that searches start."""
    started = []

    class Noted(SparkJob):
        def start(self):
            started.append(self)
            super().start()

    monkeypatch.setattr(spark_runner, "SparkJob", Noted)
    return started


@pytest.fixture(scope="session")
def plain():
    """scikit-learn's scores of the curves in `curves_by_hand`."""
    return plain_scores()
