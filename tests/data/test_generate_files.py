"""What the generator writes where, also when it fails or is given what it cannot use."""

import hashlib
import subprocess
import sys
import time
import zipfile
from pathlib import Path

import numpy as np
import pytest

from hpt_spark.data.generate.files import generate
from hpt_spark.data.generate.sizes import SMALLEST_SCALE
from hpt_spark.errors import InputError

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

        from hpt_spark.data.generate.recordings import Recordings

        rows = Recordings.app_event_rows
        monkeypatch.setattr(Recordings, "app_event_rows", failing)
        with pytest.raises(type(error)):
            generate(tmp_path, SMALLEST_SCALE, 1)
        assert whole_files(tmp_path) == before
        assert [path for path in tmp_path.iterdir() if path.is_dir()] == []

    def test_a_killed_generator_leaves_no_file_under_its_name(self, tmp_path):
        command = f"from hpt_spark.data.generate.files import generate; generate({str(tmp_path)!r}, 0.1, 0)"
        process = subprocess.Popen([sys.executable, "-c", command])
        try:
            deadline = time.monotonic() + 60
            while not list(tmp_path.glob(".generating-*/app_events.csv.zip")):
                assert process.poll() is None
                assert time.monotonic() < deadline
                time.sleep(0.02)
        finally:
            process.kill()
            process.wait()
        assert list(tmp_path.glob("*.csv.zip")) == []


class TestArguments:
    @pytest.mark.parametrize("scale", [0, -1, float("nan"), float("inf"), "1", None, True, 0.0009])
    def test_scale(self, tmp_path, scale):
        with pytest.raises(InputError, match=r"scale is .*at least 0\.001"):
            generate(tmp_path / "out", scale, 0)
        assert not (tmp_path / "out").exists()

    @pytest.mark.parametrize("seed", [-1, 1.5, "0", None, True])
    def test_seed(self, tmp_path, seed):
        with pytest.raises(InputError, match=r"seed is .*whole number from 0"):
            generate(tmp_path / "out", 0.001, seed)
        assert not (tmp_path / "out").exists()

    def test_out_is_a_file(self, tmp_path):
        (tmp_path / "out").write_text("kept")
        for out in (tmp_path / "out", tmp_path / "out" / "below"):
            with pytest.raises(InputError, match="must be a folder"):
                generate(out, 0.001, 0)
        assert (tmp_path / "out").read_text() == "kept"

    def test_numbers_of_numpy_are_numbers(self, tmp_path):
        assert generate(tmp_path, np.float32(0.001), np.int32(5))["gender_age_train"] == 75
