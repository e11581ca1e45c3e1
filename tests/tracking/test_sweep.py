"""A sweep as the replay of its events, the spool that carries them, and what they say of a search."""

from __future__ import annotations

import json
import math
import os
import shutil
import subprocess
import sys
import tempfile
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.datasets import make_classification
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV
from xgboost import XGBClassifier

from hpt_spark.artifacts.run_directory import HISTORY
from hpt_spark.errors import InputError
from hpt_spark.search.followers.follower import Begun, FitEnded, SearchState
from hpt_spark.storage.scratch import scratch_folder
from hpt_spark.tracking import MlflowTracking, facts, recorder_process
from hpt_spark.tracking.identity import IDENTITY
from hpt_spark.tracking.recorder import Recorder
from hpt_spark.tracking.recorder_process import RecorderProcess
from hpt_spark.tracking.spool import EVENTS, SpoolReader, SpoolWriter, write_answer
from hpt_spark.tracking.spool_follower import SpoolFollower
from hpt_spark.tracking.store_uri import artifacts_beside, checked_uri, store_beside
from hpt_spark.tracking.sweep import Sweep
from tests.search.small_search import GRID, X, search_of, y
from tests.tracking.events import METRIC, end, evaluation, fits, grid, search, whole


def test_a_row_is_summed_up_as_scikit_learn_does():
    table = GridSearchCV(LogisticRegression(), GRID, cv=3, return_train_score=False).fit(X, y).cv_results_
    rows = [
        [number, fold, {"score": table[f"split{fold}_test_score"][number]}, 1.0, 0.5, None]
        for number in range(2)
        for fold in range(3)
    ]
    sweep = Sweep([search(), evaluation(grid(2), folds=3), {"kind": "fits", "time": 9, "fits": rows}])
    for number, candidate in enumerate(sweep.candidates.values()):
        found = candidate.rows[0].summary()
        assert found["mean_test_score"] == table["mean_test_score"][number]
        assert found["std_test_score"] == table["std_test_score"][number]
        assert (found["mean_fit_time"], found["std_fit_time"], found["mean_score_time"]) == (1.0, 0.0, 0.5)


@given(st.randoms())
def test_the_order_in_which_fits_end_does_not_matter(random):
    pairs = [fits(row) for row in range(4)]
    random.shuffle(pairs)
    sweep = Sweep([search(), evaluation(grid(4)), *pairs])
    assert [candidate.rows[0].summary()["mean_test_score"] for candidate in sweep.candidates.values()] == [
        pytest.approx(-(row + 1) - 0.005) for row in range(4)
    ]


def test_halving_gives_a_candidate_a_row_for_each_rung():
    first = [{**params, "n_estimators": "5"} for params in grid(4)]
    second = [{**params, "n_estimators": "10"} for params in grid(2)]
    sweep = Sweep(
        [
            search(halves=True),
            evaluation(first, rung=1, resource="n_estimators"),
            evaluation(second, first_row=4, rung=2, resource="n_estimators"),
        ]
    )
    found = list(sweep.candidates.values())
    assert [candidate.params for candidate in found] == grid(4)
    assert [[(row.number, row.step) for row in candidate.rows] for candidate in found] == [
        [(0, 0), (4, 1)],
        [(1, 0), (5, 1)],
        [(2, 0)],
        [(3, 0)],
    ]


def test_the_points_of_a_curve_are_rows_of_one_candidate_whose_steps_are_rounds():
    points = [{"max_depth": str(depth), "n_estimators": str(rounds)} for depth in (2, 3) for rounds in (10, 20)]
    later = [{"max_depth": "3", "n_estimators": "30"}]
    sweep = Sweep(
        [
            search(),
            evaluation(points, rung=1, resource="n_estimators", curve="n_estimators"),
            evaluation(later, first_row=4, rung=2, resource="n_estimators", curve="n_estimators"),
            fits(1, 2, 3),  # the first point of the first curve is late
        ]
    )
    first, second = sweep.candidates.values()
    assert [one.params for one in (first, second)] == [{"max_depth": "2"}, {"max_depth": "3"}]
    assert [(row.number, row.step) for row in second.rows] == [(2, 10), (3, 20), (4, 30)]
    assert [row.number for row in second.whole_rows] == [2, 3]
    assert first.whole_rows == []
    assert (sweep.halves, sweep.may_go_on) == (False, True)


