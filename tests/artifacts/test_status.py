"""The status of a search in its run, and the list of runs."""

from __future__ import annotations

import json
import os
import signal
from datetime import datetime, timedelta, timezone
from types import SimpleNamespace

import pytest

from hpt_spark.artifacts import status as module
from hpt_spark.artifacts.run_directory import STATUS, RunDirectory
from hpt_spark.artifacts.run_list import HEADINGS, as_table, find_runs
from hpt_spark.artifacts.status import SignsOfLife, StatusFile, describe, read_status, settle_status
from hpt_spark.errors import HptSparkError, InputError
from hpt_spark.search.evaluation import Fit
from hpt_spark.search.followers.follower import OuterFolds
from hpt_spark.search.followers.monitor import SearchMonitor
from hpt_spark.signals import unwind_on_signals
from jobs import watch
from tests.artifacts.searches import a_run, finished
from tests.waiting import wait_until


def result(score, failure=None):
    return {"test_scores": score, "fit_error": failure, "fit_time": 0.5, "score_time": 0.25}


def status_in(run):
    return json.loads((run.folder.path / STATUS).read_text(encoding="utf-8"))


@pytest.fixture
def quickly(monkeypatch):
    monkeypatch.setattr(module, "SECONDS_LOCAL", 0.01)


def test_the_status_is_rewritten_while_the_search_goes_on(run, quickly):
    with StatusFile(run, "neg_log_loss") as status:
        status.begin()
        wait_until(lambda: run.folder.exists(STATUS) and status_in(run)["state"] == "starting")
        monitor = SearchMonitor([status])
        monitor.begin([{"C": 0.1}, {"C": 1.0}], 2, rung=1)
        monitor.end([(Fit(0, 0, 0), result(-2.0)), (Fit(1, 0, 1), result(-3.0))], seconds_left=61)
        monitor.end([(Fit(2, 1, 0), result(float("nan"), "ValueError: it is odd\n"))], seconds_left=30)
        wait_until(lambda: status_in(run)["fits_done"] == 3)
        found = status_in(run)
        assert (found["state"], found["metric"], found["rung"]) == ("searching", "neg_log_loss", 1)
        assert (found["candidates"], found["folds"], found["fits"], found["fits_failed"]) == (2, 2, 4, 1)
        assert found["best"] == {"params": {"C": 0.1}, "score": -2.5, "std": 0.5}
        assert found["failures"] == {"ValueError: it is odd": 1}
        assert found["seconds_left"] == 30
        line = describe(read_status(run.folder))
        assert line.startswith("searching, rung 1: 3 of 4 fits in 00:0")
        assert line.endswith("about 00:30 left; best -2.5 {'C': 0.1}; 1 failed: 1 x ValueError: it is odd")
        monitor.refit()
        wait_until(lambda: status_in(run)["state"] == "refitting")
        monitor.finish(object())
    assert status_in(run)["state"] == "finished"


def test_while_outer_folds_run_the_status_says_which_and_how_many_fits_they_have_done(run, quickly):
    with StatusFile(run, "accuracy") as status:
        status.begin()
        monitor = SearchMonitor([status])
        monitor.begin([{"C": 0.1}], 2)
        monitor.end([(Fit(0, 0, 0), result(0.5)), (Fit(1, 0, 1), result(0.5))])
        monitor.finish(object())
        status.outer_folds_changed(OuterFolds(1, 5, 7))
        wait_until(lambda: run.folder.exists(STATUS) and status_in(run)["outer"])
        found = read_status(run.folder)
        assert found["outer"] == {"ended": 1, "folds": 5, "fits_done": 7}
        assert describe(found).startswith("searching, outer fold 2 of 5: 2 of 2 fits and 7 on outer folds in 00:0")
        status.outer_folds_changed(OuterFolds(5, 5, 40))
        wait_until(lambda: status_in(run)["state"] == "refitting")  # as its files are not there yet
        assert describe(read_status(run.folder)).startswith("refitting: 2 of 2 fits and 40 on outer folds in 00:0")
    assert describe(read_status(run.folder)).startswith("finished: 2 of 2 fits and 40 on outer folds in 00:0")


