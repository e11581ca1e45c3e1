"""`tune`, killed at every change that it makes on the disk: started again, it leaves what an unbroken one leaves."""

from __future__ import annotations

import itertools
import json
import shutil
import time
from pathlib import Path
from types import SimpleNamespace

import pytest

import jobs.tune as tune
from hpt_spark.artifacts.finished_search import announce
from hpt_spark.artifacts.plan import plan_of
from hpt_spark.artifacts.run_directory import MANIFEST, STATUS, RunDirectory
from hpt_spark.config.layers import load_config
from hpt_spark.search.followers.follower import SearchState
from tests.artifacts.searches import a_run
from tests.jobs.running import set_words, state
from tests.jobs.stand_in_search import LOCK, searching, take_the_place_of_the_search
from tests.killed import run_until

KEPT = "kept"  # in place of the files in a store

pytestmark = pytest.mark.process


def begin_without_thread(status):
    """Write a status as the thread does, which would change the disk at any time."""
    status._started = time.time()
    status._writing = SimpleNamespace(join=lambda: None)
    status.state_changed(SearchState(stage="searching", candidates=2, folds=2, fits=4, fits_done=3))
    status._write("searching")


def tuned(run_dir: Path, dies_at: int | None = None) -> bool:
    """Run `tune` in a process of its own, which ends before its change number `dies_at`; return whether it did."""
    config = load_config(
        [],
        [
            *set_words(f"run.dir={run_dir}", "search.cv=2", "search.refit=false")[1::2],
            "search.estimator=sklearn.linear_model.LogisticRegression",
            f"search.param_grid={json.dumps({'C': [1.0, 2.0]})}",
        ],
    )

    def work(trained):
        take_the_place_of_the_search(searching(1.0, trained))
        tune.StatusFile.begin = begin_without_thread
        run = RunDirectory(config.run.dir)
        design = run.load_design()
        history = SimpleNamespace(followers=[], keep=lambda _: (run_dir / KEPT).touch())
        tune.search_and_keep(config, run, design, plan_of(config.search, design), LOCK, history)
        announce(run)

    return run_until(dies_at, work)[1]


def test_status_and_history_are_those_of_an_unbroken_search(tmp_path):
    a_run(tmp_path / "before")
    run_dir = tmp_path / "run"
    states = set()
    for dies_at in itertools.count():
        shutil.rmtree(run_dir, ignore_errors=True)
        shutil.copytree(tmp_path / "before", run_dir)
        killed = tuned(run_dir, dies_at)
        if (run_dir / MANIFEST).exists():
            assert (run_dir / KEPT).exists(), "a search with a manifest is not run again"
            states.add(json.loads((run_dir / STATUS).read_text())["state"])
        tuned(run_dir)
        found = json.loads((run_dir / STATUS).read_text())
        assert found["state"] == "finished"
        files = json.loads((run_dir / MANIFEST).read_text())["files"]
        assert {name: one["sha256"] for name, one in files.items()}.items() <= state(run_dir).items()
        assert STATUS in files
        if not killed:
            break
    assert states == {"searching", "finished"}