def test_two_equal_candidates_of_a_grid_are_two():
    sweep = Sweep([search(), evaluation([{"C": "1"}, {"C": "1"}])])
    assert [candidate.number for candidate in sweep.candidates.values()] == [0, 1]


def test_candidates_have_keys_by_their_parameters_and_how_many_equal_ones_came_before():
    one, again, other = Sweep([search(), evaluation([*grid(1), *grid(2)])]).candidates.values()
    (same,) = Sweep([search(), evaluation(grid(1))]).candidates.values()
    assert one.key == same.key
    assert len({one.key, again.key, other.key}) == 3
    assert one.key.split("-")[0] == again.key.split("-")[0]


def test_the_spool_gives_whole_events_as_they_come(tmp_path):
    reader = SpoolReader(tmp_path)
    assert list(reader.new()) == []
    writer = SpoolWriter(tmp_path)
    for event in whole()[:2]:
        writer.write(**event)
    assert list(reader.new()) == whole()[:2]
    line = json.dumps(whole()[2]) + "\n"
    with (tmp_path / EVENTS).open("a") as file:
        file.write(line[:10])
        file.flush()
        assert list(reader.new()) == []
        file.write(line[10:])
    assert list(reader.new()) == [whole()[2]]
    writer.close()


def test_numbers_that_json_lacks_pass_through_the_spool(tmp_path):
    writer = SpoolWriter(tmp_path)
    writer.write("fits", time=1, fits=[[0, 0, {"score": math.nan}, 0.1, 0.1, "ValueError: no"]])
    writer.close()
    (event,) = SpoolReader(tmp_path).new()
    assert math.isnan(event["fits"][0][2]["score"])


def test_parameters_are_texts_without_secrets_and_without_defaults():
    estimator = XGBClassifier(max_depth=3, n_jobs=1)
    assert facts.changed_params(estimator) == {"max_depth": "3", "n_jobs": "1"}
    search = search_of(journal="abfss://c@a.dfs.core.windows.net/j?sig=hidden", scoring=lambda *_: 1.0)
    assert facts.settings_of_run(search)["setting.journal"] == "abfss://c@a.dfs.core.windows.net/j?***"
    found = facts.params_of(search)
    assert not {"sc", "tracking", "progress", "param_grid", "journal", "max_time"} & set(found)
    assert found["scoring"].endswith("<lambda>>")  # without its address
    assert facts.as_text(np.float32(0.5)) == "0.5"
    assert facts.as_text("hunter2", "model__password") == "***"


def test_the_reason_of_a_failed_fit_is_spooled_without_its_secrets(tmp_path):
    url = "https://account.blob.core.windows.net/models/vectors.bin?sv=2024&sig=hidden%3D"
    follower = SpoolFollower({}, None, None, "", None)
    follower._spool = SpoolWriter(tmp_path)
    reason = f"OSError: HTTP 403 for {url}"
    failed = [FitEnded(0, fold, {"score": math.nan}, 0.1, 0.1, why, False) for fold, why in ((0, reason), (1, None))]
    follower.fits_ended(failed, SearchState())
    (event,) = SpoolReader(tmp_path).new()
    assert [fit[-1] for fit in event["fits"]] == ["OSError: HTTP 403 for " + url.partition("?")[0] + "?***", None]


