"""A search as a study of Optuna, read back with Optuna itself."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

import numpy as np
import optuna
import pytest
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend
from optuna.trial import TrialState

from hpt_spark.artifacts.optuna_study import export_study
from hpt_spark.artifacts.run_directory import RunDirectory
from hpt_spark.artifacts.scored_candidates import scored_candidates
from hpt_spark.artifacts.status import StatusFile
from hpt_spark.config.search_section import SearchSection
from hpt_spark.errors import InputError, MissingDependencyError
from hpt_spark.search.evaluation import Fit
from hpt_spark.storage import open_folder
from tests.artifacts.searches import SEVERAL, finish, finished, halved, searched
from tests.killed import run_until
from tests.search.journal.journalled import Journalled


def read(path):
    storage = JournalStorage(JournalFileBackend(str(path)))
    (name,) = optuna.get_all_study_names(storage)
    return optuna.load_study(study_name=name, storage=storage)


@pytest.fixture
def exported(run, tmp_path):
    """Export the run, and read it back."""

    def to_file(name="study.log"):
        states = export_study(run, tmp_path / name)
        study = read(tmp_path / name)
        assert sum(states.values()) == len(study.trials)
        assert not list(tmp_path.glob("*.lock"))
        return study

    return to_file


def test_a_grid_search_is_a_study_with_the_same_best_trial(run, exported):
    search = finished(run)
    study = exported()
    assert study.study_name == f"hpt_spark {run.uri}"
    assert study.direction.name == "MAXIMIZE"
    assert study.metric_names == ["neg_log_loss"]
    assert study.user_attrs["is_finished"]
    assert study.best_trial.number == search.best_index_
    assert [trial.params for trial in study.trials] == search.cv_results_["params"]
    np.testing.assert_array_equal([trial.value for trial in study.trials], search.cv_results_["mean_test_score"])
    for number, trial in enumerate(study.trials):
        assert trial.state is TrialState.COMPLETE
        assert trial.intermediate_values == {
            fold: search.cv_results_[f"split{fold}_test_score"][number] for fold in range(2)
        }
        assert trial.user_attrs["rank_test_score"] == search.cv_results_["rank_test_score"][number]
        assert trial.user_attrs["std_test_score"] == search.cv_results_["std_test_score"][number]
    distributions = {name: one for trial in study.trials for name, one in trial.distributions.items()}
    assert distributions["C"] == optuna.distributions.FloatDistribution(0.1, 10.0, log=True)
    assert distributions["fit_intercept"] == optuna.distributions.CategoricalDistribution((False,))


def test_halvings_rungs_are_intermediate_values_and_who_is_dropped_is_pruned(run, exported):
    search = halved(run)
    study, results = exported(), search.cv_results_
    assert len(study.trials) == search.n_candidates_[0]
    assert study.best_trial.params == search.best_params_
    assert study.best_value == search.best_score_
    for trial in study.trials:
        rows = [row for row, params in enumerate(results["params"]) if params == trial.params]
        assert list(trial.intermediate_values.values()) == [results["mean_test_score"][row] for row in rows]
        assert trial.user_attrs["n_resources"] == results["n_resources"][rows[-1]]
        assert (trial.state is TrialState.COMPLETE) == (len(rows) == search.n_iterations_)
        assert trial.state in (TrialState.COMPLETE, TrialState.PRUNED)


def test_who_is_dropped_in_a_race_is_pruned(run, exported):
    search = searched()
    results = search.cv_results_
    dropped = next(row for row in range(len(results["params"])) if row != search.best_index_)
    done = np.full(len(results["params"]), 2)
    done[dropped], results["split1_test_score"][dropped] = 1, np.nan
    results["n_splits_done"] = done
    finish(run, search)
    study = exported()
    assert [trial.state is TrialState.PRUNED for trial in study.trials] == (done < 2).tolist()
    assert study.trials[dropped].intermediate_values == {0: results["split0_test_score"][dropped]}
    assert study.best_trial.number == search.best_index_


def test_what_a_race_has_passed_over_is_no_trial(run, exported):
    search = searched()
    results = search.cv_results_
    over = next(row for row in range(len(results["params"])) if row != search.best_index_)
    done = np.full(len(results["params"]), 2)
    done[over] = 0
    for name in ("split0_test_score", "split1_test_score", "mean_test_score", "std_test_score"):
        results[name][over] = np.nan
    results["n_splits_done"] = done
    finish(run, search)
    study = exported()
    assert [trial.params for trial in study.trials] == [
        params for params, folds in zip(results["params"], done) if folds
    ]
    assert {trial.state for trial in study.trials} == {TrialState.COMPLETE}


def test_a_candidate_that_failed_is_failed(run, exported):
    settings = SearchSection(
        estimator="sklearn.linear_model.LogisticRegression",
        param_grid={"C": [0.5, -1.0], "solver": ["lbfgs"]},
        scoring="neg_log_loss",
        cv=2,
    )
    finished(run, settings)
    study = exported()
    assert [trial.state for trial in study.trials] == [TrialState.COMPLETE, TrialState.FAIL]
    assert study.trials[1].intermediate_values == {}
    # Nothing that JSON does not know: the dashboard would show nothing.
    assert "NaN" not in (Path(run.uri).parent / "study.log").read_text()


def test_values_of_every_kind_come_back(run, exported):
    values = {
        "whole": [1, 2, 30],
        "wide": [1, 1000],
        "number": [0, 0.5],
        "mixed": [None, 1, 1.0, True, "1"],
        "text": ["a", "it's"],
        "list": [[1, 2], [3]],
        "not_finite": [1.5, float("inf")],
    }
    search = searched()
    for name in list(search.cv_results_):
        if name.startswith("param"):
            del search.cv_results_[name]
    most = max(map(len, values.values()))
    rows = [{name: listed[number % len(listed)] for name, listed in values.items()} for number in range(most)]
    for name, column in search.cv_results_.items():
        search.cv_results_[name] = np.resize(column, most)
    for name in values:
        search.cv_results_[f"param_{name}"] = [row[name] for row in rows]
    search.cv_results_["params"] = rows
    finish(run, search)
    study = exported()
    assert len(study.trials) == most
    distributions = study.trials[0].distributions
    assert distributions["whole"] == optuna.distributions.IntDistribution(1, 30)
    assert distributions["wide"] == optuna.distributions.IntDistribution(1, 1000, log=True)
    assert distributions["number"] == optuna.distributions.FloatDistribution(0.0, 0.5)
    for row, trial in zip(rows, study.trials):
        assert {name: trial.params[name] for name in ("whole", "wide", "number", "text")} == {
            name: row[name] for name in ("whole", "wide", "number", "text")
        }
        assert str(trial.params["mixed"]).strip("'") == str(row["mixed"])
        assert trial.params["list"] == str(row["list"])
        assert float(trial.params["not_finite"]) == row["not_finite"]


def test_of_several_scorings_the_one_that_decides_is_the_value(run, exported):
    search = finished(run, SEVERAL)
    study, results = exported(), search.cv_results_
    assert study.metric_names == ["neg_log_loss"]
    assert [trial.value for trial in study.trials] == results["mean_test_neg_log_loss"].tolist()
    for number, trial in enumerate(study.trials):
        assert trial.intermediate_values == {
            fold: results[f"split{fold}_test_neg_log_loss"][number] for fold in range(2)
        }
        assert trial.user_attrs["mean_test_accuracy"] == results["mean_test_accuracy"][number]


# --- a search that runs ---


def journal_of(run, fits, **how):
    return Journalled(open_folder(run.journal), {"X": "1"}, fits, **how)


def ended(score, error=None):
    """Return the record of a fit."""
    return {"test_scores": score, "fit_time": 0.5, "fit_error": error}


def evaluated(run, candidates, score, number, kind):
    """Write evaluation `number` of a search, whose candidates have `score` on the one fold."""
    fits = [Fit(at, at, 0) for at in range(len(candidates))]
    record = journal_of(run, fits, number=number, prefix=f"{kind} {number}, ")
    record.describe(candidates)
    record.add([(fit, ended(score)) for fit in fits])


def test_a_running_search_has_trials_that_run_and_that_wait(run, tmp_path):
    candidates = [{"C": 0.1, "class_weight": np.float64(2)}, {"C": 1.0}, {"C": 5.0}, {"C": 7.0}]
    fits = [Fit(number, number // 2, number % 2) for number in range(8)]
    record = journal_of(run, fits)
    record.describe(candidates)
    scores = [-0.5, -0.25, -1.0, float("nan")]
    errors = [None, None, None, "Traceback\n\nValueError: no"]
    results = [(fit, ended(score, error)) for fit, score, error in zip(fits, scores, errors)]
    record.add(results[:3])
    (run.folder.path / "journal" / "fits-000002.jsonl").write_text('{"fit": ["1", "1')
    assert export_study(run, tmp_path / "study.log") == {"complete": 1, "running": 1, "waiting": 2}
    study = read(tmp_path / "study.log")
    assert not study.user_attrs["is_finished"]
    assert study.trials[0].params == {"C": 0.1, "class_weight": 2.0}
    assert study.trials[0].value == -0.375
    assert study.trials[0].intermediate_values == {0: -0.5, 1: -0.25}
    assert study.trials[1].intermediate_values == {0: -1.0}
    (run.folder.path / "journal" / "fits-000002.jsonl").unlink()
    record.add(results[3:])
    assert export_study(run, tmp_path / "study.log") == {"complete": 1, "fail": 1, "waiting": 2}
    assert read(tmp_path / "study.log").trials[1].user_attrs["fit_error"] == "ValueError: no"


def test_a_credential_in_the_reason_of_a_failed_fit_does_not_become_an_attribute(run, tmp_path):
    record = journal_of(run, [Fit(0, 0, 0)])
    record.describe([{"C": 0.1}])
    reason = "Traceback\n\nOSError: HTTP 403 for https://a.net/v.bin?sig=SECRET of ftp://me:SECRET@host"
    record.add([(Fit(0, 0, 0), ended(float("nan"), reason))])
    export_study(run, tmp_path / "study.log")
    said = "OSError: HTTP 403 for https://a.net/v.bin?*** of ftp://me:***@host"
    assert read(tmp_path / "study.log").trials[0].user_attrs["fit_error"] == said


def test_a_running_search_of_several_scorings_has_the_score_that_decides(run, tmp_path):
    record = journal_of(run, [Fit(0, 0, 0), Fit(1, 1, 0)])
    record.describe([{"C": 0.1}, {"C": 1.0}])
    record.add([(Fit(0, 0, 0), ended({"neg_log_loss": -0.5, "accuracy": 0.25}))])
    with StatusFile(run, "neg_log_loss") as status:
        status.begin()
    assert export_study(run, tmp_path / "study.log") == {"complete": 1, "waiting": 1}
    study = read(tmp_path / "study.log")
    assert (study.trials[0].value, study.metric_names) == (-0.5, ["neg_log_loss"])


def test_whom_a_race_has_dropped_is_pruned_while_the_search_runs(run, tmp_path):
    scores = [
        [-0.5, -0.4, None],
        [-0.9, -0.7, None],
        [-0.8, float("nan"), None],
        [-0.6, -0.5, None],
        [-0.7, None, None],
    ]
    fits = [Fit(number, *divmod(number, 3)) for number in range(15)]
    record = journal_of(run, fits)
    found = {fit: scores[fit.candidate][fit.fold] for fit in fits}
    errors = {fit: "ValueError: no" if score != score else None for fit, score in found.items()}
    record.add([(fit, ended(score, errors[fit])) for fit, score in found.items() if score is not None])
    candidates = [{"C": float(number + 1)} for number in range(5)]
    record.describe(candidates)
    assert export_study(run, tmp_path / "study.log") == {"running": 5}
    record.describe(candidates, [3, 2, 2, 3, 2])  # the last one's second fit has died, which leaves no record
    assert export_study(run, tmp_path / "study.log") == {"fail": 2, "pruned": 1, "running": 2}
    trials = read(tmp_path / "study.log").trials
    assert [trial.state.name for trial in trials] == ["RUNNING", "PRUNED", "FAIL", "RUNNING", "FAIL"]
    assert (trials[1].value, trials[1].intermediate_values) == (-0.8, {0: -0.9, 1: -0.7})
    assert trials[1].user_attrs["n_splits_done"] == 2
    record.describe(candidates, [3, 2, 2, 3, 0])
    assert export_study(run, tmp_path / "study.log") == {"fail": 1, "pruned": 1, "running": 2}
    # Records of an earlier search without a race do not count.
    record.add([(fits[5], ended(-0.1))])
    export_study(run, tmp_path / "study.log")
    assert read(tmp_path / "study.log").trials[1].intermediate_values == {0: -0.9, 1: -0.7}


def test_evaluations_of_an_earlier_search_are_not_shown(run, tmp_path):
    for depths in ([[1, 2], [3, 4], [5, 6]], [[1, 2]]):  # the second one begins alike, and has ended sooner
        for number, candidates in enumerate(depths):
            evaluated(run, [{"depth": depth} for depth in candidates], 0.5, number, "batch")
    assert export_study(run, tmp_path / "study.log") == {"complete": 2}


def test_rungs_of_a_running_halving_search_are_told_apart_by_their_resource(run, tmp_path):
    for rung, candidates in enumerate([[1, 2, 3], [2]]):
        of_rung = [{"depth": depth, "rounds": 10 * (rung + 1)} for depth in candidates]
        evaluated(run, of_rung, rung + 0.5, rung, "rung")
    assert export_study(run, tmp_path / "study.log") == {"complete": 1, "pruned": 2}
    best = read(tmp_path / "study.log").best_trial
    assert (best.params, best.intermediate_values) == ({"depth": 2, "rounds": 20}, {0: 0.5, 1: 1.5})


@pytest.mark.parametrize("batches", [[[1, 2], [3, 4]], [[1], [2], [3]], [[1, 2, 3], [4]]])
def test_batches_of_other_candidates_are_no_rungs(batches, run, tmp_path):
    for number, candidates in enumerate(batches):
        evaluated(run, [{"depth": depth} for depth in candidates], 0.5, number, "batch")
    candidates = [depth for batch in batches for depth in batch]
    assert export_study(run, tmp_path / "study.log") == {"complete": len(candidates)}
    assert [trial.params["depth"] for trial in read(tmp_path / "study.log").trials] == candidates


# --- what is refused ---


def test_a_run_without_a_search_is_refused(run, tmp_path):
    with pytest.raises(InputError, match="has neither a finished search nor the journal of one that runs"):
        export_study(run, tmp_path / "study.log")
    assert not (tmp_path / "study.log").exists()


@pytest.mark.parametrize("content", ["", "mine", "{}", '{"study_name": "another"}\n'])
def test_only_a_study_of_ours_is_replaced(content, run, tmp_path, exported):
    finished(run)
    exported()
    exported()
    (tmp_path / "notes").write_text(content)
    with pytest.raises(InputError, match="is there already and is no study that `hpt-spark export` has written"):
        export_study(run, tmp_path / "notes")
    assert (tmp_path / "notes").read_text() == content


def test_without_optuna_the_extra_is_named(run, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "optuna", None)
    with pytest.raises(MissingDependencyError, match=r"pip install 'hpt-spark\[optuna\]'"):
        export_study(run, tmp_path / "study.log")


def test_a_killed_export_leaves_no_lock_to_the_next_one(run, tmp_path, exported):
    finished(run)
    dies_at, killed = 0, True
    while killed:
        _, killed, _ = run_until(dies_at, lambda _: export_study(run, tmp_path / "study.log"))
        dies_at += 1
        names = {path.name for path in tmp_path.iterdir()} - {"run"}
        assert names <= {"study.log", ".writing.study.log"}
    assert len(exported().trials) == len(scored_candidates(run)[0])


def test_thousands_of_candidates_are_written_at_once(run, tmp_path, monkeypatch):
    record = journal_of(run, [])
    record.describe([{"C": number} for number in range(1000)])
    flushed = []
    flush = os.fsync
    monkeypatch.setattr(os, "fsync", lambda handle: flushed.append(handle) or flush(handle))
    assert export_study(RunDirectory(run.uri), tmp_path / "study.log") == {"waiting": 1000}
    assert len(flushed) == 2, "the file and its folder"
    assert len(json.loads((tmp_path / "study.log").read_text().splitlines()[-1])) > 1
