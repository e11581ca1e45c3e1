"""What the generator writes where, also when it fails or is given what it cannot use."""

import errno
import hashlib
import itertools
import math
import os
import subprocess
import sys
import time
import zipfile
from pathlib import Path

import numpy as np
import pytest

from hpt_spark.data.schemas import TABLES
from hpt_spark.errors import InputError
from hpt_spark.synthetic import files
from hpt_spark.synthetic.files import generate
from hpt_spark.synthetic.sizes import SMALLEST_SCALE
from tests.waiting import wait_until

FILES = sorted(f"{name}.csv.zip" for name in TABLES)

# SHA-256 over the seven members at the smallest scale with seed 0, whatever the platform. Whoever
# changes on purpose what is generated puts the new one here.
DIGEST = "9e454b14be15460da2f6832c5e5cf582badbb6ce9ed49800a78ed13a8b67302c"


def members(folder: Path) -> dict[str, bytes]:
    """Return the one member of each of the zip files."""
    texts = {}
    for path in sorted(folder.glob("*.csv.zip")):
        with zipfile.ZipFile(path) as archive:
            assert archive.namelist() == [path.name.removesuffix(".zip")]
            texts[path.name] = archive.read(archive.namelist()[0])
    return texts


def whole_files(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


class TestFiles:
    @pytest.mark.long
    def test_same_scale_and_seed_same_bytes(self, tmp_path):
        first, second, other_seed = tmp_path / "first", tmp_path / "second", tmp_path / "other"
        generate(first, 0.002, 3)
        time.sleep(2.1)  # a zip file's times go by two seconds
        generate(second, 0.002, 3)
        generate(other_seed, 0.002, 4)
        assert whole_files(first) == whole_files(second)
        assert all(members(other_seed)[name] != text for name, text in members(first).items())

    def test_bytes_are_the_same_on_every_platform(self, tmp_path):
        generate(tmp_path, SMALLEST_SCALE, 0)
        digest = hashlib.sha256(b"".join(members(tmp_path).values())).hexdigest()
        assert digest == DIGEST

    def test_out_is_made_and_an_earlier_run_replaced(self, tmp_path):
        out = tmp_path / "not" / "there"
        generate(out, SMALLEST_SCALE, 0)
        (out / "notes.txt").write_text("mine")
        before = whole_files(out)
        generate(str(out), SMALLEST_SCALE, 1)
        after = whole_files(out)
        assert after.keys() == before.keys()
        assert after["notes.txt"] == b"mine"
        assert after["events.csv.zip"] != before["events.csv.zip"]

    @pytest.mark.parametrize("error", [OSError("disk full"), KeyboardInterrupt()])
    def test_a_failure_half_way_leaves_the_earlier_files(self, tmp_path, monkeypatch, error):
        generate(tmp_path, SMALLEST_SCALE, 0)
        before = whole_files(tmp_path)

        def failing(recordings, rng):
            yield next(rows(recordings, rng))
            raise error

        from hpt_spark.synthetic.recordings import Recordings

        rows = Recordings.app_event_rows
        monkeypatch.setattr(Recordings, "app_event_rows", failing)
        with pytest.raises(type(error)):
            generate(tmp_path, SMALLEST_SCALE, 1)
        assert whole_files(tmp_path) == before
        assert [path for path in tmp_path.iterdir() if path.is_dir()] == []

    @pytest.mark.process
    def test_a_killed_generator_leaves_no_file_under_its_name_and_what_it_leaves_goes_with_the_next(self, tmp_path):
        command = f"from hpt_spark.synthetic.files import generate; generate({str(tmp_path)!r}, 0.1, 0)"
        process = subprocess.Popen([sys.executable, "-c", command])
        try:
            wait_until(lambda: list(tmp_path.glob(".*/app_events.csv.zip")), process=process)
            with pytest.raises(InputError, match="is being written by another process"):
                generate(tmp_path, SMALLEST_SCALE, 0)
        finally:
            process.kill()
            process.wait()
        assert list(tmp_path.glob("*.csv.zip")) == []
        generate(tmp_path, SMALLEST_SCALE, 0)
        assert sorted(path.name for path in tmp_path.iterdir()) == FILES

    @pytest.mark.parametrize("moment", range(2 * len(TABLES)))
    @pytest.mark.parametrize("patience", [1, 2])
    def test_an_interrupt_while_names_are_given_never_mixes_two_seeds(self, tmp_path, monkeypatch, moment, patience):
        """One Ctrl-C is heeded after the last name; a second one may leave fewer files, but none of the old."""
        made, out = tmp_path / "made", tmp_path / "out"
        for folder in (made, out):
            folder.mkdir()
            for name in FILES:
                (folder / name).write_text(folder.name)
        steps = itertools.count()
        interrupted = {moment, moment + 1} if patience == 2 else {moment}

        def interruptible(step):
            def done(*args, **more):
                if next(steps) in interrupted:
                    raise KeyboardInterrupt
                return step(*args, **more)

            return done

        monkeypatch.setattr(os, "replace", interruptible(os.replace))
        monkeypatch.setattr(Path, "unlink", interruptible(Path.unlink))
        with pytest.raises(KeyboardInterrupt):
            files._give_names(made, out)
        monkeypatch.undo()
        left = whole_files(out)
        assert len(set(left.values())) <= 1
        if patience == 1:
            assert left == dict.fromkeys(FILES, b"made")


class TestPlaces:
    """What is said where nothing can be written; `root` may write wherever files can be."""

    @pytest.mark.parametrize("out", ["/proc", "/proc/below", "/sys/kernel", "/sys/kernel/below", "/dev/null/below"])
    def test_a_folder_that_takes_no_file(self, out):
        with pytest.raises(InputError, match=f"{out}.*: (give another path|choose a folder)"):
            generate(Path(out), SMALLEST_SCALE, 0)

    @pytest.mark.parametrize("failure", [PermissionError(errno.EACCES, "Permission denied"), OSError(errno.EIO, "I/O")])
    def test_a_folder_that_refuses(self, tmp_path, monkeypatch, failure):
        def refuse(*args, **more):
            raise failure

        monkeypatch.setattr(os, "mkdir", refuse)
        with pytest.raises(InputError, match=f"in which files can be made \\({failure.strerror}\\): give another"):
            generate(tmp_path, SMALLEST_SCALE, 0)

    def test_a_full_disk(self, tmp_path, monkeypatch):
        generate(tmp_path, SMALLEST_SCALE, 0)
        before = whole_files(tmp_path)

        def full(*args):
            raise OSError(errno.ENOSPC, "No space left on device")

        monkeypatch.setattr("hpt_spark.synthetic.files.write_zipped_csv", full)
        with pytest.raises(InputError, match=f"^the disk is full while writing {tmp_path}: free some space"):
            generate(tmp_path, SMALLEST_SCALE, 1)
        assert whole_files(tmp_path) == before
        assert sorted(path.name for path in tmp_path.iterdir()) == FILES

    def test_a_disk_that_is_full_from_the_start(self, tmp_path, monkeypatch):
        def full(*args, **more):
            raise OSError(errno.ENOSPC, "No space left on device")

        monkeypatch.setattr(os, "mkdir", full)
        with pytest.raises(InputError, match=r"^the disk is full while writing"):
            generate(tmp_path / "out", SMALLEST_SCALE, 1)

    def test_a_folder_where_a_file_should_go(self, tmp_path):
        (tmp_path / "events.csv.zip").mkdir()
        with pytest.raises(InputError, match=r"in which events\.csv\.zip is a folder, but must be free for a file"):
            generate(tmp_path, SMALLEST_SCALE, 0)
        assert [path.name for path in tmp_path.iterdir()] == ["events.csv.zip"]


class TestArguments:
    @pytest.mark.parametrize("scale", [0, -1, math.nan, math.inf, -math.inf, "1", None, True, 0.0009, 100.1, 1e9])
    def test_scale(self, tmp_path, scale):
        with pytest.raises(InputError, match=r"scale is .*, but must be a number from 0\.001 to 100"):
            generate(tmp_path / "out", scale, 0)
        assert not (tmp_path / "out").exists()

    @pytest.mark.parametrize("seed", [-1, 1.5, "0", None, True])
    def test_seed(self, tmp_path, seed):
        with pytest.raises(InputError, match=r"seed is .*whole number from 0"):
            generate(tmp_path / "out", 0.001, seed)
        assert not (tmp_path / "out").exists()

    @pytest.mark.parametrize("name", ["events.csv", "events.csv.gz", "events.csv.zip"])
    def test_data_that_is_not_its_own_is_left_alone(self, tmp_path, name):
        generate(tmp_path, SMALLEST_SCALE, 0)
        (tmp_path / "events.csv.zip").unlink()
        with zipfile.ZipFile(tmp_path / name, "w") as archive:
            archive.writestr("events.csv", "real")
        before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
        with pytest.raises(InputError, match=f"in which generate has not made {name} .is it the real data"):
            generate(tmp_path, SMALLEST_SCALE, 1)
        assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before

    def test_a_damaged_file_is_not_its_own(self, tmp_path):
        generate(tmp_path, SMALLEST_SCALE, 0)
        packed = bytearray((tmp_path / "events.csv.zip").read_bytes())
        packed[packed.rindex(b"PK\1\2") + 6] = 255  # the release of the format that is needed
        (tmp_path / "events.csv.zip").write_bytes(packed)
        with pytest.raises(InputError, match=r"in which generate has not made events\.csv\.zip"):
            generate(tmp_path, SMALLEST_SCALE, 1)

    def test_out_is_a_file(self, tmp_path):
        (tmp_path / "out").write_text("kept")
        for out in (tmp_path / "out", tmp_path / "out" / "below"):
            with pytest.raises(InputError, match="must be a folder"):
                generate(out, 0.001, 0)
        assert (tmp_path / "out").read_text() == "kept"

    def test_numbers_of_numpy_are_numbers(self, tmp_path):
        assert generate(tmp_path, np.float32(0.001), np.int32(5))["gender_age_train"] == 75
