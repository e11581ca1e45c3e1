"""Several runs on one page, and the job that writes it."""

from __future__ import annotations

import pytest

from hpt_spark.artifacts.report.comparison import short_names, write_comparison
from hpt_spark.cli import run_job
from hpt_spark.errors import InputError
from hpt_spark_jobs import report
from tests.artifacts.report.outline import Outline
from tests.artifacts.report.samples import grid, sample, sixteen, sweep_score
from tests.artifacts.searches import a_run


@pytest.fixture
def runs(tmp_path):
    """Two finished runs on the same data."""
    both = [a_run(tmp_path / "one"), a_run(tmp_path / "two")]
    settings = {"search": {"cv": 5}, "run": {"dir": "one"}}
    sample(both[0], sixteen(), configuration={**settings, "features": {"encoding": "fraction"}})
    sample(
        both[1],
        grid(max_depth=[3, 9]),
        lambda params, fold: sweep_score(params, fold) - 0.1,
        configuration={**settings, "features": {"encoding": "indicator"}, "run": {"dir": "two"}},
    )
    return both


def job(*arguments: object) -> int:
    return run_job(report.main, report.__doc__, argv=list(map(str, arguments)), more_options=report.more_options)


def test_runs_are_compared_by_score_settings_and_time(runs, tmp_path):
    write_comparison(runs, str(tmp_path / "comparison.html"))
    outline = Outline((tmp_path / "comparison.html").read_text(encoding="utf-8"))
    text = outline.text
    assert "# 2 runs compared" in outline.lines
    assert "The best mean neg_log_loss: -2.35000, in one." in text
    assert "one XGBClassifier, neg_log_loss -2.35000 ± 0.00566" in text
    assert "features.encoding fraction indicator" in text
    assert "run.dir" not in text
    assert "search.cv" not in text
    assert "Compare the scores with care" not in text


def test_the_job_writes_where_it_is_told_and_says_so(runs, tmp_path, capsys):
    out = tmp_path / "both.html"
    assert job(runs[0].uri, runs[1].uri, "--out", out) == 0
    assert capsys.readouterr().out == f"{out}\n"
    assert "2 runs compared" in out.read_text(encoding="utf-8")


def test_the_job_makes_the_report_of_one_run_again(runs, capsys):
    page = runs[0].folder.path / "report.html"
    before = page.read_bytes()
    page.unlink()
    assert job(runs[0].uri) == 0
    assert capsys.readouterr().out == f"{runs[0].uri}/report.html\n"
    assert page.read_bytes() == before


def test_out_without_several_runs_is_refused(runs, capsys):
    assert job(runs[0].uri, "--out", "x.html") == 2
    assert "--out is for a comparison: name two RUNs or more" in capsys.readouterr().err


def test_a_run_that_has_not_finished_is_named_and_nothing_is_written(runs, tmp_path, capsys):
    unfinished = a_run(tmp_path / "three")
    assert job(runs[0].uri, unfinished.uri, "--out", tmp_path / "both.html") == 2
    assert f"run.dir={unfinished.uri} has no finished search" in capsys.readouterr().err
    assert not (tmp_path / "both.html").exists()


def test_other_data_and_another_metric_are_warned_of(runs, tmp_path):
    manifest = runs[1].finished_manifest()
    manifest["plan"]["search"]["scoring"] = "accuracy"
    manifest["plan"]["design"]["X_train.npz"] = "other"
    runs[1].finish(manifest)
    write_comparison(runs, str(tmp_path / "comparison.html"))
    text = Outline((tmp_path / "comparison.html").read_text(encoding="utf-8")).text
    assert "Compare the scores with care: these runs have other metrics and other data." in text


def test_out_that_is_a_folder_is_refused(runs, tmp_path):
    with pytest.raises(InputError, match="names a folder; name the file, such as"):
        write_comparison(runs, f"{tmp_path}/")


def test_runs_have_the_shortest_names_that_tell_them_apart():
    assert short_names(["/a/x", "/a/y"]) == ["x", "y"]
    assert short_names(["hdfs:///a/run", "/b/run"]) == ["a/run", "b/run"]
    assert short_names(["/a/x", "/a/x/"]) == ["/a/x (1)", "/a/x/ (2)"]
