"""The page of a finished search."""

from __future__ import annotations

import json
import re
from dataclasses import asdict, replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.linear_model import RidgeClassifier
from sklearn.model_selection import cross_val_predict
from sklearn.svm import SVC, LinearSVC

from hpt_spark.artifacts.finished_search import announce
from hpt_spark.artifacts.plan import plan_of
from hpt_spark.artifacts.report.gather import gather
from hpt_spark.artifacts.report.markup import json_block, tag
from hpt_spark.artifacts.report.page import PARTIAL, render, write_report
from hpt_spark.errors import InputError
from tests.artifacts.report.outline import Outline, page_of, table_of
from tests.artifacts.report.samples import FOLDS, HOSTILE, grid, hostile, many, sample, sixteen, sweep_score
from tests.artifacts.searches import SETTINGS, SEVERAL, finish, finished, halved, searched
from tests.golden_files import assert_golden


def test_the_outline_of_a_report_is_the_golden_one(run):
    sample(run, sixteen(), command="hpt-spark tune", configuration={"search": {"cv": FOLDS}})
    assert_golden("\n".join([*Outline(page_of(run)).lines, ""]), "report_outline.txt")


def test_a_report_of_sixteen_candidates_has_at_most_a_megabyte(run):
    sample(run, sixteen())
    assert len(page_of(run).encode()) <= 1_000_000


def test_the_report_shows_the_best_candidate_all_others_and_the_data(run):
    search = finished(run)
    page = page_of(run)
    text = Outline(page).text
    (name, value), *_ = search.best_params_.items()
    assert f"<dt>{name}</dt><dd><code>{value}</code></dd>" in page
    assert f"mean neg_log_loss {search.best_score_:.5f}" in text
    assert "hour 4 not known 11 22" in text
    assert "3 candidates on 2 folds each, 30 training devices with 4 columns" in text


def test_no_number_of_a_few_digits_has_an_exponent(run):
    sample(run, many(200))  # of drawn numbers of rounds, which the heat map joins
    assert "100 % of the matrix" in Outline(page_of(run)).text
    assert not re.findall(r"\de\+", Outline(page_of(run)).text)


def test_the_blocks_of_a_table_tell_what_a_table_counts(run):
    finished(run)
    report = gather(run, run.finished_manifest())
    found = {"columns": 4, "rare_terms_dropped": 11, "other_terms_dropped": 33, "test_only_terms_dropped": 0}
    block = {**found, "cells_of_unseen_terms_in_test": 44, "training_rows": 15}
    text = Outline(render(replace(report, data=replace(report.data, rows_are="rows", blocks={"town": block})))).text
    assert "rows with it rare terms dropped terms beyond max_terms test cells of unknown terms town" in text
    assert "town 4 50 % 11 33 44" in text


def test_the_report_of_several_scorings_has_the_folds_of_the_one_that_decides(run):
    search = finished(run, SEVERAL)
    best = gather(run, run.finished_manifest()).best.candidate
    assert best.row == search.best_index_
    assert best.folds == tuple(search.cv_results_[f"split{fold}_test_neg_log_loss"][best.row] for fold in range(2))
    assert "Its folds scored from" in page_of(run)


def test_the_table_has_the_scores_of_all_candidates_to_six_digits(run):
    search = sample(run, sixteen())
    data = table_of(page_of(run))
    at = [column["name"] for column in data["columns"]].index("mean")
    means = {number: row[at] for number, row in zip(data["numbers"], data["rows"])}
    assert means == {row: round(mean, 6) for row, mean in enumerate(search.cv_results_["mean_test_score"])}
    assert data["best"] == search.best_index_
    assert [row[0] for row in data["rows"]] == sorted(search.cv_results_["rank_test_score"])


def test_columns_that_are_the_same_everywhere_are_left_out_and_named(run):
    sample(run, sixteen())
    page = page_of(run)
    names = [column["name"] for column in table_of(page)["columns"]]
    assert names == ["rank", "n_estimators", "max_depth", "subsample", "mean", "std", "folds", "fit seconds"]
    same = "Not in the table, being the same for all candidates: learning_rate = 0.1, objective = multi:softprob."
    assert same in Outline(page).text


def test_the_report_fetches_nothing_and_lets_nothing_run_but_its_own_script(run):
    sample(run, sixteen())
    page = page_of(run)
    tags = Outline(page).tags
    assert {name for name, _ in tags} & {"link", "img", "iframe", "object", "embed", "base", "form"} == set()
    assert all("src" not in attributes and "style" not in attributes for _, attributes in tags)
    assert all(attributes["href"].startswith("#") for _, attributes in tags if "href" in attributes)
    assert all(not key.startswith("on") for _, attributes in tags for key in attributes)
    assert "url(" not in page
    assert "@import" not in page
    (policy,) = [one["content"] for name, one in tags if name == "meta" and "http-equiv" in one]
    assert policy.startswith("default-src 'none'; style-src 'sha256-")
    assert "unsafe" not in policy