def test_a_disk_that_is_full_ends_no_search_with_its_history(tmp_path):
    spool = tmp_path / "spool"
    spool.mkdir()
    (spool / EVENTS).symlink_to("/dev/full")
    follower = SpoolFollower({}, None, None, "", None)
    follower._spool = SpoolWriter(spool)
    with pytest.raises(OSError, match="No space"):  # for which a search goes on without this follower
        follower.fits_ended([], SearchState())
    follower.end("FINISHED")
    assert not spool.exists()


def test_the_folder_of_a_killed_search_goes_when_what_writes_its_history_is_killed_too(tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    begin = subprocess.Popen
    monkeypatch.setattr(subprocess, "Popen", lambda words, **more: begin(["sleep", "60"], **more))
    follower = SpoolFollower({"uri": "http://host"}, lambda begun: {"metric": METRIC}, None, "", None)
    follower.evaluation_began(Begun(0, [], 2), SearchState())
    (folder,) = tmp_path.glob("hpt_spark-*")
    os.close(follower._held)  # as the system does when the search's process is killed
    with scratch_folder():
        assert folder.exists()
    writes = follower._process._process
    writes.kill()
    writes.wait()
    with scratch_folder():
        assert not folder.exists()


def test_who_writes_the_history_finds_modules_beside_a_notebook(tmp_path, monkeypatch):
    (tmp_path / "lib").mkdir()
    (tmp_path / "steps_beside.py").touch()
    (tmp_path / "lib" / "steps_in_lib.py").touch()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", ["", "lib", *sys.path])
    started = {}
    monkeypatch.setattr(subprocess, "Popen", lambda words, **more: started.update(more))
    (tmp_path / "spool").mkdir()
    RecorderProcess(tmp_path / "spool", {}, "")
    monkeypatch.undo()
    words = [sys.executable, "-c", "import steps_beside, steps_in_lib"]
    subprocess.run(words, cwd=started["cwd"], env=started["env"], check=True)


def test_a_spool_that_was_deleted_costs_no_search_its_end(tmp_path, monkeypatch, caplog):
    states = iter([None, 1, 1])
    ended = SimpleNamespace(poll=lambda: next(states), wait=lambda seconds: None, pid=1)
    monkeypatch.setattr(subprocess, "Popen", lambda words, **more: ended)
    spool = tmp_path / "spool"
    spool.mkdir()
    process = RecorderProcess(spool, {}, "It is searched.", wait=0.0)
    shutil.rmtree(spool)
    assert process.wait()
    assert process.wait()
    told = "the history of this search is not whole: its process has ended: what it said was deleted. It is searched."
    assert caplog.messages == [told] * 2


def test_the_best_so_far_of_each_batch_is_that_of_candidates_with_all_folds():
    table = {"iter": [0, 0, 1, 2], "mean_test_score": ["nan", "0.5", "0.9", "0.7"], "n_splits_done": [3, 3, 2, 3]}
    assert facts.best_of_batches(table, "score") == [(0, 0.5), (1, 0.5), (2, 0.7)]
    of_numbers = {"iter": np.array([0, 1]), "mean_test_score": np.array([-1.0, 0.0])}
    assert facts.best_of_batches(of_numbers, "score") == [(0, -1.0), (1, 0.0)]
    texts = {"iter": ["0", "1"], "mean_test_score": ["-1.0", ""]}
    assert facts.best_of_batches(texts, "score") == [(0, -1.0), (1, -1.0)]
    assert facts.best_of_batches({**table, "n_resources": [1, 1, 2, 3]}, "score") == []  # of halving


@pytest.mark.parametrize(
    ("scoring", "refit", "ranks"),
    [
        (["accuracy", "neg_log_loss"], "neg_log_loss", "rank_test_neg_log_loss"),
        (["neg_log_loss", "accuracy"], False, "rank_test_neg_log_loss"),
        ({"z": "accuracy", "a": "neg_log_loss"}, lambda table: 0, "rank_test_z"),
        ("accuracy", True, "rank_test_score"),
    ],
)
def test_the_metric_of_refit_ranks_the_candidates_else_the_first_scoring(scoring, refit, ranks):
    search = GridSearchCV(LogisticRegression(), GRID, cv=2, scoring=scoring, refit=refit).fit(X, y)
    found = facts.results_of(search, "any")
    assert (found["rank"], found["best_row"]) == (ranks, getattr(search, "best_index_", None))


def test_the_data_have_a_digest_of_their_values():
    one, same, other = facts.dataset_of(X, y), facts.dataset_of(X.copy(), y), facts.dataset_of(X + 1, y)
    assert one == same
    assert (one["rows"], one["columns"]) == X.shape
    assert one["digest"] != other["digest"]
    assert len(one["digest"]) <= 36


def test_the_columns_of_rows_are_the_tables_numbers():
    X, y = make_classification(60, random_state=0)
    table = GridSearchCV(LogisticRegression(), GRID, cv=2).fit(X, y).cv_results_
    rows = facts.columns_of(table)
    assert [row["mean_test_score"] for row in rows] == table["mean_test_score"].tolist()
    assert set(rows[0]) == {
        *("mean_fit_time", "std_fit_time", "mean_score_time", "std_score_time"),
        *("mean_test_score", "std_test_score", "rank_test_score"),
    }


@pytest.mark.parametrize("uri", ["ftp://host", "runs", "sqlite:/x", "http://", "hdfs://nn/x?sig=hidden"])
def test_addresses_that_mlflow_does_not_know_are_refused_without_their_secrets(uri):
    with pytest.raises(InputError, match="is not known; it must be sqlite") as refusal:
        checked_uri(uri)
    assert "hidden" not in str(refusal.value)


def test_the_folder_of_a_sqlite_store_must_be_there(tmp_path, monkeypatch):
    with pytest.raises(InputError, match="nowhere does not exist"):
        checked_uri(f"sqlite:///{tmp_path}/nowhere/mlflow.db")
    monkeypatch.chdir(tmp_path)
    for kind in ("sqlite", "sqlite+pysqlite"):  # whoever writes it works in another folder
        assert checked_uri(f"{kind}:///mlflow.db") == f"{kind}:///{tmp_path}/mlflow.db"
        assert checked_uri(f"{kind}:///mlflow.db?timeout=60") == f"{kind}:///{tmp_path}/mlflow.db?timeout=60"
        assert artifacts_beside(f"{kind}:///{tmp_path}/mlflow.db") == (tmp_path / "mlartifacts").as_uri()


def test_the_store_beside_a_run(tmp_path):
    assert store_beside(f"{tmp_path}/runs/demo") == f"sqlite:///{tmp_path}/runs/mlflow.db"
    assert store_beside("hdfs://host/runs/demo") is None
    assert artifacts_beside(f"sqlite:///{tmp_path}/mlflow.db") == (tmp_path / "mlartifacts").as_uri()
    assert artifacts_beside("http://host") is None


@pytest.mark.parametrize("kind", ["postgresql", "mysql+pymysql", "mssql"])
def test_the_artifacts_of_a_database_lie_where_the_search_runs_not_in_what_is_deleted_after_it(
    kind, tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    assert artifacts_beside(f"{kind}://me@host/runs") == (tmp_path / "mlartifacts").as_uri()


def test_none_switches_tracking_off(spark):
    search = search_of(sc=spark, tracking=MlflowTracking("none")).fit(X, y)
    assert search.fit_counts_["fits"] == 4


def test_a_run_knows_the_file_that_its_history_notes():
    assert HISTORY == IDENTITY


def process_that_runs(monkeypatch, tmp_path, wait):
    """Return what waits for a process that writes the history and does not end by itself."""
    running = SimpleNamespace(poll=lambda: None, pid=1, kill=lambda: None)
    running.wait = lambda seconds=None: raise_timeout() if seconds else None
    monkeypatch.setattr(subprocess, "Popen", lambda words, **more: running)
    monkeypatch.setattr(recorder_process, "SECONDS_OF_STALL", 0.0)
    return RecorderProcess(tmp_path, {}, "It is searched.", wait)


def raise_timeout():
    raise subprocess.TimeoutExpired("python", 0.5)


def test_the_spool_of_a_process_that_is_done_and_slow_to_end_may_go(monkeypatch, tmp_path):
    slow = SimpleNamespace(poll=lambda: None, pid=1, wait=lambda seconds: raise_timeout() if seconds < 1 else None)
    monkeypatch.setattr(subprocess, "Popen", lambda words, **more: slow)
    process = RecorderProcess(tmp_path, {}, "It is searched.", wait=0.0)
    write_answer(tmp_path, {"state": "done", "beats": 1})
    assert process.wait()


@pytest.mark.parametrize("is_keeping_model", [True, False])
def test_a_large_model_may_take_longer_than_a_store_may_be_silent(monkeypatch, tmp_path, caplog, is_keeping_model):
    process = process_that_runs(monkeypatch, tmp_path, wait=0.2)
    write_answer(tmp_path, {"state": "working", "beats": 1, "is_keeping_model": is_keeping_model})
    assert process.wait() is not is_keeping_model
    told = "is still being written" if is_keeping_model else "is not whole: the store does not answer"
    assert told in caplog.text


def test_a_driver_that_was_killed_before_its_history_began_is_missed(tmp_path):
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    for driver, status in ((os.getpid(), None), (ended.pid, "KILLED")):
        recorder = Recorder(tmp_path, {}, driver)
        recorder._look()
        assert recorder._sweep.status == status


def test_a_search_that_was_killed_when_its_files_were_kept_has_finished(tmp_path):
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    writer, kept = SpoolWriter(tmp_path), {"kind": "files", "files": [], "model": None, "time": 0}
    for event in (search(), evaluation(grid(1)), fits(0), kept):
        writer.write(**event)
    recorder = Recorder(tmp_path, {}, ended.pid)
    recorder._look()
    assert recorder._sweep.status == "FINISHED"
    assert [Sweep([kept, end(status)]).status for status in ("KILLED", "FAILED")] == ["FINISHED", "FAILED"]


def test_candidates_are_looked_through_only_when_something_has_come(tmp_path, monkeypatch):
    writer, looked, slept = SpoolWriter(tmp_path), [], []
    writer.write(**search())

    def steps(sweep):
        looked.append(sweep.status)
        yield 0

    def sleep(seconds):
        slept.append(seconds)
        if len(slept) in (8, 16):
            writer.write(**(evaluation(grid(1)) if len(slept) == 8 else end()))

    recorder = Recorder(tmp_path, {}, os.getpid())
    recorder._history = SimpleNamespace(
        steps=steps, run_id="r", parent_is_done=False, is_keeping_model=False, problems=[]
    )
    monkeypatch.setattr(recorder, "_sleep", sleep)
    recorder.run()
    assert looked == [None, None, "FINISHED"]


def test_rows_of_different_lengths_are_data_too():
    found = facts.dataset_of([["a"], ["b", "c"]], [0, 1])
    assert (found["rows"], found["columns"]) == (2, 1)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"uri": 1}, "uri=1 must be a text"),
        ({"experiment": ""}, "experiment='' must be a text"),
        ({"max_children": "3"}, "max_children='3' must be a number of candidates, 0 or more, or None for all"),
        ({"max_children": -1}, "max_children=-1 must be"),
        ({"wait": "30"}, "wait='30' must be a number of seconds"),
    ],
)
def test_what_no_history_could_be_written_with_is_refused_at_once(arguments, message):
    with pytest.raises(InputError, match=message):
        MlflowTracking(**arguments)
