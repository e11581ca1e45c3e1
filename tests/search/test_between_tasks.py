"""A Python worker loses no time between two tasks."""

import gc
import importlib
import sys
import zipfile
from zipimport import zipimporter

import pytest

from hpt_spark.search import between_tasks
from hpt_spark.worker_daemon import without_the_zipped_copy


@pytest.fixture
def archive(tmp_path, monkeypatch):
    """An archive with two modules, from which Python imports."""
    path = tmp_path / "packed.zip"
    with zipfile.ZipFile(path, "w") as file:
        file.writestr("packed_first.py", "number = 1")
        file.writestr("packed_second.py", "number = 2")
    monkeypatch.syspath_prepend(str(path))
    yield str(path)
    for name in ("packed_first", "packed_second"):
        sys.modules.pop(name, None)
    gc.unfreeze()


def test_archives_are_left_and_can_still_be_imported_from(archive):
    assert importlib.import_module("packed_first").number == 1
    assert isinstance(sys.path_importer_cache[archive], zipimporter)
    between_tasks.keep_it_short()
    assert not any(isinstance(importer, zipimporter) for importer in sys.path_importer_cache.values())
    assert importlib.import_module("packed_second").number == 2


def test_what_is_imported_is_not_searched_for_garbage_again(archive):
    gc.unfreeze()
    between_tasks.keep_it_short()
    frozen = gc.get_freeze_count()
    assert frozen > 10_000
    between_tasks.keep_it_short()
    assert gc.get_freeze_count() <= frozen, "what a later task leaves is garbage to be found"


def test_the_folder_of_pyspark_is_preferred_to_its_own_zip_and_to_no_other(tmp_path):
    home = tmp_path / "site-packages" / "pyspark"
    (home / "python" / "lib").mkdir(parents=True)
    (home / "__init__.py").touch()
    own, of_a_cluster = str(home / "python" / "lib" / "pyspark.zip"), "/opt/spark/python/lib/pyspark.zip"
    folder = str(home.parent)
    assert without_the_zipped_copy([own, folder]) == [folder]
    assert without_the_zipped_copy([of_a_cluster, folder]) == [of_a_cluster, folder]
    assert without_the_zipped_copy([own, str(tmp_path)]) == [own, str(tmp_path)]


def test_workers_of_our_own_sessions_read_pyspark_from_its_folder(spark):
    def look(_):
        import gc

        import pyspark

        return pyspark.__file__, gc.get_freeze_count()

    (origin, frozen), *_ = spark.sparkContext.parallelize(range(2), 2).map(look).collect()
    assert "pyspark.zip" not in origin
    assert frozen > 10_000
