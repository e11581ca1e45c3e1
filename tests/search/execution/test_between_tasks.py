"""A Python worker loses no time between two tasks."""

import gc
import importlib
import sys
import zipfile
from zipimport import zipimporter

import pytest

from hpt_spark.search.execution import between_tasks


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


def test_what_is_imported_is_not_searched_for_garbage_again(archive, monkeypatch):
    monkeypatch.setattr(between_tasks, "_is_frozen", False)
    gc.unfreeze()
    between_tasks.keep_it_short()
    frozen = gc.get_freeze_count()
    assert frozen > 10_000
    between_tasks.keep_it_short()
    assert gc.get_freeze_count() <= frozen, "what a later task leaves is garbage to be found"
