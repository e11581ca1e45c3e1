"""`watch` and `runs`: a search followed from elsewhere, and runs in a list."""

from __future__ import annotations

import json
import subprocess
from datetime import datetime, timezone

import pytest

from hpt_spark.artifacts.run_directory import STATUS
from tests.jobs.running import BIN, SLOW_GRID, done, environment, grid, one_sentence, read_manifest, settings
from tests.waiting import wait_until


def test_a_finished_search_is_watched_to_its_end_at_once(job, copied):
    code, out, err = job("watch", copied)
    assert (code, err) == (0, "")
    assert out.startswith(f"{copied}: finished: 4 of 4 fits in ")
    assert "; best " in out


def test_a_run_of_an_earlier_release_has_no_status(job, copied):
    (copied / STATUS).unlink()
    code, out, _ = job("watch", copied)
    assert code == 0
    assert out.startswith(f"{copied}: finished: best -")


def test_a_search_that_failed_ends_the_watch_with_an_error(job, copied):
    status = json.loads((copied / STATUS).read_text())
    (copied / STATUS).write_text(json.dumps({**status, "state": "failed", "reason": "ValueError: no"}))
    code, out, err = job("watch", copied)
    assert (code, one_sentence(err)) == (
        1,
        f"{copied}: the search has ended without a result; `hpt-spark tune` goes on.",
    )
    assert "failed (ValueError: no)" in out


def test_where_a_search_stands_is_said_once(job, design_only):
    code, out, _ = job("watch", design_only, "--once")
    assert (code, out) == (0, f"{design_only}: no search\n")


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["{}/nowhere"], "{}/nowhere is no run: it is empty or does not exist; name the run.dir of a search."),
        (["{}", "--every", "0"], "--every 0 must be from 0.1 to 3600 seconds."),
        (["{}", "--every", "nan"], "--every nan must be from 0.1 to 3600 seconds."),
    ],
)
def test_what_cannot_be_watched_is_refused(job, tmp_path, words, message):
    code, _, err = job("watch", *(word.format(tmp_path) for word in words))
    assert (code, one_sentence(err)) == (2, message.format(tmp_path))


def test_runs_are_listed_for_people_and_for_machines(job, tuned):
    code, out, _ = job("runs", tuned)
    assert code == 0
    assert any(line.startswith("run ") and " finished " in line for line in out.splitlines()[1:])
    code, out, _ = job("runs", tuned, "--json")
    states = {run["run"]: run["state"] for run in json.loads(out)}
    assert states == {"run": "finished", "untuned": "no search"}


def test_a_running_search_of_several_scorings_is_read_by_the_one_that_decides(spark_job, job, place, design_only):
    several = settings(design_only, "search.scoring=[accuracy, neg_log_loss]", "search.refit=neg_log_loss")
    code, out, err = spark_job("tune", "--conf", place / "conf.yaml", *several)
    assert code == 0, out + err
    score = read_manifest(design_only)["best"]["score"]
    (design_only / "manifest.json").unlink()  # which comes at the end
    status = {**json.loads((design_only / STATUS).read_text()), "state": "searching"}
    (design_only / STATUS).write_text(json.dumps({**status, "updated": datetime.now(timezone.utc).isoformat()}))
    code, out, err = job("runs", design_only)
    assert (code, out.splitlines()[1].split()[:4]) == (0, [".", "searching", "neg_log_loss", f"{score:.5f}"]), err
    code, out, _ = job("watch", design_only, "--once")
    assert f"best {score:.5g} " in out
    study = design_only.parent / "study.log"
    code, out, _ = job("export", design_only, "--optuna", study)
    assert (code, out) == (0, f"{study}: 2 trials, 2 complete\n")


@pytest.mark.process
def test_a_search_is_watched_from_a_second_process(place, design_only):
    conf = ["--conf", str(place / "conf.yaml"), *settings(design_only, grid(SLOW_GRID))]
    tuning = subprocess.Popen(
        [str(BIN / "hpt-spark"), "tune", *conf], env=environment(), stderr=subprocess.PIPE, text=True
    )
    try:
        wait_until(lambda: (design_only / STATUS).exists(), 200, process=tuning)
        out = done(BIN / "hpt-spark", "watch", design_only, "--every", "0.1")
        assert tuning.wait(200) == 0
    finally:
        tuning.kill()
        tuning.communicate()
    lines = out.splitlines()
    assert f"{design_only}: searching: " in "".join(lines[:-1])
    assert lines[-1].startswith(f"{design_only}: finished: 12 of 12 fits")
