"""Which steps of a pipeline run, and that one that was cut short anywhere ends as if it had not been."""

from __future__ import annotations

import importlib
import itertools
import os
import shutil
import sys

import pytest

import hpt_spark
from hpt_spark.artifacts.run_directory import JOURNAL, OVERWRITE, RunDirectory
from hpt_spark.data.ingest import PIPELINE
from hpt_spark.errors import ConfigError, InputError
from hpt_spark.pipeline import run as running
from hpt_spark.pipeline import steps as stepping
from hpt_spark.pipeline.run import run_pipeline
from hpt_spark.pipeline.steps import STEPS
from hpt_spark.signals import unwind_on_signals
from tests.jobs.running import state
from tests.killed import run_until
from tests.pipeline.stand_ins import StandIns, a_source, config_of

ALL = list(STEPS)
LAST_THREE = ["tune", "predict", "report"]


@pytest.fixture(autouse=True)
def _no_spark(monkeypatch):
    """The jobs here need none; and the disk of the tests need not be flushed."""
    monkeypatch.setattr(os, "fsync", lambda _: None)
    monkeypatch.setattr(running, "needs_spark", lambda step, config: False)


@pytest.fixture
def jobs(monkeypatch):
    return StandIns(monkeypatch)


@pytest.fixture
def finished(tmp_path, jobs):
    """A place where the whole pipeline has run."""
    place = a_source(tmp_path / "place")
    run_pipeline(config_of(place), jobs.jobs, "ingest", "report")
    assert jobs.ran == ALL
    jobs.ran.clear()
    jobs.trained.clear()
    return place


def again(jobs, place, *more, first="ingest", last="report", overwrite=False):
    """Run the pipeline again and return the steps that have run."""
    jobs.ran.clear()
    run_pipeline(config_of(place, *more, overwrite=overwrite), jobs.jobs, first, last)
    return list(jobs.ran)


def test_what_is_unchanged_is_passed_over_and_says_so(finished, jobs, capsys):
    before = state(finished)
    assert again(jobs, finished) == []
    assert capsys.readouterr().out.splitlines() == [
        f"{step}: nothing has changed since it ran; it is passed over" for step in STEPS
    ]
    assert state(finished) == before


def test_times_do_not_matter(finished, jobs):
    for path in finished.rglob("*"):
        os.utime(path, (1, 1))
    assert again(jobs, finished) == []


def edit(path):
    """Change one byte of a file, with its size and its time as they were."""
    content, times = bytearray(path.read_bytes()), path.stat()
    content[len(content) // 2] ^= 1
    path.write_bytes(bytes(content))
    os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))


def test_one_other_byte_of_the_source_makes_all_anew_that_comes_of_it(finished, jobs):
    edit(finished / "raw" / "events.csv")
    # The stand-in's design goes by sizes alone, so that what follows is as it was.
    assert again(jobs, finished) == ["ingest", "build_features"]
    assert again(jobs, finished) == []


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("tables/events/part-00000.parquet", ["ingest"]),
        ("tables/manifest.json", ["ingest"]),
        ("run/design/X_train.npz", ["build_features"]),
        ("run/design/manifest.json", ["build_features"]),
        ("run/cv_results.csv", ["tune", "predict"]),
        ("run/sweeping_results.txt", ["tune", "predict"]),
        ("run/best_params.json", ["tune", "predict"]),
        ("run/manifest.json", ["tune", "predict"]),
        ("run/submission.csv", ["predict"]),
        ("run/report.html", ["report"]),
    ],
)
@pytest.mark.parametrize("how", ["edited", "removed"])
def test_an_output_that_is_not_as_it_was_made_is_made_again(finished, jobs, name, expected, how):
    before = state(finished)
    if how == "edited":
        edit(finished / name)
    else:
        (finished / name).unlink()
    assert again(jobs, finished) == expected
    assert jobs.trained == [], "the journal has all fits"
    after = state(finished)
    assert {name: digest for name, digest in after.items() if "pipeline" not in name} == {
        name: digest for name, digest in before.items() if "pipeline" not in name
    }
    assert again(jobs, finished) == []


