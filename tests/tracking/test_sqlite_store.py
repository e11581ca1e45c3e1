"""A new SQLite store of MLflow is there with all its tables, or not at all."""

from __future__ import annotations

import os
import resource

import pytest

pytestmark = pytest.mark.mlflow


def test_a_disk_that_takes_a_part_of_the_tables_keeps_none_of_them(tmp_path):
    from mlflow.tracking import MlflowClient

    from hpt_spark.tracking.sqlite_store import make_sqlite_store

    uri = f"sqlite:///{tmp_path}/mlflow.db"
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (300_000, hard))
    try:
        with pytest.raises(Exception, match="disk"):
            make_sqlite_store(uri)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert os.listdir(tmp_path) == []
    make_sqlite_store(f"{uri}?timeout=60")
    assert os.listdir(tmp_path) == ["mlflow.db"]
    (default,) = MlflowClient(uri).search_experiments()
    # Not in the folder of a search's history, which is deleted at its end.
    assert default.artifact_location == (tmp_path / "mlartifacts" / "0").as_uri()
