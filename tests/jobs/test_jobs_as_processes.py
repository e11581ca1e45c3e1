"""The jobs from end to end, run as a user runs them: each a process with its own Java."""

from __future__ import annotations

import os
import signal
import subprocess

import pytest

from tests.jobs.running import (
    BIN,
    ROOT,
    SLOW_GRID,
    copy_of,
    done,
    environment,
    grid,
    read_manifest,
    settings,
    split_scores,
    state,
)
from tests.waiting import wait_until

pytestmark = pytest.mark.process


def test_processes_leave_what_the_jobs_leave_in_one_process(tuned, tmp_path):
    """`tune` is started by plain spark-submit; Java is to find the tables' folder under LC_ALL=C, too."""
    raw, tables, run_dir = tmp_path / "raw", tmp_path / "таблицы", tmp_path / "run"
    conf = ["--conf", tuned / "conf.yaml", *settings(run_dir, f"tables.uri={tables}")]
    hpt_spark = BIN / "hpt-spark"
    done(hpt_spark, "generate", "--out", raw, "--scale", "0.01", "--seed", "0")
    said = done(hpt_spark, "ingest", *conf, "--set", f"source.uri={raw}")
    assert said == (tuned / "ingest.txt").read_text().replace(f"{tuned}/tables", str(tables))
    said = done(hpt_spark, "build_features", *conf, LC_ALL="C")
    assert said == (tuned / "build.txt").read_text().replace(f"{tuned}/run", str(run_dir))
    assert state(run_dir / "design") == state(tuned / "untuned" / "design")
    assert "best of 2 candidates" in done(BIN / "spark-submit", ROOT / "jobs" / "tune.py", *conf)
    assert split_scores(run_dir) == split_scores(tuned / "run")
    done(hpt_spark, "predict", *conf)
    assert done(hpt_spark, "report", *conf) == f"{run_dir}/report.html\n"
    assert {path.name for path in run_dir.iterdir()} == {path.name for path in (tuned / "run").iterdir()}
    for name in ("best_params.json", "model.ubj", "submission.csv"):
        assert (run_dir / name).read_bytes() == (tuned / "run" / name).read_bytes()


def test_the_design_does_not_depend_on_the_machine(place, tmp_path, monkeypatch):
    """Neither on the number of cores nor, Java's own included, on the time zone."""
    for cores, zone in ((1, "UTC"), (4, "Pacific/Kiritimati")):
        monkeypatch.setenv("TZ", zone)
        more = (f"tables.uri={place / 'tables'}", f"spark.master=local[{cores}]")
        done(BIN / "hpt-spark", "build_features", *settings(tmp_path / f"run{cores}", *more))
    assert state(tmp_path / "run1" / "design") == state(tmp_path / "run4" / "design")


def test_a_killed_tune_goes_on_where_it_was(place, design_only, tmp_path, job):
    whole = copy_of(design_only, tmp_path / "whole")
    kept = ["--conf", place / "conf.yaml"]
    command = [BIN / "hpt-spark", "tune", *kept, *settings(design_only, grid(SLOW_GRID), "spark.master=local[1]")]
    with subprocess.Popen(
        list(map(str, command)),
        env=environment(),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    ) as process:
        wait_until(lambda: list((design_only / "journal").glob("fits-*.jsonl")), 150, process=process)
        os.killpg(process.pid, signal.SIGKILL)
    assert not (design_only / "manifest.json").exists()
    finished = sum(len(path.read_text().splitlines()) for path in (design_only / "journal").glob("fits-*.jsonl"))
    assert 0 < finished < 12
    told = ". cut short neg_log_loss"
    assert " ".join(job("runs", design_only)[1].splitlines()[1].split()).startswith(told)
    assert f"its process {process.pid} has ended" in job("watch", design_only, "--once")[1]

    done(*command)
    reuse = read_manifest(design_only)["reuse"]
    assert (reuse["fits"], reuse["resumed"], reuse["trainings"]) == (12, finished, 12 - finished)
    assert job("tune", *kept, *settings(whole, grid(SLOW_GRID), "search.backend=joblib"))[0] == 0
    assert split_scores(design_only) == split_scores(whole)