def test_a_file_more_is_another_output(finished, jobs):
    (finished / "tables" / "events" / "part-00001.parquet").write_text("more")
    assert again(jobs, finished) == ["ingest"]


@pytest.mark.parametrize(
    ("setting", "expected"),
    [
        ("source.max_bad_rows=3", ["ingest", "build_features"]),
        ("features.min_devices=2", ["build_features", *LAST_THREE]),
        ("features.encoding=indicator", ["build_features"]),
        ("search.cv=3", LAST_THREE),
        ('search.param_grid={"C": [3.0, 4.0]}', LAST_THREE),
        ("search.backend=joblib", []),
        ("search.refit_on=driver", []),
        ("search.max_time=1000.0", []),
        ("search.max_fit_time=100.0", []),
        ("spark.conf={spark.driver.memory: 2g}", []),
        ("upload.folder=elsewhere", []),
    ],
)
def test_a_setting_concerns_the_steps_that_go_by_it(finished, jobs, setting, expected, monkeypatch):
    """A change of the search needs --overwrite, as with `tune` alone."""
    if "tune" in expected:
        with pytest.raises(InputError, match="overwrite"):
            again(jobs, finished, setting)
        monkeypatch.setattr(running._Overwrite, "begin", lambda self: None)  # only what the settings change
        assert again(jobs, finished, setting, overwrite=True) == expected
    else:
        assert again(jobs, finished, setting) == expected
    assert again(jobs, finished, setting) == []


def test_predictions_that_were_not_kept_are_made_and_more_than_enough_is_enough(finished, jobs, caplog):
    with caplog.at_level("INFO"):
        assert again(jobs, finished, "search.keep_oof=best") == LAST_THREE
    assert "tune: search.keep_oof=best wants predictions that were not kept" in caplog.text
    assert again(jobs, finished, "search.keep_oof=best") == again(jobs, finished) == []


def test_an_edited_function_makes_its_blocks_anew(finished, jobs, monkeypatch, tmp_path):
    monkeypatch.syspath_prepend(tmp_path)
    module = tmp_path / "features_of_mine.py"
    words = "features.blocks=[features_of_mine.recent]"

    def edited(text):
        module.write_text(text)
        sys.modules.pop("features_of_mine", None)
        importlib.invalidate_caches()
        return again(jobs, finished, words)

    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    used = "DAYS = {}\ndef used(): return DAYS\ndef recent(tables): return used()\n"
    assert edited(used.format(1)) == ["build_features"]  # the design itself stays as it was
    assert edited("# a comment\n" + used.format(1)) == []
    assert edited(used.format(2)) == ["build_features"]
    lock = "import threading\nLOCK = threading.Lock()\ndef recent(tables): return LOCK\n"
    for _ in range(2):
        assert edited(lock) == ["build_features"]


def test_the_same_files_elsewhere_are_the_same_input(finished, jobs):
    shutil.move(finished / "raw", finished / "moved")
    assert again(jobs, finished, f"source.uri={finished}/moved") == []


def test_another_release_is_another_pipeline(finished, jobs, monkeypatch, caplog):
    monkeypatch.setattr(stepping, "__version__", "99.0")
    caplog.set_level("INFO", "hpt_spark")
    assert again(jobs, finished) == ALL
    assert f"ingest: hpt_spark itself has changed: {hpt_spark.__version__}, now 99.0" in caplog.text
    assert again(jobs, finished) == []


def test_why_a_step_runs_is_logged(finished, jobs, caplog):
    caplog.set_level("INFO", "hpt_spark")
    edit(finished / "raw" / "events.csv")
    (finished / "run" / "submission.csv").unlink()
    again(jobs, finished)
    assert "ingest: the inputs have changed: events.csv" in caplog.text
    assert "predict: the outputs are not those that were made: submission.csv" in caplog.text


