"""The number of rounds chosen by the mean curve: rows as scikit-learn has them, and fewer of them after a stop."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn import model_selection
from sklearn.datasets import make_classification
from sklearn.ensemble import GradientBoostingClassifier, RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from xgboost import XGBClassifier

from hpt_spark import GridSearchCV, HalvingGridSearchCV, OptunaSearchCV, RandomizedSearchCV
from hpt_spark.errors import InputError
from hpt_spark.search.strategies.rounds import Curve, Rounds
from tests.property_settings import examples

X, y = make_classification(120, 6, n_informative=3, flip_y=0.2, random_state=0)


def booster(**params):
    return XGBClassifier(**{"n_jobs": 1, "learning_rate": 0.5, "max_depth": 2, "random_state": 0, **params})


def plain(estimator, candidates, cv=2, **arguments):
    grid = [{name: [value] for name, value in candidate.items()} for candidate in candidates]
    return model_selection.GridSearchCV(estimator, grid, cv=cv, **arguments).fit(X, y)


def assert_rows_are_scikit_learns(search, estimator, **arguments):
    theirs = plain(estimator, search.cv_results_["params"], **arguments)
    for name in [name for name in theirs.cv_results_ if name.endswith("_score")]:
        np.testing.assert_array_equal(search.cv_results_[name], theirs.cv_results_[name], err_msg=name)
    assert search.best_params_ == theirs.best_params_
    np.testing.assert_array_equal(search.predict_proba(X), theirs.predict_proba(X))


RUNGS = {"max": 4, "step": 1, "early_stopping_rounds": 2}
FAMILIES = [
    (booster(), "n_estimators"),
    (booster(subsample=0.5), "n_estimators"),
    (GradientBoostingClassifier(random_state=0), "n_estimators"),
    (make_pipeline(StandardScaler(), RandomForestClassifier(random_state=0)), "randomforestclassifier__n_estimators"),
]


@pytest.mark.parametrize(("estimator", "parameter"), FAMILIES, ids=["xgboost", "sampled", "gradient", "forest"])
def test_every_checkpoint_is_a_row_and_each_setting_is_trained_once_per_fold(spark, estimator, parameter):
    depth = parameter.replace("n_estimators", "max_depth")
    search = GridSearchCV(
        estimator, {depth: [1, 2]}, cv=2, sc=spark, rounds={"max": 7, "step": 3}, return_train_score=True
    ).fit(X, y)
    expected = [{depth: at, parameter: rounds} for at in (1, 2) for rounds in (3, 6, 7)]
    assert search.cv_results_["params"] == expected
    assert search.fit_counts_["trainings"] == 4
    assert_rows_are_scikit_learns(search, estimator, return_train_score=True)


@pytest.mark.long
@examples(4)
@given(most=st.integers(2, 30), step=st.integers(1, 12), patience=st.integers(1, 15), rate=st.sampled_from([0.1, 2.0]))
def test_a_stop_leaves_out_only_rows_after_the_best(spark, most, step, patience, rate):
    estimator, settings = booster(learning_rate=rate), [1, 3]
    rounds = {"max": most, "step": step, "early_stopping_rounds": patience}
    search = GridSearchCV(estimator, {"max_depth": settings}, cv=2, sc=spark, rounds=rounds, scoring="neg_log_loss")
    search.fit(X, y)
    assert_rows_are_scikit_learns(search, estimator, scoring="neg_log_loss")
    checkpoints = Rounds.of(rounds, estimator).checkpoints
    for depth in settings:
        scores = {
            params["n_estimators"]: score
            for params, score in zip(search.cv_results_["params"], search.cv_results_["mean_test_score"])
            if params["max_depth"] == depth
        }
        assert tuple(sorted(scores)) == checkpoints[: len(scores)], "no gap before the stop"
        if len(scores) < len(checkpoints):
            best = min(at for at, score in scores.items() if score == max(scores.values()))
            assert max(scores) - best >= patience


def test_stopped_trainings_go_on_where_they_were(spark):
    rounds = {"max": 12, "step": 2, "early_stopping_rounds": 4}
    search = GridSearchCV(booster(learning_rate=0.01), {"max_depth": [1, 2]}, cv=2, sc=spark, rounds=rounds).fit(X, y)
    assert search.fit_counts_["continued"] > 0
    assert_rows_are_scikit_learns(search, booster(learning_rate=0.01))


def test_what_cannot_go_on_exactly_is_trained_to_its_end(spark):
    rounds = {"max": 8, "step": 2, "early_stopping_rounds": 2}
    estimator = GradientBoostingClassifier(random_state=0, learning_rate=2.0)
    search = GridSearchCV(estimator, {"max_depth": [2]}, cv=2, sc=spark, rounds=rounds).fit(X, y)
    assert [params["n_estimators"] for params in search.cv_results_["params"]] == [2, 4, 6, 8]
    assert search.fit_counts_["trainings"] == 2
    assert_rows_are_scikit_learns(search, estimator)


@pytest.mark.long
@pytest.mark.parametrize("rounds", [{"max": 6, "step": 2}, {"max": 9, "step": 1, "early_stopping_rounds": 3}])
def test_optuna_is_told_the_best_of_each_curve(spark, rounds):
    space = {"max_depth": [1, 2, 3, 4], "learning_rate": [0.1, 0.5, 1.0]}
    search = OptunaSearchCV(booster(), space, n_iter=5, n_startup_trials=2, batch_size=2, cv=2, sc=spark, rounds=rounds)
    search.fit(X, y)
    assert_rows_are_scikit_learns(search, booster())
    settings = {(params["max_depth"], params["learning_rate"]) for params in search.cv_results_["params"]}
    assert len(settings) == 5
    again = search.set_params(refit=False).fit(X, y)
    assert again.cv_results_["params"] == search.cv_results_["params"]


@pytest.mark.long
def test_a_search_goes_on_from_its_journal_and_takes_more_rounds(spark, tmp_path):
    def search(most, **more):
        rounds = {"max": most, "step": 2, "early_stopping_rounds": 100, **more}
        return GridSearchCV(booster(), {"max_depth": [1, 2]}, cv=2, sc=spark, rounds=rounds, journal=str(tmp_path))

    search(6).fit(X, y)
    longer = search(10).fit(X, y)
    assert longer.fit_counts_["resumed"] == 12
    assert_rows_are_scikit_learns(longer, booster())
    assert search(10, early_stopping_rounds=4).fit(X, y).fit_counts_["trainings"] == 0


def test_a_randomized_search_draws_settings_without_rounds(spark):
    space = {"max_depth": [1, 2, 3]}
    search = RandomizedSearchCV(
        booster(), space, n_iter=2, random_state=0, cv=2, sc=spark, rounds={"max": 4, "step": 2}
    )
    search.fit(X, y)
    drawn = list(model_selection.ParameterSampler(space, 2, random_state=0))
    assert search.cv_results_["params"] == [{**one, "n_estimators": at} for one in drawn for at in (2, 4)]


@pytest.mark.long
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.FitFailedWarning", "ignore:One or more")
def test_a_setting_that_fails_ends_at_its_first_rung(spark):
    rounds = {"max": 6, "step": 2, "early_stopping_rounds": 2}
    search = GridSearchCV(booster(), {"max_depth": [2, "no"]}, cv=2, sc=spark, rounds=rounds).fit(X, y)
    failed = [params["n_estimators"] for params in search.cv_results_["params"] if params["max_depth"] == "no"]
    assert failed
    assert search.best_params_["max_depth"] == 2


@pytest.mark.parametrize(
    ("rounds", "estimator", "grid", "message"),
    [
        (5, booster(), {}, "rounds=5 must be a mapping with max"),
        ({"step": 5}, booster(), {}, "must be a mapping with max"),
        ({"max": 5, "stop": 1}, booster(), {}, "must be a mapping with max"),
        ({"max": 0}, booster(), {}, "rounds: max=0 must be a number of rounds, 1 or more"),
        ({"max": 5, "step": 1.5}, booster(), {}, r"rounds: step=1\.5 must be a number"),
        ({"max": 5, "early_stopping_rounds": True}, booster(), {}, "early_stopping_rounds=True must be"),
        ({"max": 5}, LogisticRegression(), {}, "a LogisticRegression trains no rounds"),
        ({"max": 5}, booster(), {"n_estimators": [1]}, "n_estimators is among the candidates' parameters"),
    ],
)
def test_what_cannot_be_meant_is_refused(spark, rounds, estimator, grid, message):
    with pytest.raises(InputError, match=message):
        GridSearchCV(estimator, grid, cv=2, sc=spark, rounds=rounds).fit(X, y)


@pytest.mark.long
def test_several_metrics_need_the_name_of_the_one_that_stops(spark):
    scoring = ["accuracy", "neg_log_loss"]
    search = GridSearchCV(booster(), {}, cv=2, sc=spark, scoring=scoring, refit=False, rounds={"max": 4, "step": 2})
    assert len(search.fit(X, y).cv_results_["params"]) == 2
    search.set_params(rounds={"max": 4, "step": 2, "early_stopping_rounds": 2})
    with pytest.raises(InputError, match="which one counts while it runs: give refit= its name"):
        search.fit(X, y)
    search.set_params(refit="accuracy").fit(X, y)


@pytest.mark.usefixtures("no_spark")
def test_rungs_need_the_same_folds():
    folds = model_selection.KFold(2, shuffle=True)
    search = GridSearchCV(booster(), {"max_depth": [1]}, cv=folds, rounds=RUNGS, refit_on="driver")
    with pytest.raises(InputError, match="the folds must be the same for each rung: give cv= a splitter"):
        search.fit(X, y)
    seeded = model_selection.KFold(2, shuffle=True, random_state=0)
    search.set_params(cv=seeded).fit(X, y)
    assert_rows_are_scikit_learns(search, booster(), cv=seeded)
    search.set_params(cv=folds, rounds={"max": 4, "step": 2}).fit(X, y)  # one rung has one set of folds


def two_scores(estimator, X, y):
    right = float((estimator.predict(X) == y).mean())
    return {"right": right, "wrong": 1 - right}


UNNAMED = "with several metrics, the search needs to know which one counts while it runs: give refit= its name"


@pytest.mark.usefixtures("no_spark")
@pytest.mark.parametrize(
    "arguments",
    [{"rounds": RUNGS}, {"race": {"burn_in": 2}, "cv": 4}, {"keep_oof": "best"}],
    ids=lambda given: next(iter(given)),
)
@pytest.mark.parametrize("refit", [False, True, "neither"])
def test_a_function_with_several_metrics_needs_the_name_too(arguments, refit):
    search = GridSearchCV(booster(n_estimators=3), {"max_depth": [1, 2]}, **{"cv": 2, **arguments})
    search.set_params(scoring=two_scores, refit=refit, refit_on="driver")
    with pytest.raises((InputError, ValueError), match=f"{UNNAMED}|the parameter refit must be set to a scorer key"):
        search.fit(X, y)
    search.set_params(refit="right").fit(X, y)
    assert search.best_score_ == search.cv_results_["mean_test_right"].max()


@pytest.mark.usefixtures("no_spark")
@pytest.mark.parametrize("arguments", [{"rounds": RUNGS}, {"race": {"burn_in": 2}, "cv": 4}], ids=["rounds", "race"])
def test_the_name_of_the_only_metric_may_be_given(arguments):
    search = GridSearchCV(booster(n_estimators=3), {"max_depth": [1, 2]}, **{"cv": 2, **arguments})
    search.set_params(scoring="accuracy", refit="accuracy", refit_on="driver").fit(X, y)
    assert search.best_index_ == search.cv_results_["rank_test_score"].argmin()


def test_halving_has_no_rounds():
    with pytest.raises(TypeError, match="rounds"):
        HalvingGridSearchCV(booster(), {}, rounds={"max": 4})


@given(most=st.integers(1, 200), step=st.integers(1, 60), patience=st.integers(1, 90))
def test_rungs_cut_the_checkpoints_and_none_is_longer_than_needed(most, step, patience):
    rounds = Rounds.of({"max": most, "step": step, "early_stopping_rounds": patience}, booster())
    assert [one for rung in rounds.rungs for one in rung] == list(rounds.checkpoints)
    assert rounds.checkpoints[-1] == most
    ends = [0, *(rung[-1] for rung in rounds.rungs)]
    assert all(end - start <= max(patience, step) for start, end in itertools.pairwise(ends))


def test_a_curve_without_a_score_has_stopped_and_a_tie_counts_from_its_first():
    assert Curve({}, {5: float("nan")}).has_stopped(100)
    assert Curve({}, {5: 1.0, 10: 1.0}).has_stopped(5)
    assert not Curve({}, {5: 1.0, 10: 2.0}).has_stopped(5)
