"""The archive of Java's classes is used when it is whole, and only then."""

from __future__ import annotations

import subprocess
import sys

import pytest

from hpt_spark import class_archive, warm_up

WITHOUT_THE_OPTION = """
import sys
from pathlib import Path
from hpt_spark import class_archive
class_archive.FOLDER = Path(sys.argv.pop(1))
class_archive.options_to_make = lambda unfinished: ()
from hpt_spark import warm_up
sys.exit(warm_up.run_job(warm_up.main, None, options=lambda parser: None))
"""
MAPPED = """
import sys
from hpt_spark import class_archive
from pathlib import Path
class_archive.FOLDER = Path(sys.argv[1])
from hpt_spark.sections import SparkSection
from hpt_spark.session import spark_session
with spark_session("build_features", SparkSection(master="local[1]")) as spark:
    java = spark.sparkContext._gateway.proc.pid
    print([line for line in open(f"/proc/{java}/maps") if line.endswith(".jsa\\n") and sys.argv[1] in line] != [])
"""
WARM_UP = """
import sys
from pathlib import Path
from hpt_spark import class_archive
class_archive.FOLDER = Path(sys.argv.pop(1))
from hpt_spark import warm_up
sys.exit(warm_up.run_job(warm_up.main, None, options=lambda parser: None))
"""


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.setattr(class_archive, "FOLDER", tmp_path)
    return tmp_path


def run(script: str, *arguments: object) -> subprocess.CompletedProcess[str]:
    words = [sys.executable, "-c", script, *map(str, arguments)]
    return subprocess.run(words, capture_output=True, text=True, check=False, timeout=250)


def test_without_an_archive_java_is_told_nothing(folder):
    assert class_archive.archive() is None
    assert class_archive.options_to_use(17) == ()


def test_an_archive_that_is_not_as_long_as_its_name_says_is_not_used(folder):
    (folder / "classes-5.jsa").write_bytes(b"1234")
    assert class_archive.archive() is None
    (folder / "classes-5.jsa").write_bytes(b"12345")
    assert class_archive.archive() == folder / "classes-5.jsa"
    assert class_archive.options_to_use(17)[0] == f'-XX:SharedArchiveFile="{folder}/classes-5.jsa"'


@pytest.mark.parametrize("java", [8, 11])
def test_a_java_that_knows_no_such_archives_is_told_nothing(folder, java):
    (folder / "classes-1.jsa").write_bytes(b"1")
    assert class_archive.options_to_use(java) == ()


def test_a_new_archive_takes_the_place_of_earlier_ones(folder):
    for length in (1, 2):
        (folder / f"classes-{length}.jsa").write_bytes(b"1" * length)
    (folder / "unfinished").write_bytes(b"123")
    assert class_archive.keep(folder / "unfinished") == folder / "classes-3.jsa"
    assert [file.name for file in folder.iterdir()] == ["classes-3.jsa"]


@pytest.mark.spark
def test_an_archive_that_java_cannot_read_is_passed_over_without_a_word(tmp_path):
    (tmp_path / "classes-4.jsa").write_bytes(b"1234")
    found = run(MAPPED, tmp_path)
    assert (found.returncode, found.stdout) == (0, "False\n"), found.stderr
    assert "classes-4" not in found.stderr


@pytest.mark.spark
@pytest.mark.slow
def test_java_maps_the_archive_that_the_warm_up_has_made(tmp_path):
    tmp_path = tmp_path / "a folder with blanks"
    made = run(WARM_UP, tmp_path)
    assert made.returncode == 0, made.stderr
    (kept,) = tmp_path.iterdir()
    assert made.stdout == f"{kept}: {kept.stat().st_size / 1e6:.0f} MB\n"
    found = run(MAPPED, tmp_path)
    assert (found.returncode, found.stdout) == (0, "True\n"), found.stderr


@pytest.mark.spark
@pytest.mark.slow
def test_a_java_that_writes_none_is_told_and_leaves_nothing(tmp_path):
    made = run(WITHOUT_THE_OPTION, tmp_path)
    assert made.returncode == 1
    assert made.stderr.endswith(
        "hpt-spark: Java has not written the archive of its classes; without it Spark starts as before.\n"
    )
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_cannot_hold_it_is_told(tmp_path):
    (tmp_path / "file").touch()
    made = run(WARM_UP, tmp_path / "file" / "folder")
    assert made.returncode == 1
    assert made.stderr == f"hpt-spark: {tmp_path}/file/folder cannot hold the archive: Not a directory\n"


def test_a_java_that_cannot_make_one_is_told(folder, monkeypatch, capsys):
    monkeypatch.setattr(warm_up, "check_java", lambda version: 11)
    warm_up.main(None)
    assert "Java 11 cannot keep its classes" in capsys.readouterr().out
    assert list(folder.iterdir()) == []
