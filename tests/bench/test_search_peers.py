"""What the benchmark of the search measures with: equal scores, the replay's laws, memory, and its refusal."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.datasets import make_classification
from sklearn.model_selection import GridSearchCV
from xgboost import XGBClassifier

SCRIPTS = Path(__file__).parents[2] / "bench"
sys.path.append(str(SCRIPTS))  # the scripts find their neighbours so
import makespan  # noqa: E402
import search  # noqa: E402
import turns  # noqa: E402
import worker_memory  # noqa: E402
from search_problem import Outcome, Problem  # noqa: E402
from spark_sklearn_mechanism import MechanismGridSearchCV  # noqa: E402

X, y = make_classification(90, 6, n_informative=4, n_classes=3, random_state=0)
GRID = {"n_estimators": [2, 3], "max_depth": [2, 3]}
PROBLEM = Problem("", GRID, folds=3)
durations = st.lists(st.floats(0.1, 100), min_size=1, max_size=60)


@pytest.mark.long
def test_the_mechanism_gives_scikit_learns_scores(spark):
    arguments = {"scoring": "neg_log_loss", "cv": 3}
    estimator = XGBClassifier(seed=0, n_jobs=1)
    theirs = GridSearchCV(estimator, GRID, **arguments).fit(X, y)
    found = MechanismGridSearchCV(spark.sparkContext, estimator, GRID, **arguments).fit(X, y)
    for fold in range(3):
        name = f"split{fold}_test_score"
        np.testing.assert_array_equal(found.cv_results_[name], theirs.cv_results_[name])
    assert found.best_params_ == theirs.best_params_
    assert np.shape(found.fit_seconds) == np.shape(found.score_seconds) == (4, 3)


@given(durations, st.integers(1, 9))
def test_a_replay_never_ends_before_its_bound_nor_after_twice_it(items, cores):
    replay = makespan.Replay.of(items, cores)
    assert replay.bound <= replay.end * (1 + 1e-9)
    assert replay.end <= 2 * replay.bound * (1 + 1e-9)  # Graham's bound for any order


@given(durations)
def test_one_core_takes_the_sum(items):
    assert makespan.Replay.of(items, 1).end == pytest.approx(sum(items))


def test_our_replay_trains_each_group_once_for_as_long_as_its_longest_fit():
    evaluation = PROBLEM.laid_out(X, y)
    seconds = [[float(candidate["n_estimators"])] * 3 for candidate in evaluation.candidates]
    theirs, ours = makespan.replays(evaluation, seconds, [[0.5] * 3] * 4, cores=1, times=2)
    assert (theirs.items, ours.items) == (24, 12)
    assert theirs.end == 2 * 3 * (2 + 2 + 3 + 3 + 4 * 0.5)
    assert ours.end == 2 * 3 * (3 + 3 + 4 * 0.5)


def test_peers_whose_scores_differ_are_refused(tmp_path, monkeypatch):
    def run_alone(script, out, peer, *others):
        Outcome(1.0, [[0.1 + 0.2 if peer == search.OURS else 0.3]]).write(out)
        return turns.Usage(1.0, 1.0, 0)

    monkeypatch.setattr(turns, "run_alone", run_alone)
    assert turns.by_turns(PROBLEM, [(search.OURS, 2)], 2)[search.OURS, 2].scores == [[0.1 + 0.2]]
    with pytest.raises(turns.UnequalError, match="joblib-spark"):
        turns.by_turns(PROBLEM, [(search.OURS, 2), ("joblib-spark", 2)], 1)


def test_the_table_of_the_peers_says_how_many_times_ours_each_takes():
    best = {(search.OURS, 2): Outcome(2.0, [], refit_seconds=1.0, process_seconds=4.0, cpu_seconds=3.0)}
    best["other", 2] = Outcome(5.0, [], refit_seconds=1.0, process_seconds=8.0, cpu_seconds=4.5)
    assert search.comparison(best)[2:4] == [
        "| hpt_spark | 2.0 | 1.00 | 1.0 | 1.00 | 4.0 | 1.00 | 3.0 | 1.00 |",
        "| other | 5.0 | 2.50 | 4.0 | 4.00 | 8.0 | 2.00 | 4.5 | 1.50 |",
    ]


def test_what_other_programs_take_is_told():
    before = turns.busy_seconds()
    sum(range(10_000_000))
    assert turns.busy_seconds() > before
    best = {("one", 2): Outcome(1.0, [], others=0.04), ("other", 2): Outcome(1.0, [], others=0.5)}
    assert "50%" in turns.taken_by_others(best)


@pytest.mark.long
def test_the_workers_memory_is_seen(spark):
    context = spark.sparkContext
    found = set(context.parallelize(range(2), 2).map(lambda _: __import__("os").getpid()).collect())
    assert found <= set(worker_memory.workers())
    pss, anonymous = worker_memory.pages_of(found.pop())
    assert 0 < anonymous < pss < 2**32
    assert worker_memory.pages_of(2**22 + 1) == (0, 0)


@pytest.mark.process
def test_it_explains_itself():
    got = subprocess.run([sys.executable, SCRIPTS / "search.py", "--help"], capture_output=True, text=True, check=True)
    assert "--only" in got.stdout
