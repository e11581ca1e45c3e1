"""Optuna's dashboard opens an exported search, in a browser."""

from __future__ import annotations

import json
import subprocess
import sys
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import pytest

from hpt_spark.artifacts.optuna_study import export_study
from tests.artifacts.searches import finished, halved
from tests.browser import installed_chromium
from tests.servers import answers, free_port, running_server

pytestmark = pytest.mark.slow


@contextmanager
def dashboard(study: Path):
    """Give the URL of a dashboard of `study`."""
    port = free_port()
    words = [Path(sys.executable).with_name("optuna-dashboard"), study, "--host", "127.0.0.1", "--port", str(port)]
    url = f"http://127.0.0.1:{port}"
    with running_server(words, study.with_suffix(".out"), partial(answers, url), 60, study.parent):
        yield url


@pytest.fixture
def browser():
    found = installed_chromium()
    if found is None:
        pytest.skip("there is no Chromium on this machine")
    return found


def shown(browser: str, url: str, profile: Path) -> str:
    """Return the page as it is when its scripts have run."""
    options = ["--headless=new", "--no-sandbox", "--disable-gpu", f"--user-data-dir={profile}"]
    options += ["--virtual-time-budget=200000", "--dump-dom", url]
    done = subprocess.run([browser, *options], capture_output=True, text=True, timeout=250, check=True)
    return done.stdout


def test_the_study_is_listed_and_its_trials_are_shown(run, tmp_path, browser):
    search = finished(run)
    export_study(run, tmp_path / "study.log")
    with dashboard(tmp_path / "study.log") as url:
        (study,) = json.loads(answers(f"{url}/api/studies"))["study_summaries"]
        assert study["study_name"] == f"hpt_spark {run.uri}"
        number = study["study_id"]
        trials = json.loads(answers(f"{url}/api/studies/{number}?after=0"))["trials"]
        assert [trial["values"][0] for trial in trials] == list(search.cv_results_["mean_test_score"])
        assert run.uri in shown(browser, f"{url}/dashboard/", tmp_path / "list")
        page = shown(browser, f"{url}/dashboard/studies/{number}/trials", tmp_path / "table")
    assert f"{len(trials)} Trials" in page
    assert "Best Trial" in page
    assert "mean_fit_time" in page


def test_halving_is_shown_with_what_it_pruned(run, tmp_path, browser):
    halved(run)
    export_study(run, tmp_path / "study.log")
    with dashboard(tmp_path / "study.log") as url:
        (study,) = json.loads(answers(f"{url}/api/studies"))["study_summaries"]
        page = shown(browser, f"{url}/dashboard/studies/{study['study_id']}/trials", tmp_path / "profile")
    assert "Pruned" in page
