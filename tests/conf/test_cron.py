"""conf/cron: the script that cron calls, run for real."""

from __future__ import annotations

import gzip
import os
import re
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from tests.artifacts.searches import SETTINGS, a_run
from tests.conf.bundled import settings_in
from tests.conf.cron import CRON, SLOT
from tests.jobs.running import BIN, ROOT, grid
from tests.waiting import wait_until


def test_the_settings_and_the_crontab_name_what_exists():
    settings = (CRON / "settings.sh").read_text()
    assert settings_in(settings) == {"source.uri", "tables.uri", "source.downloads"}
    command = next(line for line in (CRON / "crontab").read_text().splitlines() if line.startswith("7 "))
    assert re.fullmatch(r"7 \* \* \* \* /opt/hpt_spark/(\S+) /etc/hpt_spark/settings.sh", command)
    assert (ROOT / command.split()[5].removeprefix("/opt/hpt_spark/")).stat().st_mode & 0o111
    read = set(re.findall(r"\$\{?#?([A-Z_]{4,})", (CRON / "run_slot.sh").read_text())) - {"BASH", "HOME", "TMPDIR"}
    given = set(re.findall(r"^([A-Z_]+)=", settings, re.MULTILINE))
    assert given == read - {"HPT_SPARK_SLOT_ENVIRONMENT"}


def test_a_run_lies_in_the_folder_of_its_slot_and_cron_has_nothing_to_mail(cron):
    assert cron.run() == (0, "")
    (call,) = cron.calls
    assert call.startswith(f"{cron.runs / SLOT} True ")
    assert "ODD" not in call, "the environment is the script's own"
    assert (cron.runs / SLOT / ".finished").exists()
    assert cron.log().endswith("the job has run\n")


def test_the_run_of_a_slot_is_made_once_however_often_cron_calls(cron):
    assert [cron.run(), cron.run()] == [(0, ""), (0, "")]
    assert len(cron.calls) == 1


def test_a_slot_that_was_slept_over_is_made_up_for_and_one_that_was_missed_whole_is_not(cron):
    cron.job("succeed", SLOT="2026-11-26")
    assert cron.run() == (0, "")
    cron.job("succeed", SLOT="2026-11-29")  # the machine slept for the 27th and the 28th
    assert [cron.run(), cron.run()] == [(0, ""), (0, "")]
    assert [Path(call.split(" True ")[0]).name for call in cron.calls] == ["2026-11-26", "2026-11-29"]


def test_a_run_keeps_the_slot_in_which_it_began(cron):
    seconds = "%Y-%m-%d_%H-%M-%S"
    cron.job("wait", SLOT=seconds)
    process = cron.start()
    cron.wait_for("pid")
    time.sleep(1.1)
    (cron.folder / "go on").touch()
    assert process.wait(60) == 0
    (run,) = [path for path in cron.runs.iterdir() if path.is_dir()]
    assert cron.calls[0].startswith(f"{run} ")
    assert (run / ".finished").exists()


def test_of_two_that_start_at_once_one_runs_and_the_other_says_why_not(cron):
    cron.job("wait")
    first, second = cron.start(), cron.start()
    wait_until(lambda: [first.poll(), second.poll()].count(None) == 1)
    loser, winner = (first, second) if first.poll() is not None else (second, first)
    assert loser.returncode == 75
    assert loser.communicate()[1] == (
        f"hpt-spark {SLOT}: another run still goes on (lock {cron.runs}/.lock); nothing was started\n"
    )
    (cron.folder / "go on").touch()
    assert winner.wait(60) == 0
    assert len(cron.calls) == 1


def test_a_job_that_outlives_its_script_keeps_the_next_one_out(cron):
    cron.job("wait")
    script = cron.start()
    cron.wait_for("pid")
    script.kill()
    script.wait()
    assert cron.run()[0] == 75
    job = psutil.Process(int((cron.folder / "pid").read_text()))
    (cron.folder / "go on").touch()
    assert job.wait(60) in (0, None)
    deadline = time.monotonic() + 60
    while (answer := cron.run())[0] == 75 and time.monotonic() < deadline:
        time.sleep(0.1)  # `timeout` ends a moment after the job
    assert answer == (0, "")
    assert len(cron.calls) == 2, "which of them has finished nobody saw, and the job knows what it has"


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGHUP, 129), (signal.SIGINT, 130)])
def test_a_signal_ends_the_job_too(cron, number, code):
    cron.job("wait")
    script = cron.start()
    cron.wait_for("pid")
    job = psutil.Process(int((cron.folder / "pid").read_text()))
    script.send_signal(number)
    _, err = script.communicate(timeout=60)
    assert not job.is_running()
    assert script.returncode == code
    assert err == f"hpt-spark {SLOT}: exit {code}: ended by {number.name} (log: {cron.logs}/{SLOT}.log)\n"
    cron.job("succeed")
    assert cron.run() == (0, ""), "the next call goes on with the slot"


