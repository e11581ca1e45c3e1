"""What those who follow a search are told, and what Spark's UI calls its jobs."""

from __future__ import annotations

import logging
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.datasets import make_classification
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import RepeatedStratifiedKFold
from xgboost import XGBClassifier

from hpt_spark import GridSearchCV, HalvingGridSearchCV, OptunaSearchCV
from hpt_spark.errors import InputError
from hpt_spark.search.evaluation import Fit
from hpt_spark.search.followers.follower import Best, SearchFollower, SearchState
from hpt_spark.search.followers.live_view import in_words
from hpt_spark.search.followers.monitor import MOST_REASONS, SearchMonitor
from tests.search.small_search import GRID, X, search_of, y


class Notes(SearchFollower):
    """A follower that notes what it is told."""

    def __init__(self):
        self.begun, self.fits, self.states, self.search = [], [], [], None

    def evaluation_began(self, begun, state):
        self.begun.append(begun)

    def fits_ended(self, fits, state):
        self.fits += fits

    def state_changed(self, state):
        self.states.append(state)

    def search_ended(self, search):
        self.search = search


def followed(search, *data):
    notes = Notes()
    search.followers = [notes]
    return notes, search.fit(*(data or (X, y)))


def result(score, failure=None):
    return {"test_scores": score, "fit_error": failure, "fit_time": 0.5, "score_time": 0.25}


def assert_it_is_the_table(notes, search, metric="score"):
    """Compare what was told with ``cv_results_``, bit by bit."""
    table = search.cv_results_
    assert len(notes.fits) == len(table["params"]) * search.n_splits_
    for fit in notes.fits:
        assert fit.scores[metric] == table[f"split{fit.fold}_test_{metric}"][fit.row]
    told = [dict(params) for begun in notes.begun for params in begun.candidates]
    assert told == table["params"]


def test_followers_are_told_every_result_and_the_end(spark):
    notes, search = followed(search_of(sc=spark))
    assert_it_is_the_table(notes, search)
    assert notes.search is search
    assert [begun.describe() for begun in notes.begun] == ["2 candidates x 2 folds"]
    assert list(dict.fromkeys(state.stage for state in notes.states)) == ["searching", "refitting", "ended"]
    last = [state for state in notes.states if state.stage == "searching"][-1]
    assert (last.fits_done, last.fits, last.fits_failed, last.failures) == (4, 4, 0, {})
    assert (last.best.row, last.best.score) == (search.best_index_, search.best_score_)
    assert last.best.std == search.cv_results_["std_test_score"][search.best_index_]
    assert max(state.fits_in_flight or 0 for state in notes.states) >= 1
    assert not {"followers", "journal_lock"} & search.__getstate__().keys()


@pytest.mark.long
def test_rungs_are_told_one_by_one(spark):
    X, y = make_classification(200, 5, random_state=0)
    search = HalvingGridSearchCV(
        XGBClassifier(n_jobs=1), {"max_depth": [1, 2, 3, 4]}, resource="n_estimators", max_resources=8, factor=2, cv=2
    )
    notes, search = followed(search.set_params(sc=spark), X, y)
    assert_it_is_the_table(notes, search)
    assert [(begun.rung, begun.resource) for begun in notes.begun] == [
        (rung, "n_estimators") for rung in range(1, search.n_iterations_ + 1)
    ]
    assert notes.begun[1].describe() == "2 candidates x 2 folds, rung 2"


def assert_one_count(notes, search):
    """All evaluations are counted together, the number of fits never rises, and the best is kept."""
    totals = [state.fits for state in notes.states]
    assert totals == sorted(totals, reverse=True)
    done = [state.fits_done for state in notes.states]
    assert done == sorted(done)
    last = notes.states[-1]
    assert last.fits == last.fits_done == len(notes.fits)
    assert last.fits_failed == 0
    assert {state.rung for state in notes.states} == {None}
    assert last.best.score == search.best_score_
    assert all(state.best is None or state.best.score <= last.best.score for state in notes.states)
    return totals


