"""`tune`, ended by Ctrl-C and SIGTERM, and killed while it writes its results."""

from __future__ import annotations

import csv
import json
import os
import random
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import psutil
import pytest
from scipy import sparse

from hpt_spark.artifacts.finished_search import finish_search
from hpt_spark.artifacts.plan import plan_of
from hpt_spark.artifacts.run_directory import RunDirectory
from hpt_spark.cli import run_job
from hpt_spark.config.layers import load_config
from hpt_spark.matrix.design import DesignMatrix
from hpt_spark.tuning.search import run_search
from tests.jobs.running import grid, read_manifest, set_words
from tests.waiting import wait_until

pytestmark = pytest.mark.process
JOB = Path(__file__).parent.parent.parent / "jobs" / "tune.py"
# Candidates that share no training, of a tenth of a second or more each.
GRID = {"n_estimators": [60], "max_depth": [2, 3, 4], "learning_rate": [0.05, 0.1, 0.2]}
FITS = 9 * 2


@pytest.fixture
def run_dir(tmp_path):
    """A run with a small design."""
    generator = np.random.default_rng(0)
    X = sparse.random(900, 60, 0.2, "csr", np.float32, generator)
    design = DesignMatrix(
        X_train=X[:600],
        X_test=X[600:],
        y_train=(np.asarray(X[:600, :4].sum(axis=1)).ravel() * 7 % 6).astype(np.int32),
        train_device_ids=np.arange(600),
        test_device_ids=np.arange(600, 900),
        columns=[("hour", str(number)) for number in range(60)],
        classes=["a", "b", "c", "d", "e", "f"],
        facts={"blocks": {}},
    )
    with RunDirectory(str(tmp_path / "run")).folder.atomic_dir("design") as folder:
        design.save(folder)
    return tmp_path / "run"


def settings(run_dir, *more):
    return set_words(f"run.dir={run_dir}", "search.cv=2", grid(GRID), *more)


def started(run_dir, log, *more):
    spark = ["spark.master=local[1]", "spark.conf.spark.ui.enabled=false"]
    with log.open("w") as file:
        return subprocess.Popen(
            [sys.executable, str(JOB), *settings(run_dir, *spark, *more)],
            stdout=file,
            stderr=file,
            start_new_session=True,
        )


def finished_fits(run_dir):
    return sum(len(path.read_text().splitlines()) for path in (run_dir / "journal").glob("fits-*.jsonl"))


def scores(run_dir):
    with (run_dir / "cv_results.csv").open(newline="") as file:
        return [{k: v for k, v in row.items() if "_time" not in k} for row in csv.DictReader(file)]


def without_word_of_the_daemon(text):
    """Return `text` without what PySpark's daemon says of a worker whose task was killed before it could begin."""
    return re.sub(r"Traceback \(most recent call last\):\n  File [^\n]*daemon\.py(?s:.)*?\nEOFError\n", "", text)


@pytest.mark.parametrize("sent", [signal.SIGTERM, pytest.param(signal.SIGINT, marks=pytest.mark.slow)])
def test_a_signal_ends_tune_with_what_it_has(run_dir, tmp_path, sent, capsys):
    log = tmp_path / "log"
    process = started(run_dir, log)
    # The second of the two folds has begun.
    wait_until(lambda: finished_fits(run_dir) >= 11, 200, process=process, said=log.read_text)
    process.send_signal(sent)
    assert process.wait(timeout=100) == 128 + sent, log.read_text()
    assert "Traceback" not in without_word_of_the_daemon(log.read_text())
    manifest = read_manifest(run_dir)
    assert manifest["partial"]
    assert 11 <= manifest["reuse"]["trainings"] < FITS
    assert "ended early" in log.read_text()
    partial = scores(run_dir)
    assert 0 < sum(row["mean_test_score"] not in ("", "nan") for row in partial) < 9
    assert not [*run_dir.glob("lock*"), *(run_dir / "journal").glob("lock*")]

    # Started again it runs the rest, and nothing tells that it was ended in between.
    process = started(run_dir, log)
    assert process.wait(timeout=200) == 0, log.read_text()
    manifest = read_manifest(run_dir)
    assert not manifest["partial"]
    assert manifest["reuse"]["resumed"] >= 11
    assert manifest["reuse"]["resumed"] + manifest["reuse"]["trainings"] == FITS
    whole = scores(run_dir)
    import jobs.tune as tune

    other = run_dir.with_name("other")
    os.makedirs(other)
    (other / "design").symlink_to(run_dir / "design")
    assert run_job(tune.main, tune.__doc__, argv=settings(other, "search.backend=joblib", "search.n_jobs=1")) == 0
    capsys.readouterr()
    assert whole == scores(other)


def test_a_killed_search_of_joblib_leaves_no_process(run_dir, tmp_path):
    log = tmp_path / "log"
    many = grid({**GRID, "n_estimators": [300, 301, 302]})
    process = started(run_dir, log, "search.backend=joblib", "search.n_jobs=2", many)

    def fits_done():
        status = run_dir / "status.json"
        return json.loads(status.read_text())["fits_done"] if status.exists() else 0

    wait_until(lambda: fits_done() >= 6, 200, process=process, said=log.read_text)  # each worker has had one
    workers = [one for one in psutil.Process(process.pid).children() if "LokyProcess" in " ".join(one.cmdline())]
    assert len(workers) == 2
    process.kill()
    process.wait()
    assert psutil.wait_procs(workers, timeout=20)[1] == []


def test_a_kill_while_results_are_written_leaves_them_whole_or_uncounted(run_dir):
    conf = settings(run_dir, "search.backend=joblib", "search.n_jobs=1")
    config = load_config([], [word for word in conf if word != "--set"])
    run = RunDirectory(str(run_dir))
    design = run.load_design()
    plan = plan_of(config.search, design)
    search, seconds = run_search(config.search, config.spark, design.X_train, design.y_train, run.journal)
    finish_search(run, plan, search, seconds, design)
    began = time.monotonic()
    finish_search(run, plan, search, seconds, design)  # with everything imported, as in the children
    duration = time.monotonic() - began
    expected = scores(run_dir)
    whole = sorted(os.listdir(run_dir))
    chance = random.Random(0)
    counted = 0
    for _ in range(6):
        child = os.fork()
        if child == 0:
            try:
                finish_search(run, plan, search, seconds, design)
            finally:
                os._exit(0)
        time.sleep(chance.uniform(0, duration * 0.8))
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        if run.is_finished(plan, overwrite=False):
            counted += 1
            assert scores(run_dir) == expected
            assert {"cv_results.csv", "sweeping_results.txt", "best_params.json", "model.ubj"} <= set(
                os.listdir(run_dir)
            )
            continue
        finish_search(run, plan, search, seconds, design)
        assert sorted(os.listdir(run_dir)) == whole, "what the killed one left is gone"
        assert scores(run_dir) == expected
    assert counted < 6, "no kill came early enough to say anything"