@pytest.mark.parametrize(
    ("plan", "code", "reason"),
    [
        ("say hpt-spark: `search.cv`=1: must be\n 2 or more", 2, "hpt-spark: `search.cv`=1: must be 2 or more "),
        ("die", 137, "killed, perhaps for want of memory"),
    ],
)
def test_a_failed_job_is_one_line_and_is_tried_again(cron, plan, code, reason):
    cron.job(plan)
    line = f"hpt-spark {SLOT}: exit {code}: {reason} (log: {cron.logs}/{SLOT}.log)\n"
    assert cron.run() == (code, line)
    assert not (cron.runs / SLOT / ".finished").exists()
    cron.job("succeed")
    assert cron.run() == (0, "")
    assert cron.log().count("== ") == 2, "the log of a slot holds all its attempts"


@pytest.mark.long
def test_a_job_that_hangs_is_ended(cron):
    cron.job("wait", MAX_TIME="1s")
    assert cron.run() == (
        124,
        f"hpt-spark {SLOT}: exit 124: not done after MAX_TIME=1s (log: {cron.logs}/{SLOT}.log)\n",
    )


def test_a_command_that_is_not_there_is_named(cron):
    cron.command([cron.folder / "nowhere"])
    code, mail = cron.run()
    assert (code, mail.count("\n")) == (127, 1)
    assert f"COMMAND cannot be run: {cron.folder}/nowhere" in mail


@pytest.mark.parametrize(
    ("settings", "reason"),
    [
        ({"KEEP_RUNS": 0}, "KEEP_RUNS=0 must be a whole number from 1 on"),
        ({"KEEP_LOGS": "many"}, "KEEP_LOGS=many must be a whole number from 1 on"),
        ({"RUNS": "runs"}, "RUNS and LOGS must be absolute paths"),
        ({"SLOT": "../%Y"}, "use digits, letters, . _ and - only"),
        ({"MIN_FREE_MB": 10**9 - 1}, "MB are free for"),
    ],
)
def test_settings_that_cannot_be_are_named_before_anything_runs(cron, settings, reason):
    cron.job("succeed", **settings)
    code, mail = cron.run()
    assert code == (1 if "MIN_FREE_MB" in settings else 2)
    assert mail.count("\n") == 1
    assert reason in mail
    assert cron.calls == []


@pytest.mark.parametrize("arguments", [[], ["a", "b"], ["/nowhere/settings.sh"]])
def test_without_settings_there_is_one_line(arguments):
    answer = subprocess.run([CRON / "run_slot.sh", *arguments], capture_output=True, text=True, check=False)
    assert (answer.returncode, answer.stdout, answer.stderr.count("\n")) == (2, "", 1)


def test_settings_that_are_no_script_are_one_line(tmp_path):
    (tmp_path / "settings.sh").write_text("RUNS=(\n")
    answer = subprocess.run(
        [CRON / "run_slot.sh", tmp_path / "settings.sh"], capture_output=True, text=True, check=False
    )
    assert (answer.returncode, answer.stdout, answer.stderr.count("\n")) == (2, "", 1)


def test_pruning_keeps_the_newest_finished_runs_and_deletes_nothing_that_is_not_ours(cron):
    for day in range(10, 20):
        cron.earlier(f"2026-11-{day}", *([".finished"] if day % 2 else []))
    foreign = cron.runs / "2026-11-01 kept by hand"
    foreign.mkdir()
    (foreign / ".finished").touch()
    cron.job("succeed", KEEP_RUNS=2)
    assert cron.run() == (0, "")
    left = sorted(path.name for path in cron.runs.iterdir() if path.is_dir())
    assert left == [foreign.name, "2026-11-16", "2026-11-17", "2026-11-18", "2026-11-19", SLOT]