@pytest.mark.long
def test_batches_of_proposals_are_counted_together(spark):
    search = OptunaSearchCV(
        LogisticRegression(), {"C": [0.01, 0.1, 1.0, 10.0, 100.0]}, n_iter=5, batch_size=2, cv=2, n_startup_trials=1
    )
    notes, search = followed(search.set_params(sc=spark))
    assert_it_is_the_table(notes, search)
    assert set(assert_one_count(notes, search)) == {10}
    assert [begun.first_row for begun in notes.begun] == [0, 2, 4]


@pytest.mark.long
def test_curves_that_stop_have_fewer_fits_than_were_expected(spark):
    X, y = make_classification(120, 5, random_state=0)
    rounds = {"max": 60, "step": 5, "early_stopping_rounds": 5}
    search = GridSearchCV(XGBClassifier(n_jobs=1, learning_rate=1.0), {"max_depth": [1, 6]}, cv=2, rounds=rounds)
    notes, search = followed(search.set_params(sc=spark, scoring="neg_log_loss"), X, y)
    assert_it_is_the_table(notes, search)
    totals = assert_one_count(notes, search)
    assert totals[0] == 2 * 12 * 2 > totals[-1]
    assert {begun.curve for begun in notes.begun} == {"n_estimators"}


@pytest.mark.long
def test_who_is_dropped_in_a_race_is_no_failure_and_needs_no_fit(spark):
    cv = RepeatedStratifiedKFold(n_splits=2, n_repeats=3, random_state=0)
    search = GridSearchCV(LogisticRegression(), {"C": [1e-9, 1.0]}, cv=cv, race={"burn_in": 2}, sc=spark)
    notes, search = followed(search.set_params(scoring="neg_log_loss"))
    totals = assert_one_count(notes, search)
    assert totals[0] == 12 > totals[-1] == search.cv_results_["n_splits_done"].sum()


def test_the_seconds_left_are_those_of_later_fits_too(monkeypatch):
    now = 100.0
    monkeypatch.setattr("time.monotonic", lambda: now)
    monitor = SearchMonitor([Notes()])
    monitor.expect_later(3)
    monitor.begin([{}, {}], 1)
    monitor.plan(2)
    now = 120.0
    monitor.end([(Fit(0, 0, 0), result(0.5))], seconds_left=4.0)
    assert monitor.state.seconds_left == 4 * 4.0  # the one that waits takes four seconds, and so do the later three
    monitor.end([(Fit(1, 1, 0), result(0.5))], seconds_left=0.0)
    assert (monitor.state.seconds_left, monitor.state.fits, monitor.state.candidates) == (30.0, 5, 5)
    now = 130.0
    monitor.expect_later(0)
    monitor.begin([{}, {}, {}], 1)
    assert monitor.state.seconds_left == 3 * 15.0  # nothing has ended since: two fits took 30 seconds


def test_fits_behind_the_stop_of_their_training_are_not_awaited():
    monitor = SearchMonitor([Notes()])
    monitor.begin([{}] * 4, 1)
    monitor.plan(4)
    fits = [Fit(number, number, 0) for number in range(4)]
    for fit in fits:
        monitor.fit_began(fit)
    monitor.pass_over(set(fits[1:3]))
    monitor.end([(fits[0], result(0.5))], seconds_left=5.0)
    state = monitor.state
    assert (state.fits, state.fits_done, state.fits_in_flight, state.seconds_left) == (2, 1, 1, 5.0)
    monitor.end([(fits[3], result(0.5))], seconds_left=0.0)
    assert (monitor.state.fits_done, monitor.state.fits_in_flight) == (2, 0)