@pytest.mark.parametrize("damage", ["", "[1]", '{"steps": 3}', '{"steps": {"tune": 3, "ingest": {"odd": 1}}}', "{"])
def test_a_damaged_record_is_none(finished, jobs, damage):
    for folder in ("run", "tables"):
        (finished / folder / "pipeline.json").write_text(damage)
    assert again(jobs, finished) == ALL
    assert jobs.trained == []
    assert again(jobs, finished) == []


def test_from_and_until(tmp_path, jobs):
    place = a_source(tmp_path / "place")
    assert again(jobs, place, last="build_features") == ["ingest", "build_features"]
    assert again(jobs, place, first="build_features", last="tune") == ["tune"]
    assert again(jobs, place, first="predict") == ["predict", "report"]
    assert again(jobs, place) == []
    with pytest.raises(
        ConfigError, match=r"--from tune comes after --until ingest; the steps are, in this order, ingest"
    ):
        again(jobs, place, first="tune", last="ingest")


def test_tables_are_shared_by_runs(finished, jobs):
    assert again(jobs, finished, f"run.dir={finished}/other") == ["build_features", *LAST_THREE]


def test_a_search_that_ran_out_of_time_goes_on(tmp_path, monkeypatch):
    place, jobs = a_source(tmp_path / "place"), StandIns(monkeypatch, partial=True)
    assert again(jobs, place) == ALL
    jobs.partial = False
    assert again(jobs, place) == LAST_THREE
    assert jobs.trained == [0, 1, 2, 3]
    assert again(jobs, place) == []


def test_a_signal_that_the_search_has_answered_ends_the_pipeline(tmp_path, monkeypatch):
    import signal

    place, jobs = a_source(tmp_path / "place"), StandIns(monkeypatch, partial=True)

    def answered(name):
        if name == "tune":
            with pytest.raises(KeyboardInterrupt):
                signal.raise_signal(signal.SIGINT)

    jobs.after = answered
    before = signal.getsignal(signal.SIGINT)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        with unwind_on_signals() as came:
            assert again(jobs, place) == ["ingest", "build_features", "tune"]
    finally:
        signal.signal(signal.SIGINT, before)
    assert came == [signal.SIGINT]
    jobs.partial, jobs.after = False, lambda name: None
    assert again(jobs, place) == LAST_THREE
    assert jobs.trained == [0, 1, 2, 3]


# --- overwrite ---


def test_overwrite_makes_all_anew_each_time(finished, jobs):
    for _ in range(2):
        jobs.trained.clear()
        assert again(jobs, finished, overwrite=True) == ALL
        assert jobs.trained == [0, 1, 2, 3]
    assert again(jobs, finished) == []
    assert again(jobs, finished, first="predict", overwrite=True) == ["predict", "report"]


def test_an_overwrite_that_ran_out_of_time_goes_on(finished, monkeypatch):
    jobs = StandIns(monkeypatch, generation=2.0, partial=True)
    assert again(jobs, finished, overwrite=True) == ALL
    jobs.partial = False
    assert again(jobs, finished, overwrite=True) == LAST_THREE
    assert jobs.trained == [0, 1, 2, 3]
    assert again(jobs, finished, overwrite=True) == ALL


def test_another_overwrite_than_the_one_that_was_cut_short_begins_anew(finished, jobs):
    def dies(name):
        if name == "build_features":
            raise KeyboardInterrupt

    jobs.after = dies
    with pytest.raises(KeyboardInterrupt):
        again(jobs, finished, overwrite=True)
    jobs.after = lambda name: None
    assert again(jobs, finished, "search.cv=3", overwrite=True) == ALL


