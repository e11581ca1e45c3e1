"""`tune --overwrite`, killed at every change that it makes on the disk, and started again."""

from __future__ import annotations

import itertools
import json
import shutil
from pathlib import Path

import pytest

from hpt_spark.artifacts.plan import plan_of
from hpt_spark.artifacts.run_directory import JOURNAL, MANIFEST, OVERWRITE, RunDirectory
from hpt_spark.config.layers import Config, load_config
from hpt_spark.errors import InputError
from hpt_spark.storage import open_folder
from tests.artifacts.searches import a_design
from tests.jobs.running import rows_of
from tests.jobs.stand_in_search import FITS, search_and_keep, searching, take_the_place_of_the_search
from tests.killed import run_until
from tests.search.journal.journalled import Journalled

OURS, OTHER = {"C": [1.0, 2.0]}, {"C": [3.0, 4.0]}


def config_of(run_dir: Path, grid: dict[str, object], *more: str) -> Config:
    words = [f"run.dir={run_dir}", f"search.param_grid={json.dumps(grid)}", "search.refit=false", *more]
    return load_config([], ["search.estimator=sklearn.linear_model.LogisticRegression", "search.cv=2", *words])


def started(config: Config, generation: float, *, dies_at: int | None = None, **how) -> tuple[list[int], bool, int]:
    """Run `tune` in a process of its own, as `run_until` does; return the fits that it has begun and finished, too."""

    def work(trained):
        take_the_place_of_the_search(searching(generation, trained, **how))
        run = RunDirectory(config.run.dir)
        search_and_keep(config, run)
        run.end_overwrite()

    return run_until(dies_at, work)


@pytest.fixture(scope="module")
def design(tmp_path_factory):
    folder = tmp_path_factory.mktemp("design") / "run"
    RunDirectory(str(folder)).save_design(a_design())
    return folder


def a_run(design: Path, folder: Path, kind: str) -> Path:
    """Return a run in which something lies; all its scores are 0."""
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(design, folder)
    overwrite = "run.overwrite=true"
    if kind == "finished":
        started(config_of(folder, OURS), 0.0)
    elif kind == "finished overwrite":
        started(config_of(folder, OURS, overwrite), 0.0)
    elif kind == "partial":
        started(config_of(folder, OURS), 0.0, partial=True)
    elif kind == "killed":
        started(config_of(folder, OURS), 0.0, dies_after=2)
    elif kind == "another finished":
        started(config_of(folder, OTHER), 0.0)
        (folder / "submission.csv").write_text("of the other model")
    elif kind == "another overwrite killed":
        started(config_of(folder, OTHER, overwrite), 0.0, dies_after=2)
    elif kind == "of joblib":
        started(config_of(folder, OURS, "search.backend=joblib"), 0.0)
    return folder


KINDS = (
    *("nothing", "finished", "finished overwrite", "partial", "killed"),
    *("another finished", "another overwrite killed", "of joblib"),
)


def generations(run_dir: Path) -> set[float]:
    return {float(row[f"split{fold}_test_score"]) for row in rows_of(run_dir / "cv_results.csv") for fold in (0, 1)}


def journalled(run_dir: Path) -> dict[int, float]:
    lines = [line for path in run_dir.glob(f"{JOURNAL}/fits-*.jsonl") for line in path.read_text().splitlines()]
    records = [json.loads(line) for line in lines]
    numbers = [int(candidate) * 2 + int(fold) for candidate, fold in (record["fit"] for record in records)]
    return {number: record["test_scores"] for number, record in zip(numbers, records)}


def finished_plan(run_dir: Path) -> dict[str, object] | None:
    path = run_dir / MANIFEST
    return json.loads(path.read_text())["plan"]["search"]["param_grid"][0] if path.exists() else None


@pytest.mark.parametrize("where", ["on this machine", "on YARN"])
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.process
@pytest.mark.timeout(600)
def test_a_kill_anywhere_costs_no_journalled_fit_and_adopts_no_old_result(design, tmp_path, monkeypatch, kind, where):
    before = a_run(design, tmp_path / "before", kind)
    run_dir = tmp_path / "run"
    config = config_of(run_dir, OURS, "run.overwrite=true")
    outcomes = set()
    step = 1 if kind == "another finished" else 5  # where most has to be removed, each moment is tried
    for dies_at in itertools.count(KINDS.index(kind) % step, step):
        shutil.rmtree(run_dir, ignore_errors=True)
        shutil.copytree(before, run_dir)
        if where == "on YARN":
            monkeypatch.setenv("CONTAINER_ID", "container_e17_1700000000001_0042_01_000001")
        trained, killed, _ = started(config, 1.0, dies_at=dies_at)
        has_finished = finished_plan(run_dir) == OURS and generations(run_dir) == {1.0}
        # Whatever counts is whole and of one search.
        if finished_plan(run_dir) is not None:
            assert generations(run_dir) in ({0.0}, {1.0})
        kept = {number for number, generation in journalled(run_dir).items() if generation == 1.0}
        assert len(trained) - len(kept) <= 1, "a fit is in the journal before the next one begins"

        if where == "on YARN":
            monkeypatch.setenv("CONTAINER_ID", "container_e17_1700000000001_0042_02_000001")
        again, killed_again, _ = started(config, 1.0)
        assert not killed_again
        assert finished_plan(run_dir) == OURS
        assert generations(run_dir) == {1.0}, "a score of an earlier search was adopted"
        assert not (run_dir / "submission.csv").exists()
        if not killed and where == "on this machine":
            assert again == [0, 1, 2, 3], "a finished search and --overwrite: a new wish"
        else:
            assert set(again) == (set() if has_finished else {0, 1, 2, 3} - kept)
            outcomes.add("finished" if has_finished else "resumed" if kept else "begun")
        if not killed:
            break
    assert outcomes >= {"begun", "resumed"} | ({"finished"} if step == 1 else set())
    assert dies_at > 15