def test_nothing_is_in_flight_when_the_last_training_has_stopped():
    monitor = SearchMonitor([Notes()])
    monitor.begin([{}] * 4, 1)
    fits = [Fit(number, number, 0) for number in range(4)]
    for fit in fits:
        monitor.fit_began(fit)
    monitor.pass_over(set(fits[1:]))
    monitor.end([(fits[0], result(0.5))])
    assert (monitor.state.fits, monitor.state.fits_in_flight) == (1, 0)


@given(st.lists(st.tuples(st.sampled_from(["begin", "die", "end"]), st.integers(0, 4)), max_size=30))
def test_fits_in_flight_are_those_that_have_begun_and_neither_died_nor_ended(events):
    monitor, in_flight = SearchMonitor([Notes()]), set()
    monitor.begin([{}] * 5, 1)
    for event, number in events:
        fit = Fit(number, number, 0)
        if event == "begin":
            monitor.fit_began(fit)
            in_flight.add(fit)
        elif event == "die":
            monitor.fits_died([fit])
            in_flight.discard(fit)
        elif fit in in_flight:
            monitor.end([(fit, result(0.5))])
            in_flight.discard(fit)
        assert (monitor.state.fits_in_flight or 0) == len(in_flight)


def test_a_death_does_not_change_the_number_of_running_tasks_that_a_cluster_tells():
    monitor = SearchMonitor([Notes()])
    monitor.begin([{}] * 5, 1)
    monitor.tasks_run(3)
    monitor.fits_died([Fit(0, 0, 0)])
    assert monitor.state.fits_in_flight == 3


@pytest.mark.long
def test_results_of_the_journal_are_told_as_resumed(spark, tmp_path):
    search = search_of(sc=spark, journal=str(tmp_path / "journal"))
    first, _ = followed(search)
    assert {fit.is_resumed for fit in first.fits} == {False}
    resumed, fitted = followed(search_of(sc=spark, journal=str(tmp_path / "journal")))
    assert {fit.is_resumed for fit in resumed.fits} == {True}
    assert_it_is_the_table(resumed, fitted)
    assert resumed.states[-1].fits_resumed == 4


def test_failures_are_counted_by_their_reason(spark):
    search = GridSearchCV(LogisticRegression(), {"C": [1.0, -1.0]}, cv=2, sc=spark)
    with pytest.warns(Warning, match="fits failed"):
        notes, _ = followed(search)
    (reason,) = notes.states[-1].failures
    assert reason.startswith("InvalidParameterError: The 'C' parameter")
    assert notes.states[-1].fits_failed == notes.states[-1].failures[reason] == 2
    assert notes.states[-1].best.params == {"C": 1.0}


def test_several_scorers_are_told_by_name_and_refit_chooses(spark):
    scoring = ["accuracy", "neg_log_loss"]
    notes, search = followed(search_of(sc=spark, scoring=scoring, refit="neg_log_loss"))
    for metric in scoring:
        assert_it_is_the_table(notes, search, metric)
    assert notes.states[-1].best.score == search.best_score_


def test_a_follower_that_fails_is_left_out_and_the_search_goes_on(spark, caplog):
    class Fails(Notes):
        def fits_ended(self, fits, state):
            raise OSError("the disk is full")

        def __repr__(self):
            return "this one"

    fails, notes = Fails(), Notes()
    search = search_of(sc=spark)
    search.followers = [fails, notes]
    search.fit(X, y)
    assert_it_is_the_table(notes, search)
    assert fails.search is None
    said = [record.getMessage() for record in caplog.records if record.name == SearchMonitor.__module__]
    assert said == ["this one no longer follows the search: OSError: the disk is full"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"progress": 1}, r"progress=1 is not known; it must be True or False"),
        ({"tracking": "mlflow"}, r"tracking='mlflow' is not known; .*MlflowTracking"),
    ],
)
def test_other_values_are_refused(spark, arguments, message):
    with pytest.raises(InputError, match=message):
        search_of(sc=spark, **arguments).fit(X, y)


