"""The manifest of a finished search: strict JSON of a known shape, or a sentence that says what to do."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor, wait
from pathlib import Path

import numpy as np
import pytest

from hpt_spark.artifacts.finished_search import announce, finish_search
from hpt_spark.artifacts.plan import plan_of
from hpt_spark.artifacts.report import page
from hpt_spark.artifacts.report.gather import gather
from hpt_spark.artifacts.report.page import write_report
from hpt_spark.artifacts.run_directory import REPORT, SUBMISSION, RunDirectory
from hpt_spark.errors import InputError
from hpt_spark.storage.folder import write_json
from hpt_spark.storage.local import LocalFolder
from tests.artifacts.searches import SETTINGS, SEVERAL, finished, halved, searched

GONE = object()


def strictly(path: Path) -> object:
    """Return what a reader of JSON that knows no NaN reads."""

    def refuse(word: str) -> None:
        raise AssertionError(f"{word} is not JSON")

    return json.loads(path.read_text(encoding="utf-8"), parse_constant=refuse)


# --- one that is damaged ---


@pytest.mark.parametrize(
    ("text", "damage"),
    [
        ('{"plan": ', "is not valid JSON"),
        ("[]", "is no manifest of a search"),
        ("null", "is no manifest of a search"),
        ("{}", "has no usable plan"),
        ('{"plan": 3}', "has no usable plan"),
    ],
)
def test_a_damaged_manifest_is_told(run, text, damage):
    finished(run)
    path = run.folder.path / "manifest.json"
    path.write_text(text)
    for use in (lambda: run.is_finished({}, overwrite=False), run.finished_manifest, lambda: write_report(run)):
        with pytest.raises(InputError) as caught:
            use()
        assert str(caught.value) == f"{path} {damage}; run `hpt-spark tune --overwrite` to make it anew."


@pytest.mark.parametrize(
    ("place", "value"),
    [
        (("plan",), GONE),
        (("plan", "search", "scoring"), GONE),
        (("plan", "search", "refit"), 1),
        (("best", "candidate"), GONE),
        (("best", "candidate"), "0"),
        (("best", "params"), []),
        (("best", "score"), "high"),
        (("candidates",), None),
        (("seconds",), GONE),
        (("columns_digest",), GONE),
        (("columns_digest",), 5),
        (("design", "blocks"), []),
        (("design", "blocks", "hour"), 1),
        (("files",), "cv_results.csv"),
        (("files",), ["cv_results.csv"]),
        (("partial",), GONE),
    ],
)
def test_the_first_place_that_is_wrong_is_named(run, place, value):
    finished(run)
    manifest = run.finished_manifest()
    within = manifest
    for key in place[:-1]:
        within = within[key]
    within[place[-1]] = value
    if value is GONE:
        del within[place[-1]]
    (run.folder.path / "manifest.json").write_text(json.dumps(manifest))
    with pytest.raises(InputError, match=f"manifest.json has no usable {'[.]'.join(place)}; run"):
        run.finished_manifest()


def test_overwriting_does_not_ask_what_a_damaged_manifest_holds(run):
    """Else nobody could do what the message says."""
    finished(run)
    (run.folder.path / "manifest.json").write_text("{}")
    assert not run.is_finished(plan_of(SETTINGS, run.load_design()), overwrite=True)
    finished(run)
    assert run.finished_manifest()["candidates"] == 3


@pytest.mark.parametrize("finish", [finished, halved])
def test_what_a_search_writes_has_the_shape(run, finish):
    finish(run)
    assert run.finished_manifest()["files"]


# --- numbers that JSON does not have ---


def test_json_with_nan_is_not_written(tmp_path):
    with pytest.raises(ValueError, match="JSON"):
        write_json(tmp_path / "x.json", {"a": float("nan")})
    assert not (tmp_path / "x.json").exists()


def test_manifest_and_parameters_are_strict_json(run, capsys):
    search, design = searched(), run.load_design()
    search.best_params_ = {"C": np.inf, "missing": np.float64("nan")}
    search.best_score_ = -np.inf
    search.cv_results_["std_test_score"][search.best_index_] = np.nan
    plan = plan_of(SETTINGS, design)
    plan["search"]["error_score"] = float("nan")
    finish_search(run, plan, search, 1.0, design)
    assert strictly(run.folder.path / "best_params.json") == {"C": "inf", "missing": "nan"}
    manifest = strictly(run.folder.path / "manifest.json")
    assert manifest["plan"]["search"]["error_score"] == "nan"
    assert (manifest["best"]["score"], manifest["best"]["std"]) == ("-inf", "nan")
    assert run.is_finished(plan, overwrite=False)
    announce(run)
    assert "neg_log_loss: -inf (standard deviation over the folds nan)" in capsys.readouterr().out
    page = (run.folder.path / "report.html").read_text(encoding="utf-8")
    assert "<dt>C</dt><dd><code>inf</code></dd>" in page
    assert "<dt>missing</dt><dd><code>nan</code></dd>" in page


# --- jobs that run at once ---


def test_two_jobs_that_record_their_files_at_once_lose_none(run, monkeypatch):
    """The one has read the manifest and not written it when the other comes."""
    finished(run)
    before = run.finished_manifest()["files"]
    (run.folder.path / SUBMISSION).write_text("of predict")
    (run.folder.path / REPORT).write_text("of report")
    write, others = LocalFolder.write_json, []

    def write_after_the_other(self, name, value):
        if not others:
            others.append(pool.submit(RunDirectory(run.uri).record, REPORT))
            wait(others, timeout=0.5)
        write(self, name, value)

    monkeypatch.setattr(LocalFolder, "write_json", write_after_the_other)
    with ThreadPoolExecutor() as pool:
        run.record(SUBMISSION)
        others[0].result()
    after = run.finished_manifest()["files"]
    assert set(after) == {*before, SUBMISSION}
    assert after[REPORT] != before[REPORT]
    assert after == run._files(*after)
    assert not list(run.folder.path.glob("*lock-*"))


def test_a_search_that_ends_meanwhile_has_no_report_of_the_results_before(run, monkeypatch):
    finished(run)
    own = (run.folder.path / REPORT).read_bytes()

    def gather_slowly(run, manifest):
        monkeypatch.undo()
        found = gather(run, manifest)
        finished(run, SEVERAL)
        return found

    monkeypatch.setattr(page, "gather", gather_slowly)
    with pytest.raises(InputError, match=r"while report\.html was made of the earlier ones"):
        write_report(run)
    after = (run.folder.path / REPORT).read_bytes()
    write_report(run)
    assert own != after == (run.folder.path / REPORT).read_bytes()


def test_a_manifest_that_a_search_has_just_removed_is_none(run, monkeypatch):
    finished(run)
    reading = LocalFolder.reading

    def reading_too_late(self, name):
        self.delete(name)
        return reading(self, name)

    monkeypatch.setattr(LocalFolder, "reading", reading_too_late)
    assert run.manifest() is None
