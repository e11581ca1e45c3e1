"""A download whose process is killed at any moment goes on where it was."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time

import pytest

from tests.data.sources.blob.conftest import contents, noise
from tests.waiting import wait_until

pytestmark = pytest.mark.blob

KIB = 1024
RANGES = 60
PROGRAM = """
import sys
from pathlib import Path
from hpt_spark.data.sources.blob import blob_file
from hpt_spark.data.sources.blob.address import parse_blob_uri
from hpt_spark.data.sources.blob.container import Container
from hpt_spark.data.sources.blob.download import download
blob_file.RANGE_SIZE = 64 * 1024
container = Container(parse_blob_uri(sys.argv[1]))
download(container, container.blobs(), Path(sys.argv[2]))
"""


def start(place, folder):
    return subprocess.Popen([sys.executable, "-c", PROGRAM, place.uri, str(folder)])


def wait_for_reads(place, count, process):
    wait_until(lambda: len(place.proxy.reads) >= count or process.poll() is not None)


@pytest.mark.parametrize("seed", range(3))
def test_kill_9_at_random_moments(place, tmp_path, seed):
    draw = random.Random(seed)
    blobs = {name: place.put(name, noise(RANGES // 2 * 64 * KIB - 9, seed)) for name in ("a.csv", "b.csv")}
    place.proxy.on_way = lambda exchange, part: time.sleep(0.01 if exchange.is_read else 0) or part
    kills = 0
    while True:
        before = len(place.proxy.reads)
        process = start(place, tmp_path)
        wait_for_reads(place, before + draw.randint(9, 20), process)
        time.sleep(draw.random() / 30)
        process.kill()
        if process.wait() == 0:
            break
        kills += 1
        found = contents(tmp_path)
        assert found == {name: blobs[name] for name in found}
    assert contents(tmp_path) == blobs
    assert kills >= 2
    assert len(place.proxy.reads) <= RANGES + 8 * kills  # only what was under way is fetched again


@pytest.mark.usefixtures("quick")
@pytest.mark.parametrize("moment", ["before", "after"])
def test_killed_while_the_file_gets_its_name(place, tmp_path, monkeypatch, moment):
    data, replace = place.put("a.csv", noise(500 * KIB)), os.replace

    def killed(*paths):
        if moment == "after":
            replace(*paths)
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "replace", killed)
    with pytest.raises(KeyboardInterrupt):
        place.download(tmp_path)
    monkeypatch.setattr(os, "replace", replace)
    count = len(place.proxy.reads)
    assert place.download(tmp_path) == {"a.csv": data}
    assert len(place.proxy.reads) == count


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_the_job_soon_and_the_next_run_goes_on(place, raw, tmp_path, number):
    for path in raw.iterdir():
        place.put(path.name, path.read_bytes())
    place.proxy.on_way = lambda exchange, part: time.sleep(0.2 if exchange.is_read else 0) or part
    settings = [f"source.uri={place.uri}", f"source.downloads={tmp_path}/downloads", f"tables.uri={tmp_path}/tables"]
    words = [word for setting in settings for word in ("--set", setting)]
    process = subprocess.Popen([sys.executable, "-m", "jobs.ingest", *words], stderr=subprocess.PIPE, text=True)
    wait_for_reads(place, 3, process)
    process.send_signal(number)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 128 + number
    assert "Traceback" not in err
    assert not (tmp_path / "tables").exists()
    place.proxy.on_way = lambda exchange, part: part
    subprocess.run([sys.executable, "-m", "jobs.ingest", *words], check=True, capture_output=True)
    assert (tmp_path / "tables" / "manifest.json").exists()


def test_two_processes_at_the_same_time(place, tmp_path):
    data = place.put("a.csv", noise(RANGES * 64 * KIB))
    place.proxy.on_way = lambda exchange, part: time.sleep(0.002) or part
    processes = [start(place, tmp_path) for _ in range(3)]
    assert [process.wait() for process in processes] == [0, 0, 0]
    assert contents(tmp_path) == {"a.csv": data}
    assert len(place.proxy.reads) == RANGES
