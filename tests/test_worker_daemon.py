"""The daemon of Spark's Python workers: what it forks has imported what it needs, and looks into no archives."""

from __future__ import annotations

import pytest

from hpt_spark.worker_daemon import drop_spark_archives


@pytest.fixture
def site_packages(tmp_path):
    """A folder in which PySpark and py4j are installed."""
    folder = tmp_path / "site-packages"
    for package in ("pyspark", "py4j"):
        (folder / package).mkdir(parents=True)
        (folder / package / "__init__.py").touch()
    return folder


def test_folders_are_preferred_to_the_archives_of_the_same_pyspark(site_packages):
    own = [str(site_packages / "pyspark" / name) for name in ("python/lib/pyspark.zip", "jars/spark-core.jar")]
    assert drop_spark_archives([*own, str(site_packages)]) == [str(site_packages)]


def test_other_archives_stay(site_packages):
    others = ["/opt/spark/python/lib/pyspark.zip", "/usr/lib/python311.zip", str(site_packages / "mine.zip")]
    assert drop_spark_archives([*others, str(site_packages)]) == [*others, str(site_packages)]


@pytest.mark.parametrize("missing", ["pyspark", "py4j"])
def test_archives_of_what_is_installed_nowhere_else_stay(site_packages, missing):
    (site_packages / missing / "__init__.py").unlink()
    (site_packages / missing).rmdir()
    path = [str(site_packages / "pyspark" / "python" / "lib" / "pyspark.zip"), str(site_packages)]
    assert drop_spark_archives(path) == path


def test_workers_of_our_own_sessions_read_pyspark_from_its_folder_and_look_into_no_archives(spark):
    def look(_):
        import gc
        import sys

        import pyspark

        looked_into = [name for name, importer in sys.path_importer_cache.items() if hasattr(importer, "archive")]
        return pyspark.__file__, gc.get_freeze_count(), looked_into

    (origin, frozen, looked_into), *_ = spark.sparkContext.parallelize(range(2), 2).map(look).collect()
    assert "pyspark.zip" not in origin
    assert frozen > 10_000
    assert looked_into == []