def test_the_report_is_the_same_each_time(run):
    sample(run, sixteen())
    before = (run.folder.path / "report.html").read_bytes()
    write_report(run)
    assert (run.folder.path / "report.html").read_bytes() == before


def test_names_and_values_that_are_markup_stay_texts(run):
    sample(run, hostile(), command=HOSTILE[0], configuration={HOSTILE[1]: HOSTILE[2]})
    outline = Outline(page_of(run))
    plain = Outline(render(gather(run, {**run.finished_manifest(), "command": "", "configuration": {}})))
    assert sum(name == "script" for name, _ in outline.tags) == 2
    assert {name for name, _ in outline.tags} - {"pre"} == {name for name, _ in plain.tags}
    assert {key for _, attributes in outline.tags for key in attributes} <= {
        *("class", "id", "lang", "charset", "http-equiv", "content", "name", "href", "aria-label", "aria-labelledby"),
        *("tabindex", "role", "scope", "aria-sort", "type", "autocomplete", "spellcheck", "for", "data-tip", "viewbox"),
        *("x", "y", "x1", "x2", "y1", "y2", "cx", "cy", "r", "rx", "width", "height", "points", "text-anchor"),
        "aria-hidden",
    }
    values = {cell for row in table_of(page_of(run))["rows"] for cell in row if isinstance(cell, str)}
    assert values == set(HOSTILE)


@given(st.text(), st.text())
def test_no_text_leaves_its_place(content, value):
    outline = Outline(tag("p", content, data_tip=value))
    assert outline.tags == [("p", {"data-tip": value.replace("\r\n", "\n")})] or "\r" in value
    assert [name for name, _ in outline.tags] == ["p"]


@given(st.recursive(st.none() | st.booleans() | st.integers() | st.text(), lambda inner: st.lists(inner, max_size=3)))
def test_data_in_the_page_are_read_as_they_were_written(value):
    block = json_block("data", value)
    inner = block.removeprefix('<script type="application/json" id="data">').removesuffix("</script>")
    assert "<" not in inner
    assert json.loads(inner) == value


def test_candidates_without_a_score_are_shown_as_such(run):
    def failing(params, fold):
        return float("nan") if params["max_depth"] == 4 else sweep_score(params, fold)

    sample(run, sixteen(), failing)
    report = gather(run, run.finished_manifest())
    assert sum(one.mean is None for one in report.candidates) == 8
    assert report.importance.candidates == 8
    assert sum(row[4] is None for row in table_of(page_of(run))["rows"]) == 8


def test_a_hyperparameter_all_of_whose_candidates_failed_has_no_curve(run):
    params = [*grid(max_depth=[2, 3]), *grid(max_depth=[2, 3], gamma=[1.0, 2.0])]
    sample(run, params, lambda one, fold: float("nan") if "gamma" in one else sweep_score(one, fold))
    text = Outline(page_of(run)).lines
    assert any("over max_depth" in line for line in text)
    assert not any("over gamma" in line for line in text)


GRIDS = {
    "a parameter that not all have": [{"max_depth": 3}, {"max_depth": 3, "subsample": 0.5}],
    "only one kernel has a gamma": [{"kernel": "linear"}, *grid(kernel=["rbf"], gamma=[0.1, 1.0])],
    "NaN and None": grid(missing=[float("nan"), 0.0], max_delta_step=[None, 1.0]),
}


@pytest.mark.parametrize(("kind", "best"), [(kind, at) for kind, params in GRIDS.items() for at in range(len(params))])
def test_candidates_of_different_parameters_make_a_report_whichever_is_the_best(run, kind, best):
    params = GRIDS[kind]
    sample(run, params, lambda one, fold: float(one is params[best]) + fold / 100)
    assert gather(run, run.finished_manifest()).best.candidate.row == best
    assert len(table_of(page_of(run))["rows"]) == len(params)


def test_all_that_a_report_tells_is_json(run):
    sample(run, [*sixteen(), *many(3), *hostile()])
    json.dumps(asdict(gather(run, run.finished_manifest())), allow_nan=False)


def test_a_single_candidate_makes_a_report(run):
    sample(run, grid(max_depth=[3]), with_timeline=False)
    text = Outline(page_of(run)).text
    assert "No other candidate lies within one standard error of its mean." in text
    assert "Hyperparameters" not in text


@pytest.mark.long
def test_thousands_of_candidates_stay_data_and_not_markup(run):
    sample(run, many(600), with_timeline=False)
    page = page_of(run)
    assert len(table_of(page)["rows"]) == 600
    assert len(Outline(page).tags) < 8000


# --- what cannot be read ---


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


def test_a_table_that_lost_the_best_row_is_told(run):
    sample(run, sixteen())
    table = run.folder.path / "cv_results.csv"
    table.write_text("\n".join(table.read_text(encoding="utf-8").splitlines()[:2]) + "\n", encoding="utf-8")
    with pytest.raises(InputError, match=r"names row \d+ of cv_results\.csv as the best, and it has 1;"):
        write_report(run)