def test_another_plan_begins_anew_whatever_was_begun(design, tmp_path):
    run_dir = a_run(design, tmp_path / "run", "another overwrite killed")
    assert journalled(run_dir) == {0: 0.0, 1: 0.0}
    trained, _, _ = started(config_of(run_dir, OURS, "run.overwrite=true"), 1.0)
    assert (trained, generations(run_dir)) == ([0, 1, 2, 3], {1.0})


def test_an_overwrite_goes_on_after_build_features_has_made_the_same_design_again(design, tmp_path):
    """As where one script, or one application, runs both with --overwrite and starts again."""
    run_dir = a_run(design, tmp_path / "run", "another finished")
    config = config_of(run_dir, OURS, "run.overwrite=true")
    started(config, 1.0, dies_after=2)
    RunDirectory(str(run_dir)).save_design(a_design(), overwrite=True)
    assert started(config, 1.0)[0] == [2, 3]
    RunDirectory(str(run_dir)).save_design(a_design(columns=3), overwrite=True)
    assert started(config, 2.0)[0] == [0, 1, 2, 3], "another design, another plan"


def test_an_overwrite_that_was_cut_short_goes_on_without_overwrite_too(design, tmp_path):
    run_dir = a_run(design, tmp_path / "run", "finished")
    started(config_of(run_dir, OURS, "run.overwrite=true"), 1.0, dies_after=3)
    trained, _, _ = started(config_of(run_dir, OURS), 1.0)
    assert (trained, generations(run_dir)) == ([3], {1.0})


def test_a_partial_overwrite_goes_on(design, tmp_path):
    """As after Ctrl-C, SIGTERM and max_time: it has a manifest, but never finished."""
    run_dir = a_run(design, tmp_path / "run", "another finished")
    config = config_of(run_dir, OURS, "run.overwrite=true")
    started(config, 1.0, partial=True)
    (run_dir / JOURNAL / "fits-000004.jsonl").unlink()
    assert started(config, 1.0)[0] == [3]
    assert not json.loads((run_dir / MANIFEST).read_text())["partial"]
    assert started(config, 2.0)[0] == [0, 1, 2, 3]


@pytest.mark.parametrize("damage", ["", "{", "[]", "null", '{"plan": 3}'])
def test_a_damaged_record_is_none(design, tmp_path, damage):
    run_dir = a_run(design, tmp_path / "run", "nothing")
    config = config_of(run_dir, OURS, "run.overwrite=true")
    started(config, 0.0, dies_after=2)
    (run_dir / JOURNAL / OVERWRITE).write_text(damage)
    assert started(config, 1.0)[0] == [0, 1, 2, 3]
    assert generations(run_dir) == {1.0}


@pytest.mark.parametrize("damage", ["of another search", "damaged"])
def test_a_journal_that_cannot_be_used_does_not_stand_in_the_way_of_overwrite(design, tmp_path, damage, caplog):
    """Its refusal says --overwrite, as after an upgrade between the kill and the next start."""
    run_dir = a_run(design, tmp_path / "run", "nothing")
    config = config_of(run_dir, OURS, "run.overwrite=true")
    started(config, 0.0, dies_after=2)
    if damage == "damaged":
        (run_dir / JOURNAL / "fits-000001.jsonl").write_text("{}\n")
    else:
        (run_dir / JOURNAL / "context.json").write_text('{"candidates": "others"}')
    without = config_of(run_dir, OURS)
    run = RunDirectory(str(run_dir))
    with pytest.raises(InputError, match="tune: --overwrite"):
        Journalled(open_folder(run.journal), {"candidates": str(without.search.param_grid)}, FITS)
    assert started(config, 1.0)[0] == [0, 1, 2, 3]
    assert generations(run_dir) == {1.0}


def test_joblib_has_no_journal_and_begins_anew_but_a_finished_attempt_counts(design, tmp_path, monkeypatch):
    run_dir = a_run(design, tmp_path / "run", "another finished")
    config = config_of(run_dir, OURS, "run.overwrite=true", "search.backend=joblib")
    monkeypatch.setenv("CONTAINER_ID", "container_1700000000001_0042_01_000001")
    assert started(config, 1.0, dies_after=2)[1]
    assert sorted(path.name for path in run_dir.iterdir()) == ["design"]
    monkeypatch.setenv("CONTAINER_ID", "container_1700000000001_0042_02_000001")
    assert started(config, 1.0)[0] == [0, 1, 2, 3]
    monkeypatch.setenv("CONTAINER_ID", "container_1700000000001_0042_03_000001")
    assert started(config, 1.0)[0] == []
    monkeypatch.setenv("CONTAINER_ID", "container_1700000000001_0043_04_000001")
    assert started(config, 1.0)[0] == [0, 1, 2, 3], "another application"


def test_the_plan_of_an_overwrite_ignores_what_plans_ignore(design, tmp_path):
    """More time, or another backend, is the same plan."""
    run_dir = a_run(design, tmp_path / "run", "nothing")
    started(config_of(run_dir, OURS, "run.overwrite=true"), 1.0, dies_after=2)
    more = config_of(run_dir, OURS, "run.overwrite=true", "search.max_time=100.0")
    run = RunDirectory(str(run_dir))
    assert run.is_being_overwritten(plan_of(more.search, run.load_design()))
    assert started(more, 1.0)[0] == [2, 3]