@pytest.mark.parametrize("when", ["in the middle", "when all is done"])
def test_a_second_attempt_on_yarn_goes_on(finished, jobs, monkeypatch, when):
    monkeypatch.setenv("CONTAINER_ID", "container_e01_1700000000000_0007_01_000001")

    def dies(name):
        if name == "predict" and when == "in the middle":
            raise KeyboardInterrupt

    jobs.after = dies
    if when == "in the middle":
        with pytest.raises(KeyboardInterrupt):
            again(jobs, finished, overwrite=True)
    else:
        assert again(jobs, finished, overwrite=True) == ALL
    jobs.after = lambda name: None
    monkeypatch.setenv("CONTAINER_ID", "container_e01_1700000000000_0007_02_000001")
    assert again(jobs, finished, overwrite=True) == (["predict", "report"] if when == "in the middle" else [])
    assert jobs.trained == [0, 1, 2, 3]
    monkeypatch.setenv("CONTAINER_ID", "container_e01_1700000000000_0008_01_000001")
    assert again(jobs, finished, overwrite=True) == ALL, "another submission is another wish"


# --- killed ---


def started(place, *, generation, overwrite, dies_at=None):
    """Run the pipeline in a process of its own, as `run_until` does."""

    def work(trained):
        sys.stdout = open(os.devnull, "w")  # noqa: SIM115, the process ends with it
        jobs = StandIns(generation=generation)
        jobs.trained = trained
        running.needs_spark = lambda step, config: False
        run_pipeline(config_of(place, overwrite=overwrite), jobs.jobs, "ingest", "report")

    return run_until(dies_at, work)


def results(place):
    """Return the digest of all that a run leaves, but what the dead have left on the way, and the journal's parts."""
    apart = ("/journal/", "lock-", "/.")
    return {name: digest for name, digest in state(place).items() if not any(one in name for one in apart)}


@pytest.mark.long
@pytest.mark.parametrize("overwrite", [False, True])
def test_killed_at_any_change_of_the_disk_it_goes_on_to_the_same_end(tmp_path, overwrite):
    """No fit is trained twice but the one in flight, and no result of an earlier pipeline is taken for its own."""
    place, template = tmp_path / "place", tmp_path / "template"
    a_source(place)
    if overwrite:
        started(place, generation=1.0, overwrite=False)
    shutil.copytree(place, template)

    def fresh():
        shutil.rmtree(place)
        shutil.copytree(template, place)

    _, _, changes = started(place, generation=2.0, overwrite=overwrite)
    unbroken = results(place)
    assert changes > 60
    for dies_at in range(0, changes, 4):
        fresh()
        before, killed, _ = started(place, generation=2.0, overwrite=overwrite, dies_at=dies_at)
        assert killed
        # All is done and told: the next --overwrite is another wish.
        has_ended = overwrite and before == [0, 1, 2, 3] and not (place / "run" / JOURNAL / OVERWRITE).exists()
        after, _, _ = started(place, generation=2.0, overwrite=overwrite)
        assert results(place) == unbroken, dies_at
        assert sorted(set(before) | set(after)) == [0, 1, 2, 3]
        assert has_ended or len(before) + len(after) <= 5, f"killed at change {dies_at}, fits were trained again"


@pytest.mark.long
def test_a_killed_pipeline_leaves_no_digest_of_other_records_in_the_manifest(tmp_path):
    """`fetch` would refuse the run."""
    place, template = a_source(tmp_path / "place"), tmp_path / "template"
    started(place, generation=1.0, overwrite=False)
    (place / "run" / "submission.csv").unlink()
    shutil.copytree(place, template)
    listed = []
    for dies_at in itertools.count():
        shutil.rmtree(place)
        shutil.copytree(template, place)
        _, killed, _ = started(place, generation=1.0, overwrite=False, dies_at=dies_at)
        file = RunDirectory(str(place / "run")).finished_manifest()["files"].get(PIPELINE)
        listed.append(file is not None)
        assert file is None or file["sha256"] == state(place)[f"run/{PIPELINE}"], dies_at
        if not killed:
            break
    assert listed[0]
    assert listed[-1]
    assert not all(listed)
