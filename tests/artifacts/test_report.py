"""The page of a finished search."""

from __future__ import annotations

import html
import json

import pytest

from hpt_spark.artifacts.finished_search import announce, finish_search
from hpt_spark.artifacts.plan import plan_of
from hpt_spark.artifacts.report import PARTIAL, render, write_report
from hpt_spark.errors import InputError
from tests.artifacts.searches import SETTINGS, finished, halved, searched


def test_the_report_shows_the_best_candidate_all_others_and_the_data(run):
    search = finished(run)
    page = (run.folder.path / "report.html").read_text(encoding="utf-8")
    (name, value), *_ = search.best_params_.items()
    assert f"<td>{name}</td><td>{json.dumps(value)}</td>" in page
    assert f"<td>mean neg_log_loss</td><td>{search.best_score_:.5f}</td>" in page
    for mean in search.cv_results_["mean_test_score"]:
        assert f"<td>{mean:.5f}</td>" in page
    assert f'<tr class="best"><td>1</td><td>{search.best_score_:.5f}</td>' in page
    assert "<td>hour</td><td>4</td><td>11</td><td>22</td>" in page
    assert "3 candidates on 2 folds each, 30 training devices with 4 columns" in page


def test_the_report_needs_no_network(run):
    finished(run)
    page = (run.folder.path / "report.html").read_text(encoding="utf-8")
    assert 'src="http' not in page
    assert "<link" not in page
    assert 'id="scores"' in page
    assert "Plotly.newPlot" in page


def test_the_report_is_the_same_each_time(run):
    finished(run)
    before = (run.folder.path / "report.html").read_bytes()
    assert write_report(run) == f"{run.folder}/report.html"
    assert (run.folder.path / "report.html").read_bytes() == before


def test_the_report_escapes_what_the_configuration_says(run):
    finished(run)
    manifest = run.finished_manifest()
    manifest["best"]["params"] = {"<script>x": "<b>"}
    candidates = [{"rank_test_score": "1", "mean_test_score": "", "std_test_score": "", "mean_fit_time": "0.5"}]
    page = render(manifest, [{**candidates[0], "params": "{}", "param_C": "<i>&"}])
    assert "<td>&lt;script&gt;x</td><td>&lt;b&gt;</td>" in page
    assert "<td>&lt;i&gt;&amp;</td>" in page
    assert "<script>x" not in page


def test_a_report_of_a_run_without_its_table_is_refused(run):
    finished(run)
    (run.folder.path / "cv_results.csv").unlink()
    with pytest.raises(InputError, match=r"has no cv_results\.csv"):
        write_report(run)


DAMAGED_TABLES = {
    "no byte": ("", "it has no row"),
    "the header alone": ("rank_test_score,params\n", "it has no row"),
    "other columns": ("a,b\n1,2\n", "it has no column rank_test_score, mean_test_score"),
    "no rank": ("HEAD\nfirst,0.5,0.1,0.2,{}\n", "row 1 has 'first' as rank_test_score"),
    "no score": ("HEAD\n1,0.5,0.1,0.2,{}\n2,high,0.1,0.2,{}\n", "row 2 has 'high' as mean_test_score"),
    "cut off": ("HEAD\n1,0.5,0.1\n", "row 1 has not as many cells as there are columns"),
    "too long": ("HEAD\n1,0.5,0.1,0.2,{},more\n", "row 1 has not as many cells as there are columns"),
    "no text": (b"\xff\xfe\x00", "codec can't decode"),
}


@pytest.mark.parametrize("kind", list(DAMAGED_TABLES))
def test_a_damaged_table_is_told(run, kind):
    finished(run)
    content, said = DAMAGED_TABLES[kind]
    head = "rank_test_score,mean_test_score,std_test_score,mean_fit_time,params"
    table = run.folder.path / "cv_results.csv"
    table.write_bytes(content.replace("HEAD", head).encode() if isinstance(content, str) else content)
    before = (run.folder.path / "report.html").read_bytes()
    with pytest.raises(InputError) as caught:
        write_report(run)
    assert f"{table} cannot be read as the table of a search (" in str(caught.value)
    assert said in str(caught.value)
    assert str(caught.value).endswith("; run `hpt-spark tune --overwrite` to make it anew.")
    assert (run.folder.path / "report.html").read_bytes() == before


# --- halving, and what ended early ---


def rows_of(page: str) -> list[str]:
    """Return the rows of the table of all candidates."""
    table = page.partition("<h2>All candidates</h2>")[2].partition("</table>")[0]
    return table.replace("</tr>", "").split("<tr")[1:]


def test_of_a_halving_search_the_candidate_of_the_last_rung_is_marked(run):
    search = halved(run)
    page = (run.folder.path / "report.html").read_text(encoding="utf-8")
    head, *rows = rows_of(page)
    assert "<th>fit seconds</th><th>rung</th><th>n_resources</th><th>max_depth</th>" in head
    assert len(rows) == len(search.cv_results_["params"]) == 12
    (marked,) = [row for row in rows if 'class="best"' in row]
    assert marked == rows[0]
    best = search.cv_results_["rank_test_score"][search.best_index_]
    assert marked.startswith(f' class="best"><td>{best}</td><td>{search.best_score_:.5f}</td>')
    assert f"<td>1</td><td>24</td><td>{search.best_params_['max_depth']}</td>" in marked
    assert "<td>0</td><td>12</td>" in rows[-1]
    assert "8 candidates in 2 rungs on 2 folds each" in page


def test_of_a_halving_search_the_candidates_are_counted_and_not_the_rows(run, capsys):
    search = halved(run)
    announce(run)
    assert capsys.readouterr().out.startswith(f"best of 8 candidates in 2 rungs: {search.best_params_}\n")
    manifest = run.finished_manifest()
    assert (manifest["candidates"], manifest["rungs"]) == (8, 2)


def test_a_search_that_ended_early_says_so(run, capsys):
    finished(run)
    announce(run)
    assert PARTIAL not in capsys.readouterr().out
    assert html.escape(PARTIAL) not in (run.folder.path / "report.html").read_text(encoding="utf-8")
    search, design = searched(), run.load_design()
    search.incomplete_ = True
    finish_search(run, plan_of(SETTINGS, design), search, 1.0, design)
    announce(run)
    assert PARTIAL in capsys.readouterr().out.splitlines()
    assert html.escape(PARTIAL) in (run.folder.path / "report.html").read_text(encoding="utf-8")


# --- a report that was lost ---


def test_a_lost_report_is_made_again_without_a_search(run, capsys, caplog):
    finished(run)
    (run.folder.path / "submission.csv").write_text("of this model")
    page = run.folder.path / "report.html"
    before = page.read_bytes()
    page.unlink()
    assert run.is_finished(plan_of(SETTINGS, run.load_design()), overwrite=False)
    assert f"{run.uri} has lost report.html, which is made again" in caplog.text
    announce(run)
    assert page.read_bytes() == before
    assert "report.html" in capsys.readouterr().out
    assert (run.folder.path / "submission.csv").read_text() == "of this model"


def test_a_lost_report_of_a_run_that_has_lost_more_is_left_to_the_search(run):
    finished(run)
    for name in ("report.html", "cv_results.csv"):
        (run.folder.path / name).unlink()
    assert not run.is_finished(plan_of(SETTINGS, run.load_design()), overwrite=False)
