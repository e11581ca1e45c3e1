"""A page that cannot be drawn costs a search nothing else."""

from __future__ import annotations

import pytest

from hpt_spark.artifacts.finished_search import announce
from hpt_spark.artifacts.plan import plan_of
from hpt_spark.artifacts.report import page as page_module
from hpt_spark.artifacts.report.page import write_report
from hpt_spark.errors import InputError
from tests.artifacts.searches import SETTINGS, finished


@pytest.fixture
def broken(monkeypatch):
    """Let the next page raise an error of its own."""

    def breaks(error):
        def render(report):
            raise error

        monkeypatch.setattr(page_module, "render", render)

    return breaks


def test_a_page_that_raises_leaves_a_finished_run(run, broken, caplog, capsys):
    broken(KeyError("https://host/vectors?sig=SECRET"))
    caplog.set_level("DEBUG", "hpt_spark")
    search = finished(run)
    reason = "KeyError: 'https://host/vectors?***'"
    told = f"the report could not be drawn: {reason}; `hpt-spark report {run.uri}` tries again"
    (warning,) = [record for record in caplog.records if record.levelname == "WARNING"]
    assert warning.getMessage() == told
    assert any(record.levelname == "DEBUG" and record.exc_info for record in caplog.records)
    manifest = run.finished_manifest()
    assert manifest["best"]["candidate"] == search.best_index_
    assert {"cv_results.csv", "sweeping_results.txt", "best_params.json", "model.joblib"} <= set(manifest["files"])
    assert "report.html" not in manifest["files"]
    assert run.is_finished(plan_of(SETTINGS, run.load_design()), overwrite=False)
    caplog.clear()
    announce(run)
    assert told in caplog.text
    assert run.finished_manifest() == manifest
    assert capsys.readouterr().out.startswith("best of 3 candidates: ")


def test_a_search_that_has_just_ended_tries_its_page_once(run, broken, caplog, capsys):
    broken(KeyError("x"))
    finished(run)
    caplog.clear()
    announce(run, draws_lost_report=False)
    assert caplog.text == ""
    assert capsys.readouterr().out.startswith("best of 3 candidates: ")


def test_the_page_of_an_earlier_end_does_not_pass_for_this_ones(run, broken):
    (run.folder.path / "report.html").write_text("of a search that had run out of time")
    broken(KeyError("x"))
    finished(run)
    assert not run.folder.exists("report.html")
    assert "report.html" not in run.finished_manifest()["files"]


def test_the_report_that_is_asked_for_fails_loudly(run, broken):
    finished(run)
    broken(KeyError("x"))
    with pytest.raises(KeyError):
        write_report(run)


def test_once_it_can_be_drawn_a_page_is_there_again(run, broken, monkeypatch):
    broken(KeyError("x"))
    finished(run)
    monkeypatch.undo()
    announce(run)
    assert "report.html" in run.finished_manifest()["files"]


def cut_short():
    """Return what a request raises that a signal has cut short."""
    error = OSError("the connection is lost")
    error.__context__ = SystemExit(143)  # as where a ``with`` fails on the way out
    return error


@pytest.mark.parametrize("error", [InputError("the table is damaged"), KeyboardInterrupt(), cut_short()])
def test_an_error_of_the_run_or_a_signal_is_no_error_of_the_page(run, broken, error):
    broken(error)
    with pytest.raises(type(error)):
        finished(run)
    assert run.manifest() is None