@pytest.mark.parametrize(
    ("error", "state", "reason"),
    [
        (ValueError("password=hunter2 was\nwrong"), "failed", "ValueError: password=*** was"),
        (KeyboardInterrupt(), "interrupted", None),
        (SystemExit(143), "interrupted", None),
    ],
)
def test_how_the_search_ended_is_the_last_status(run, error, state, reason):
    with pytest.raises(type(error)), StatusFile(run, "accuracy") as status:
        status.begin()
        raise error
    found = status_in(run)
    assert (found["state"], found["reason"]) == (state, reason)


def test_a_search_that_a_signal_ended_before_a_candidate_was_complete_was_interrupted(run):
    with pytest.raises(HptSparkError), unwind_on_signals(), StatusFile(run, "accuracy") as status:
        status.begin()
        try:
            signal.raise_signal(signal.SIGTERM)
        except SystemExit:
            raise HptSparkError("no candidate has a score on all its folds") from None
    assert status_in(run)["state"] == "interrupted"


def test_nothing_is_written_before_the_search_begins(run):
    before = run.folder.list()
    with pytest.raises(InputError), StatusFile(run, "accuracy"):
        raise InputError("the grid is wrong")
    assert run.folder.list() == before


def test_a_folder_that_takes_no_status_costs_one_warning_and_may_take_one_later(run, quickly, caplog, monkeypatch):
    refused = []

    def refuse(name):
        refused.append(name)
        raise OSError("no space is left")

    monkeypatch.setattr(module, "SECONDS_BETWEEN_SIGNS", 0.01)
    with StatusFile(run, "accuracy") as status:
        with monkeypatch.context() as patch:
            patch.setattr(run.folder, "atomic_write", refuse)
            status.begin()
            wait_until(lambda: len(refused) > 2)
        wait_until(lambda: run.folder.exists(STATUS))
    (message,) = caplog.messages
    assert message.endswith("status.json cannot be written: no space is left")


@pytest.mark.parametrize("hours", [-2, 2])
def test_who_looks_again_goes_by_the_clock_of_the_search(run, hours):
    signs, there = SignsOfLife(), datetime.now(timezone.utc) + timedelta(hours=hours)

    def state(at, signs=signs):
        (run.folder.path / STATUS).write_text(json.dumps({"state": "searching", "updated": at.isoformat()}))
        return read_status(run.folder, signs)["state"]

    assert state(there) == ("cut short" if hours < 0 else "searching")
    assert state(there + timedelta(seconds=1)) == "searching"
    assert signs.age(there + timedelta(seconds=1)) < 60


def test_a_watch_waits_for_a_sign_before_it_calls_a_search_cut_short(run, monkeypatch, capsys):
    long_ago = datetime.now(timezone.utc) - timedelta(hours=2)  # by a clock that is late
    told = [("searching", 0), ("searching", 1), ("finished", 2)]

    def tell(*_):
        state, seconds = told.pop(0)
        status = {"state": state, "updated": (long_ago + timedelta(seconds=seconds)).isoformat()}
        (run.folder.path / STATUS).write_text(json.dumps(status))

    tell()
    monkeypatch.setattr(watch.time, "sleep", tell)
    watch.main(SimpleNamespace(run=run.uri, once=False, every=2.0))
    states = [line.removeprefix(f"{run.uri}: ").partition(" (")[0] for line in capsys.readouterr().out.splitlines()]
    assert states == ["cut short", "searching", "finished"]
    monkeypatch.setattr(watch, "SECONDS_TO_BE_SURE", 0.0)
    told.append(("searching", 0))
    tell()
    with pytest.raises(HptSparkError, match="ended without a result"):
        watch.main(SimpleNamespace(run=run.uri, once=False, every=2.0))