@pytest.mark.parametrize("plan", ["succeed", "die"])
def test_the_newest_finished_run_outlives_any_number_of_failed_ones(cron, plan):
    cron.earlier("2026-10-01", ".finished")
    for day in range(1, 10):
        cron.earlier(f"2026-11-0{day}")
    cron.job(plan, KEEP_RUNS=1)
    cron.run()
    left = sorted(path.name for path in cron.runs.iterdir() if path.is_dir())
    assert left == ["2026-10-01", "2026-11-09", SLOT]


@pytest.mark.parametrize("where", ["", "journal"])
def test_a_run_whose_driver_lives_is_not_pruned(cron, where):
    running = cron.earlier("2026-11-01")
    (running / where).mkdir(exist_ok=True)
    lock = running / where / "lock-0123.json"
    lock.touch()
    for day in (2, 3):
        cron.earlier(f"2026-11-0{day}", ".finished")
    cron.job("succeed", KEEP_RUNS=1)
    assert cron.run() == (0, "")
    assert running.exists()
    os.utime(lock, (time.time() - 7200,) * 2)  # the driver is long dead
    (cron.runs / "2026-11-03b").mkdir()
    cron.earlier("2026-11-04")
    cron.job("succeed", KEEP_RUNS=1, SLOT="2026-11-29")
    assert cron.run() == (0, "")
    assert not running.exists()


def test_logs_are_packed_and_the_oldest_go(cron):
    cron.logs.mkdir()
    for day in range(10, 20):
        (cron.logs / f"2026-11-{day}.log").write_text(f"of the {day}th")
    (cron.logs / "letter.txt").touch()
    cron.job("succeed", KEEP_LOGS=4)
    assert cron.run() == (0, "")
    left = sorted(path.name for path in cron.logs.iterdir())
    assert left == [*(f"2026-11-{day}.log.gz" for day in (17, 18, 19)), f"{SLOT}.log", "letter.txt"]
    assert gzip.decompress((cron.logs / "2026-11-18.log.gz").read_bytes()) == b"of the 18th"


@pytest.fixture
def small_disk(tmp_path) -> Iterator[Path]:
    """A disk of 256 KiB."""
    disk = tmp_path / "disk"
    disk.mkdir()
    mounting = ["mount", "-t", "tmpfs", "-o", "size=256k", "tmpfs", disk]
    if not shutil.which("mount") or subprocess.run(mounting, capture_output=True, check=False).returncode:
        pytest.skip("only root may mount a small disk")
    yield disk
    subprocess.run(["umount", "--lazy", disk], check=True)


def test_a_disk_that_is_full_before_the_run_is_one_line(cron, small_disk):
    with pytest.raises(OSError, match="No space"), (small_disk / "much").open("wb", buffering=0) as file:
        while True:
            file.write(bytes(4096))
    cron.job("succeed", RUNS=small_disk / "runs", LOGS=small_disk / "logs")
    code, mail = cron.run()
    assert (code, mail) == (1, f"hpt-spark {SLOT}: {small_disk}/logs/{SLOT}.log cannot be written: disk full?\n")
    assert cron.calls == []


def test_a_disk_that_gets_full_during_the_run_is_one_line_and_the_next_call_makes_up_for_it(cron, small_disk):
    cron.job("fill", RUNS=small_disk / "runs", LOGS=small_disk / "logs")
    code, mail = cron.run()
    assert (code, mail.count("\n")) == (1, 1)
    assert mail.startswith(f"hpt-spark {SLOT}: exit 1: ")
    assert not (small_disk / "runs" / SLOT / ".finished").exists()
    (small_disk / "runs" / SLOT / "much").unlink()
    cron.job("succeed", RUNS=small_disk / "runs", LOGS=small_disk / "logs")
    assert cron.run() == (0, "")


@pytest.mark.long
def test_a_real_search_and_a_real_mistake(cron):
    a_run(cron.runs / SLOT)
    command = [BIN / "hpt-spark", "tune", "--set", "search.backend=joblib", "--set", grid({"C": [0.1, 10.0]})]
    command += ["--set", f"search.estimator={SETTINGS.estimator}", "--set", "search.estimator_params={}"]
    cron.command([*command, "--set", "search.cv=1"])
    code, mail = cron.run()
    assert (code, mail.count("\n")) == (2, 1)
    assert "`search.cv`=1 in --set search.cv=1" in mail
    cron.command([*command, "--set", "search.cv=2"])
    assert cron.run() == (0, "")
    assert (cron.runs / SLOT / "cv_results.csv").exists()
