"""A run that lies in a container, fetched without Hadoop."""

from __future__ import annotations

import pytest

from hpt_spark.artifacts.fetch import fetch
from hpt_spark.artifacts.run_directory import RunDirectory
from hpt_spark.errors import InputError
from tests.artifacts.searches import a_design, finished

pytestmark = pytest.mark.blob


def files_of(folder):
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.fixture
def files(place, tmp_path):
    """The files of a run, which lies in a folder of the container."""
    run = RunDirectory(str(tmp_path / "made"))
    run.save_design(a_design())
    finished(run)
    found = files_of(run.folder.path)
    for name, content in found.items():
        place.put(f"runs/one/{name}", content)
    return found


def test_a_run_comes_from_a_container_as_it_is(place, files, tmp_path):
    copy = tmp_path / "copy"
    assert fetch(f"{place.uri}/runs/one", copy)[0] == len(files) - 1
    assert files_of(copy) == files
    assert fetch(f"{place.uri}/runs/one", copy) == (0, 0)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["copy", "made"]


def test_a_damaged_and_a_missing_blob_are_named(place, files, tmp_path):
    place.put("runs/one/design/columns.csv", b"x" * len(files["design/columns.csv"]))
    with pytest.raises(InputError, match=r"design/columns\.csv has another SHA-256 than the manifest says"):
        fetch(f"{place.uri}/runs/one", tmp_path / "copy")
    place.azurite.service().get_blob_client(place.name, "runs/one/report.html").delete_blob()
    with pytest.raises(InputError, match=r"lacks report\.html, which its manifest names"):
        fetch(f"{place.uri}/runs/one", tmp_path / "copy")
    assert not (tmp_path / "copy").exists()


def test_a_folder_without_a_run_is_told(place, tmp_path):
    place.put("runs/other/notes.txt", b"mine")
    with pytest.raises(InputError, match=r"has no manifest\.json, so that it is no finished run"):
        fetch(f"{place.uri}/runs/other", tmp_path / "copy")