scores = st.one_of(st.floats(-1e6, 1e6), st.just(math.nan))


@given(st.lists(st.lists(scores, min_size=3, max_size=3), min_size=1, max_size=6), st.randoms())
def test_the_best_so_far_is_scikit_learns_in_whatever_order_fits_end(table, random):
    notes = Notes()
    monitor = SearchMonitor([notes])
    monitor.begin([{"number": number} for number in range(len(table))], 3)
    fits = [Fit(0, candidate, fold) for candidate in range(len(table)) for fold in range(3)]
    random.shuffle(fits)
    for fit in fits:
        monitor.end([(fit, result(table[fit.candidate][fit.fold]))])
    means = [float(np.mean(row)) for row in table]
    if all(map(math.isnan, means)):
        assert monitor.state.best is None
    else:
        assert monitor.state.best.row == int(np.nanargmax(means))
        assert monitor.state.best.score == np.nanmax(means)


def test_reasons_without_end_are_summed_up():
    monitor = SearchMonitor([Notes()])
    monitor.begin([{}] * 100, 1)
    monitor.end([(Fit(0, number, 0), result(math.nan, f"ValueError: number {number}\n")) for number in range(100)])
    assert len(monitor.state.failures) == MOST_REASONS + 1
    assert sum(monitor.state.failures.values()) == monitor.state.fits_failed == 100


@pytest.mark.parametrize(("max_time", "expected"), [(None, 3000.0), (5000.0, 3000.0), (60.0, 60.0), (0.0, 0.0)])
def test_no_more_seconds_are_left_than_the_search_may_take(max_time, expected):
    monitor = SearchMonitor([Notes()], max_time=max_time)
    monitor.begin([{}] * 4, 1)
    monitor.plan(4)
    monitor.end([(Fit(0, 0, 0), result(0.5))], 3000.0)
    assert monitor.state.seconds_left == pytest.approx(expected, abs=1.0)


def test_the_live_view_says_what_is_known():
    assert in_words(SearchState()) == ""
    state = SearchState(
        best=Best(0, {"max_depth": np.int64(3)}, -2.374231, 0.01),
        fits_failed=3,
        failures={"ValueError: no": 1, "WorkerDiedError: gone": 2},
        fits_in_flight=2,
    )
    assert in_words(state) == (
        "best -2.3742 {'max_depth': 3}; 3 failed: 2 x WorkerDiedError: gone, 1 x ValueError: no; 2 in flight"
    )


def test_progress_is_shown_where_it_is_asked_for(spark, caplog):
    caplog.set_level(logging.INFO, "hpt_spark.progress")
    search_of(sc=spark).fit(X, y)
    assert not [record for record in caplog.records if record.name == "hpt_spark.progress"]
    search = search_of(sc=spark, progress=True).fit(X, y)
    (line,) = [record.getMessage() for record in caplog.records if record.name == "hpt_spark.progress"]
    assert line.startswith("tune: 4 of 4 fits in ")
    assert f"(best {search.best_score_:.5g} {search.best_params_}" in line


@pytest.mark.long
def test_sparks_ui_names_jobs_and_stages_in_words(spark):
    store = spark.sparkContext._jsc.sc().statusStore()
    before = store.jobsList(None).size()
    search_of(sc=spark).fit(X, y)
    jobs = [store.jobsList(None).apply(at) for at in range(store.jobsList(None).size() - before)]
    tracker = spark.sparkContext.statusTracker()
    names: dict[str, set[str]] = {}
    for job in jobs:
        stages = [tracker.getStageInfo(job.stageIds().apply(at)) for at in range(job.stageIds().size())]
        names.setdefault(job.description().get(), set()).update(stage.name for stage in stages)
    for described in (f"sweep: {len(GRID['C'])} candidates x 2 folds", "sweep: refit of the best candidate"):
        assert names[described] == {described}
    assert "sweep: the refitted model, to the driver" in names  # whose stage PySpark names by its line of code