ZIP_WITHOUT_MEMBERS = b"PK\x05\x06" + 18 * b"\0"


@pytest.mark.parametrize(
    ("name", "content"),
    [("timeline.json", b"{"), ("timeline.json", b"[]"), ("oof.npz", b"PK"), ("oof.npz", ZIP_WITHOUT_MEMBERS)],
)
def test_a_damaged_file_that_a_run_need_not_have_is_named(run, name, content):
    sample(run, sixteen())
    (run.folder.path / name).write_bytes(content)
    with pytest.raises(InputError) as caught:
        write_report(run)
    assert f"{run.folder.location(name)} cannot be read (" in str(caught.value)
    assert "remove it, then run `hpt-spark report` again" in str(caught.value)
    (run.folder.path / name).unlink()
    write_report(run)


def test_a_report_needs_no_design_any_more(run):
    sample(run, sixteen())
    run.folder.delete("design")
    write_report(run)
    assert "30 training devices with 4 columns" in Outline(page_of(run)).text


# --- out-of-fold predictions ---


def report_with(run, rows, predictions):
    """Keep the out-of-fold predictions of these rows of the table and write the report again; return its text."""
    np.savez(run.folder.path / "oof.npz", candidates=np.array(rows), predictions=predictions)
    write_report(run)
    return Outline(page_of(run)).text


def test_out_of_fold_predictions_are_shown_where_they_are_kept(run):
    search = sample(run, sixteen())
    assert "Out-of-fold" not in page_of(run)
    random = np.random.default_rng(0)
    predictions = random.dirichlet(np.ones(3), (2, 30)).astype(np.float32)
    text = report_with(run, [5, search.best_index_], predictions)
    truth = np.arange(30) % 3
    loss = -np.log(predictions[1][np.arange(30), truth].astype(float)).mean()
    assert f"log loss {loss:.5f}" in text
    assert "Calibration" in text


def test_predictions_of_another_candidate_are_not_shown(run):
    search = sample(run, sixteen())
    predictions = np.full((1, 30, 3), 1 / 3, np.float32)
    assert "Out-of-fold" not in report_with(run, [(search.best_index_ + 1) % 16], predictions)


def test_predictions_without_an_error_are_shown(run):
    search = sample(run, sixteen())
    predictions = np.eye(3, dtype=np.float32)[np.arange(30) % 3]
    text = report_with(run, [search.best_index_], predictions[None])
    assert "log loss 0.00000, mean error of calibration 0.0000" in text


@pytest.mark.parametrize("model", [LinearSVC(), SVC(kernel="linear"), RidgeClassifier()])
def test_decision_values_are_not_shown_as_probabilities(run, model):
    search, design = sample(run, sixteen()), run.load_design()
    X = design.X_train.toarray()
    values = cross_val_predict(model, X, design.y_train, cv=2, method="decision_function").astype(np.float32)
    assert values.shape == (30, 3)
    assert "Out-of-fold" not in report_with(run, [search.best_index_], values[None])


# --- halving, a race, and what ended early ---


def test_of_a_race_the_folds_are_told_that_were_left_out(run):
    done = np.array([5, 5, 3, 1, 0])  # the last one lies behind the stop of its curve
    of_folds = {
        f"split{fold}_test_score": np.where(fold < done, -1.0 - 0.1 * np.arange(5), np.nan) for fold in range(5)
    }
    means = np.where(done > 0, -1.0 - 0.1 * np.arange(5), np.nan)
    more = {**of_folds, "mean_test_score": means, "n_splits_done": done}
    sample(run, grid(max_depth=[2, 3, 4, 5, 6]), more=more)
    text = Outline(page_of(run)).text
    assert "5 candidates on at most 5 folds each" in text
    assert "The race has given 2 of 5 candidates fewer folds. Their means are over these, and they rank behind" in text


def test_of_a_halving_search_the_candidate_of_the_last_rung_is_marked(run):
    search = halved(run)
    page = page_of(run)
    data = table_of(page)
    names = [column["name"] for column in data["columns"]]
    assert names[:3] == ["rank", "rung", "resources"]
    assert len(data["rows"]) == len(search.cv_results_["params"]) == 12
    assert data["best"] == search.best_index_ == data["numbers"][0]
    first = dict(zip(names, data["rows"][0]))
    assert (first["rung"], first["resources"]) == (1, 24)
    assert first["max_depth"] == search.best_params_["max_depth"]
    last = dict(zip(names, data["rows"][-1]))
    assert (last["rung"], last["resources"]) == (0, 12)
    assert "8 candidates in 2 rungs on 2 folds each" in Outline(page).text


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
    assert PARTIAL not in Outline(page_of(run)).text
    search = searched()
    search.incomplete_ = True
    finish(run, search)
    announce(run)
    assert PARTIAL in capsys.readouterr().out.splitlines()
    assert PARTIAL in Outline(page_of(run)).text


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
