"""What a search tells of when and where its trainings ran."""

from __future__ import annotations

import time

import numpy as np
from sklearn.model_selection import GridSearchCV as Theirs
from xgboost import XGBClassifier

from hpt_spark import GridSearchCV
from hpt_spark.search.evaluation import Fit
from hpt_spark.search.execution.worker import GroupResult
from hpt_spark.search.fit_groups import FitGroup
from hpt_spark.search.followers.timeline import ORIGIN, Timeline, origin
from tests.search.misbehaving import Misbehaving
from tests.search.small_search import X, search_of, y


def fits_of(search) -> list[tuple[int, ...]]:
    return sorted(tuple(fit) for training in search.timeline_["trainings"] for fit in training["fits"])


def test_every_fit_is_told_once_with_its_process_and_time(spark, tmp_path):
    before = time.time()
    search = search_of(sc=spark.sparkContext, journal=str(tmp_path)).fit(X, y)
    assert fits_of(search) == [(0, candidate, fold) for candidate in (0, 1) for fold in (0, 1)]
    for training in search.timeline_["trainings"]:
        host, _, process = training["worker"].rpartition(":")
        assert host
        assert int(process) > 0
        assert before - 1 < training["began"] < time.time() + 1
        assert 0 < training["fit_seconds"] <= training["seconds"] + 1e-3
        assert training["peak_bytes"] > 1 << 20
    assert search.timeline_["forecast"]["process_bytes"] > 0
    again = search_of(sc=spark.sparkContext, journal=str(tmp_path)).fit(X, y)
    assert again.timeline_["trainings"] == search.timeline_["trainings"]
    assert sorted(again.cv_results_) == sorted(Theirs(search.estimator, search.param_grid, cv=2).fit(X, y).cv_results_)


def test_fits_of_one_training_are_told_together(spark):
    grid = {"n_estimators": [2, 4], "max_depth": [2, 3]}
    search = GridSearchCV(XGBClassifier(n_jobs=1), grid, cv=2, refit=False, sc=spark.sparkContext).fit(X, y)
    assert len(fits_of(search)) == 8
    assert [len(training["fits"]) for training in search.timeline_["trainings"]] == [2] * 4


def test_a_failed_fit_is_told_with_its_reason_and_one_that_died_with_its_tries(spark, marks):
    dying = {"number": [1], "how": ["killed-once"], "marks": [marks]}
    grid = [{"number": [0], "how": ["fails"]}, dying, {"number": [2]}]
    search = GridSearchCV(Misbehaving(), grid, cv=2, refit=False, sc=spark.sparkContext).fit(X, y)
    assert fits_of(search) == [(0, candidate, fold) for candidate in range(3) for fold in range(2)]
    told = {fit[1]: training for training in search.timeline_["trainings"] for fit in training["fits"]}
    assert told[0]["failed"] == "ValueError: no good"
    assert "failed" not in told[2]
    assert np.isfinite(search.cv_results_["mean_test_score"][1:]).all()
    retries = [one for training in search.timeline_["trainings"] for one in training.get("retries", ())]
    assert any(one.startswith("together: ") and "SIGKILL" in one for one in retries)


def test_results_of_an_earlier_release_tell_nothing_and_are_left_as_they_are():
    timeline = Timeline()
    result = {"test_scores": 0.5, "fit_time": 1.0, "fit_error": None}
    timeline.take(0, Fit(0, 0, 0), result)
    assert result == {"test_scores": 0.5, "fit_time": 1.0, "fit_error": None}
    assert timeline.as_json() == {"trainings": [], "forecast": {}}


def test_fits_that_were_trained_apart_add_up():
    timeline = Timeline()
    group = GroupResult([], 3.0, "a:1", 0, 0, not_shared="because", began=5.0)
    for number, seconds in enumerate((1.0, 1.5)):
        result = {ORIGIN: origin(group, ()), "test_scores": 0.5, "fit_time": seconds, "score_time": 0.25}
        timeline.take(0, Fit(number, number, 0), result)
    (training,) = timeline.as_json()["trainings"]
    assert (training["fit_seconds"], training["score_seconds"]) == (2.5, 0.5)


def test_each_point_of_a_curve_that_was_given_up_is_told_as_failed():
    first, *rest = fits = [Fit(number, number, 0) for number in range(3)]
    given_up = GroupResult([], 0.0, "", 0, 0, began=5.0)
    result = {"fit_error": "FitTimeout: too long", "fit_time": 60.0, "score_time": 0.0}
    timeline = Timeline()
    for fit, one in FitGroup((first,), False, 1.0, rest=tuple(rest)).with_all_fits([(first, result)]):
        timeline.take(0, fit, {**one, ORIGIN: origin(given_up, ())})
    trainings = timeline.as_json()["trainings"]
    assert [training["fits"] for training in trainings] == [[[0, fit.candidate, 0]] for fit in fits]
    assert {training["failed"] for training in trainings} == {"FitTimeout: too long"}
    assert sum(training["fit_seconds"] for training in trainings) == 60.0
