"""Jobs, killed at every change that they make on the disk: the run can be fetched, and a second start mends it."""

from __future__ import annotations

import itertools
import json
import shutil
import time
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

import jobs.tune as tune
from hpt_spark.artifacts.fetch import fetch
from hpt_spark.artifacts.finished_search import announce
from hpt_spark.artifacts.plan import plan_of
from hpt_spark.artifacts.run_directory import MANIFEST, REPORT, STATUS, SUBMISSION, RunDirectory
from hpt_spark.config.layers import load_config
from hpt_spark.matrix.design import ROWS
from hpt_spark.search.followers.follower import SearchState
from jobs import predict, report
from tests.artifacts.searches import a_design, a_run, finished
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


def listed_as_they_are(run_dir: Path) -> set[str]:
    """Return the names of the manifest's files, if each of them has the digest there."""
    files = json.loads((run_dir / MANIFEST).read_text())["files"]
    assert {name: one["sha256"] for name, one in files.items()}.items() <= state(run_dir).items()
    return {*files}


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
            assert listed_as_they_are(run_dir), "or `fetch` would refuse the run"
            states.add(json.loads((run_dir / STATUS).read_text())["state"])
        tuned(run_dir)
        found = json.loads((run_dir / STATUS).read_text())
        assert found["state"] == "finished"
        assert STATUS in listed_as_they_are(run_dir)
        if not killed:
            break
    assert states == {"searching", "finished"}


@pytest.mark.parametrize(
    ("job", "made", "has_test_rows"),
    [(report, REPORT, True), (predict, SUBMISSION, True), (predict, SUBMISSION, False)],
)
def test_a_killed_report_or_predict_leaves_a_run_that_can_be_fetched(tmp_path, job, made, has_test_rows):
    run = a_run(tmp_path / "run")
    if not has_test_rows:
        design = a_design()
        facts = {**design.facts, "rows_are": ROWS}
        run.save_design(replace(design, facts=facts, X_test=design.X_test[:0], test_device_ids=np.arange(0)))
    finished(run)
    with run.replacing(made) as path:
        path.write_text("of an earlier release")
    shutil.copytree(run.folder.path, tmp_path / "before")
    config, copied = load_config([], [f"run.dir={run.uri}"]), []
    for dies_at in itertools.count():
        shutil.rmtree(run.folder.path)
        shutil.copytree(tmp_path / "before", run.folder.path)
        _, killed, _ = run_until(dies_at, lambda _: job.main(config))
        shutil.rmtree(tmp_path / "copy", ignore_errors=True)
        fetch(run.uri, tmp_path / "copy")
        copied.append((tmp_path / "copy" / made).exists())
        if not killed:
            break
    assert copied[0]
    assert not all(copied), "no kill came between the old file and the new one"
    assert copied[-1] is has_test_rows
