"""A run copied to a folder: whole and verified, or nothing."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from pathlib import Path

import pytest

from hpt_spark.artifacts import fetch as fetching
from hpt_spark.artifacts.fetch import fetch
from hpt_spark.artifacts.finished_search import announce
from hpt_spark.artifacts.run_directory import RunDirectory
from hpt_spark.errors import InputError
from tests.artifacts.searches import finished


@pytest.fixture
def source(run):
    """A finished run with a journal."""
    (run.folder.path / "journal").mkdir()
    (run.folder.path / "journal" / "context.json").write_text("{}")
    finished(run)
    return run


def content(folder):
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def left_beside(folder):
    return [path.name for path in folder.parent.iterdir() if path.name not in (folder.name, "run")]


def test_everything_in_a_run_is_in_its_manifest_with_size_and_digest(source):
    (source.folder.path / "submission.csv").write_text("later")
    source.record("submission.csv")
    found = content(source.folder.path)
    del found["manifest.json"]
    assert source.manifest()["files"] == {
        name: {"size": len(file), "sha256": hashlib.sha256(file).hexdigest()} for name, file in found.items()
    }
    assert {"journal/context.json", "design/X_train.npz", "report.html", "submission.csv"} <= set(found)


def test_a_log_of_the_user_s_that_grows_in_a_run_is_no_part_of_it(source, tmp_path):
    log = source.folder.path / "tune.log"
    log.write_text("best of 4 candidates")
    source.finish(source.manifest())
    log.write_text("best of 4 candidates, and what was said then")
    fetch(source.uri, tmp_path / "copy")
    assert {*content(tmp_path / "copy"), "tune.log"} == set(content(source.folder.path))


def test_the_digest_of_a_manifest_leaves_out_what_later_jobs_add(source):
    before = source.manifest_digest()
    (source.folder.path / "submission.csv").write_text("later")
    source.record("submission.csv")
    assert source.manifest_digest() == before
    manifest = source.manifest()
    source.finish({**manifest, "seconds": 3})
    assert source.manifest_digest() != before


def test_a_copy_is_the_run_and_a_second_one_does_nothing(source, tmp_path):
    copy = tmp_path / "new" / "copy"
    files, size = fetch(source.uri, copy)
    assert content(copy) == content(source.folder.path)
    sizes = {name: len(file) for name, file in content(copy).items() if name != "manifest.json"}
    assert (files, size) == (len(sizes), sum(sizes.values()))
    assert fetch(source.uri, copy) == (0, 0)
    assert os.listdir(copy.parent) == ["copy"]
    assert RunDirectory(str(copy)).finished_manifest() == source.manifest()


def test_what_has_come_does_not_come_again(source, tmp_path, monkeypatch):
    copy, copied, original = tmp_path / "copy", [], fetching._Run.copy

    def breaking(self, name, *arguments):
        if len(copied) == 3:
            raise ConnectionError("gone")
        copied.append(name)
        original(self, name, *arguments)

    monkeypatch.setattr(fetching._Run, "copy", breaking)
    with pytest.raises(ConnectionError):
        fetch(source.uri, copy)
    assert not copy.exists()
    monkeypatch.setattr(fetching._Run, "copy", original)
    spoilt = tmp_path / ".fetching.copy" / copied[0]
    spoilt.write_bytes(b"x" * spoilt.stat().st_size)
    files, _ = fetch(source.uri, copy)
    assert files == len(source.manifest()["files"]) - 2
    assert content(copy) == content(source.folder.path)
    assert left_beside(copy) == []


@pytest.mark.parametrize("moment", ["before the claim", "during the removal"])
def test_another_process_may_remove_or_claim_the_folder_at_any_moment(source, tmp_path, monkeypatch, moment):
    copy, staging = tmp_path / "copy", tmp_path / ".fetching.copy"
    claimed, rmdir, raced = fetching.claimed, os.rmdir, []

    def claimed_late(folder):
        if not raced:
            raced.append(folder)
            folder.rmdir()  # as its last holder does when it has finished
        return claimed(folder)

    def rmdir_late(path, **where):
        if not raced and not (staging / ".lock").exists() and os.path.basename(path) == staging.name:
            raced.append(path)
            (staging / ".lock").touch()  # as another process does that wants the same copy
        rmdir(path, **where)

    if moment == "before the claim":
        monkeypatch.setattr(fetching, "claimed", claimed_late)
    else:
        monkeypatch.setattr(os, "rmdir", rmdir_late)
    fetch(source.uri, copy)
    assert len(raced) == 1
    assert content(copy) == content(source.folder.path)


@pytest.mark.parametrize("removed", ["the run", "what has arrived"])
def test_a_folder_that_is_removed_meanwhile_is_told(source, tmp_path, monkeypatch, removed):
    """As by a search with --overwrite, or by a person."""
    staging, copied, original = tmp_path / ".fetching.copy", [], fetching._Run.copy

    def removing(self, name, file, target):
        if len(copied) == 3:
            shutil.rmtree(source.folder.path if removed == "the run" else staging)
        copied.append(name)
        original(self, name, file, target)

    monkeypatch.setattr(fetching._Run, "copy", removing)
    said = {
        "the run": rf"^{source.uri} lacks design/\S+, which its manifest names; run",
        "what has arrived": rf"^somebody has removed {staging}/\S+, which had arrived; fetch again\.$",
    }
    with pytest.raises(InputError, match=said[removed]):
        fetch(source.uri, tmp_path / "copy")
    assert not (tmp_path / "copy").exists()


@pytest.mark.long
def test_a_newer_run_replaces_an_earlier_copy(source, tmp_path):
    copy = tmp_path / "copy"
    fetch(source.uri, copy)
    (source.folder.path / "submission.csv").write_text("later")
    (source.folder.path / "report.html").write_text("another")
    source.folder.delete("sweeping_results.txt")
    source.record("submission.csv", "report.html", "sweeping_results.txt")
    fetch(source.uri, copy)
    assert content(copy) == content(source.folder.path)
    (copy / "report.html").unlink()
    fetch(source.uri, copy)
    assert content(copy) == content(source.folder.path)


@pytest.mark.parametrize("name", ["notes.txt", "design/mine.csv", "report.html"])
def test_a_file_of_somebody_else_is_left_alone(name, source, tmp_path):
    copy = tmp_path / "copy"
    fetch(source.uri, copy)
    (copy / name).write_text("mine")
    before = content(copy)
    (source.folder.path / "submission.csv").write_text("later")
    source.record("submission.csv")
    with pytest.raises(InputError, match=f"holds {name}, which is not as a copy of a run has it; nothing was changed"):
        fetch(source.uri, copy)
    assert content(copy) == before
    assert left_beside(copy) == []


def test_a_file_in_the_place_of_the_folder_is_refused(source, tmp_path):
    (tmp_path / "copy").write_text("mine")
    with pytest.raises(InputError, match="is a file where a folder is needed"):
        fetch(source.uri, tmp_path / "copy")
    with pytest.raises(InputError, match="name a folder in it"):
        fetch(source.uri, Path("/"))


@pytest.mark.parametrize("damage", ["deleted", "shorter", "a flipped bit", "two deleted"])
def test_a_damaged_run_is_told_in_a_sentence_and_nothing_is_there(damage, source, tmp_path):
    file = source.folder.path / "design" / "X_train.npz"
    was = file.read_bytes()
    said = {
        "deleted": "lacks design/X_train.npz, which its manifest names",
        "two deleted": "lacks design/X_train.npz and 1 more files, which",
        "shorter": rf"X_train.npz has {len(was) - 1:,} bytes instead of {len(was):,} than the manifest says",
        "a flipped bit": "X_train.npz has another SHA-256 than the manifest says",
    }[damage]
    if "deleted" in damage:
        file.unlink()
        if damage == "two deleted":
            (source.folder.path / "report.html").unlink()
    else:
        file.write_bytes(was[:-1] if damage == "shorter" else bytes([was[0] ^ 1]) + was[1:])
    copy = tmp_path / "copy"
    with pytest.raises(InputError, match=said):
        fetch(source.uri, copy)
    assert not copy.exists()
    file.write_bytes(was)
    if damage == "two deleted":
        return
    fetch(source.uri, copy)
    assert content(copy) == content(source.folder.path)


NAMES = ["../outside", "/outside", "design/../../outside", "", ".", "manifest.json", ".lock"]


@pytest.mark.parametrize(
    "manifest",
    [
        "",
        "[]",
        "{}",
        '{"files": {"a": 1}}',
        *(json.dumps({"files": {name: {"size": 0, "sha256": ""}}}) for name in NAMES),
    ],
)
def test_a_manifest_that_says_nothing_usable_is_refused(manifest, source, tmp_path):
    (source.folder.path / "manifest.json").write_text(manifest)
    with pytest.raises(InputError, match=r"manifest.json is damaged, so that nothing can be verified"):
        fetch(source.uri, tmp_path / "copy")
    assert not (tmp_path / "copy").exists()
    assert left_beside(tmp_path / "copy") == []


def test_a_folder_that_is_no_finished_run_is_refused(run, tmp_path):
    for uri in (run.uri, str(tmp_path / "nowhere")):
        with pytest.raises(InputError, match=r"has no manifest[.]json, so that it is no finished run"):
            fetch(uri, tmp_path / "copy")
    assert left_beside(tmp_path / "copy") == []


@pytest.mark.long
def test_a_run_on_a_hadoop_file_system_comes_the_same_way(source, tmp_path, spark, monkeypatch):
    from hpt_spark.storage.hadoop import HadoopFolder

    monkeypatch.setattr(fetching, "open_folder", HadoopFolder.open)
    fetch(f"file://{source.folder.path}", tmp_path / "copy")
    assert content(tmp_path / "copy") == content(source.folder.path)


def test_what_is_written_after_the_manifest_is_in_it_when_the_search_has_been_told(source):
    (source.folder.path / "status.json").write_text("it has ended")
    announce(source)
    assert set(source.manifest()["files"]) == set(content(source.folder.path)) - {"manifest.json"}