def test_how_long_no_sign_has_come_is_known(run, monkeypatch):
    clock = iter([0.0, 10.0, 70.0, 75.0])
    monkeypatch.setattr(module.time, "monotonic", lambda: next(clock))
    signs = SignsOfLife()
    first = datetime.now(timezone.utc)
    signs.age(first)
    signs.age(first)
    assert signs.seconds_without == 65.0


def test_silence_means_that_the_search_was_cut_short(run):
    with StatusFile(run, "accuracy") as status:
        status.begin()
    found = status_in(run)
    long_ago = datetime.now(timezone.utc) - timedelta(seconds=module.SECONDS_OF_SILENCE + 1)
    found.update(state="searching", updated=long_ago.isoformat(timespec="seconds"))
    (run.folder.path / STATUS).write_text(json.dumps(found))
    assert read_status(run.folder)["state"] == "cut short"
    assert "no sign of life since" in describe(read_status(run.folder))


@pytest.mark.parametrize(
    ("process", "state"),
    [({}, "searching"), ({"started": "0"}, "cut short"), ({"started": "0", "machine": "another"}, "searching")],
    ids=["lives", "gone", "elsewhere"],
)
def test_a_search_whose_process_is_gone_from_this_machine_was_cut_short(run, process, state):
    with StatusFile(run, "accuracy") as status:
        status.begin()
    found = status_in(run)
    found.update(state="searching", process={**found["process"], **process})
    (run.folder.path / STATUS).write_text(json.dumps(found))
    assert read_status(run.folder)["state"] == state
    told = f"cut short (its process {os.getpid()} has ended)"
    assert describe(read_status(run.folder)).startswith(told) is (state == "cut short")


@pytest.mark.parametrize("text", ["", "{", "[]", "{}", '{"updated": 3}'])
def test_a_damaged_status_is_none(run, text):
    (run.folder.path / STATUS).write_text(text)
    assert read_status(run.folder) is None


@pytest.mark.parametrize("state", [{"state": "failed", "reason": "InputError: the disk is full"}, {}])
def test_the_status_of_a_finished_search_says_so_whatever_it_said(run, state):
    finished(run)
    (run.folder.path / STATUS).write_text(json.dumps({"updated": "2026-01-01T00:00:00+00:00", "fits": 6, **state}))
    settle_status(run)
    found, best = status_in(run), run.finished_manifest()["best"]
    assert (found["state"], found["reason"], found["fits_done"]) == ("finished", None, 6)
    assert found["best"] == {name: best[name] for name in ("params", "score", "std")}
    assert describe(found).startswith("finished: 6 of 6 fits")


def test_runs_are_listed_with_their_state(tmp_path):
    for name in ("done", "deep/er/new", "running"):
        a_run(tmp_path / name)
    search = finished(RunDirectory(str(tmp_path / "done")))
    with StatusFile(RunDirectory(str(tmp_path / "running")), "accuracy") as status:
        status.begin()
        wait_until(lambda: (tmp_path / "running" / STATUS).exists())
        runs = {run.run: run for run in find_runs(str(tmp_path))}
    (tmp_path / "done" / "manifest.json").write_text("{")
    (tmp_path / "a file").write_text("")
    assert {name: run.state for name, run in runs.items()} == {
        "deep/er/new": "no search",
        "done": "finished",
        "running": "starting",
    }
    assert runs["done"].score == search.best_score_
    assert runs["done"].metric == "neg_log_loss"
    table = as_table(list(runs.values())).splitlines()
    assert table[0].split() == " ".join(HEADINGS).split()
    assert any(line.startswith("done ") and f"{runs['done'].score:.5f}" in line for line in table)
    assert [run.state for run in find_runs(str(tmp_path)) if run.run == "done"] == ["damaged"]


def test_a_run_is_listed_by_itself(run):
    finished(run)
    (only,) = find_runs(str(run.folder.path))
    assert (only.run, only.state) == (".", "finished")


def test_a_folder_that_is_not_there_is_refused(tmp_path):
    with pytest.raises(InputError, match="nowhere does not exist"):
        find_runs(str(tmp_path / "nowhere"))
