"""A training that stops with its curve: what it leaves is what plain fits of so many rounds leave, to the last bit."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.base import clone
from sklearn.datasets import make_classification
from sklearn.metrics import check_scoring, log_loss, make_scorer
from sklearn.model_selection._validation import _fit_and_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from xgboost import XGBClassifier, XGBRegressor

from hpt_spark.search.dataset import Dataset
from hpt_spark.search.evaluation import Evaluation
from hpt_spark.search.execution.worker import WorkerCache
from hpt_spark.search.fit_groups import group_fits
from hpt_spark.search.folds import Folds
from hpt_spark.search.results.fit_warnings import WarningFilters
from hpt_spark.search.strategies.rounds import EarlyStopping, Rounds

X, y = make_classification(240, 8, n_informative=4, n_classes=3, flip_y=0.3, random_state=0)
ROWS = np.arange(len(X))
POINTS = (2, 4, 6, 8, 10, 12)
OVERFITS = XGBClassifier(n_jobs=1, learning_rate=1.5, subsample=0.7, random_state=0)


def evaluation(estimator, scorer, patience=2, prefix="", metric="score", times=1, **common):
    return Evaluation(
        fit_and_score=_fit_and_score,
        estimator=estimator,
        data=Dataset(X, y, {}, {}),
        candidates=[{f"{prefix}n_estimators": rounds} for rounds in POINTS] * times,
        folds=Folds.of([(ROWS[:160], ROWS[160:])], len(X)),
        common={
            "scorer": scorer,
            "error_score": np.nan,
            "verbose": 0,
            "return_n_test_samples": True,
            "return_times": True,
            **common,
        },
        sklearn_config={},
        warning_filters=WarningFilters.of_this_moment(),
        of_curves=True,
        early_stopping=EarlyStopping(Rounds(f"{prefix}n_estimators", POINTS, patience), metric),
    )


def trained(evaluated):
    """Return the result of the one training, and those of plain fits."""
    (group,) = group_fits(evaluated, evaluated.fits)
    return WorkerCache().run(evaluated, group), [evaluated.run(fit, evaluated.data) for fit in group.fits]


def stop_by_hand(scores, patience):
    """Return how many points a curve has: it is judged where each rung ends, which has more than `patience` rounds."""
    last_end = 0
    for at, rounds in enumerate(POINTS[:-1]):
        if POINTS[at + 1] - last_end > patience:
            if rounds - POINTS[int(np.argmax(scores[: at + 1]))] >= patience:
                return at + 1
            last_end = rounds
    return len(POINTS)


@pytest.mark.long
@settings(max_examples=25)
@given(
    kind=st.sampled_from([XGBClassifier, XGBRegressor]),
    params=st.fixed_dictionaries(
        {
            "learning_rate": st.sampled_from([0.1, 1.0, 2.0]),
            "max_depth": st.integers(1, 5),
            "subsample": st.sampled_from([0.5, 1.0]),
            "colsample_bytree": st.sampled_from([0.6, 1.0]),
            "tree_method": st.sampled_from(["hist", "exact"]),
            "num_parallel_tree": st.sampled_from([1, 2]),
            "random_state": st.sampled_from([None, 3]),
        }
    ),
    patience=st.integers(1, 6),
    train=st.booleans(),
)
def test_the_scores_are_those_of_plain_fits(kind, params, patience, train):
    estimator = kind(n_jobs=1, **params)
    scorer = check_scoring(estimator, "neg_log_loss" if kind is XGBClassifier else "r2")
    found, plain = trained(evaluation(estimator, scorer, patience, return_train_score=train))
    assert not found.not_shared
    assert [fit.candidate for fit, _ in found.results] == list(range(len(found.results)))
    assert len(found.results) == stop_by_hand([one["test_scores"] for one in plain], patience)
    for (_, result), one in zip(found.results, plain, strict=False):
        assert result["test_scores"] == one["test_scores"]
        assert result.get("train_scores") == one.get("train_scores")
        assert result["n_test_samples"] == one["n_test_samples"]


@pytest.mark.parametrize("callbacks", [None, []])
def test_it_trains_no_further_than_to_its_stop(monkeypatch, callbacks):
    fitted = []
    fit = XGBClassifier.fit

    def noted(self, *data, **params):
        fitted.append(self)
        return fit(self, *data, **params)

    monkeypatch.setattr(XGBClassifier, "fit", noted)
    estimator = clone(OVERFITS).set_params(callbacks=callbacks)
    evaluated = evaluation(estimator, check_scoring(estimator, "neg_log_loss"))
    (group,) = group_fits(evaluated, evaluated.fits)
    results = WorkerCache().run(evaluated, group).results
    stop = POINTS[len(results) - 1]
    assert stop < POINTS[-1]
    _, trained = fitted
    assert trained.get_booster().num_boosted_rounds() == stop
    assert trained.callbacks == callbacks
    times = [one["fit_time"] for _, one in results]
    np.testing.assert_allclose(times, np.array(POINTS[: len(results)]) * times[0] / POINTS[0])
    assert times[0] > 0


def test_of_several_metrics_the_one_that_decides_stops_it():
    scorers = {"loss": "neg_log_loss", "right": "accuracy"}
    several = check_scoring(OVERFITS, list(scorers.values()))
    for name in scorers.values():
        found, plain = trained(evaluation(OVERFITS, several, metric=name))
        assert len(found.results) == stop_by_hand([one["test_scores"][name] for one in plain], 2)
        for (_, result), one in zip(found.results, plain, strict=False):
            assert result["test_scores"] == one["test_scores"]


@pytest.mark.parametrize(
    ("estimator", "metric", "prefix", "stops"),
    [
        (OVERFITS, log_loss, "", True),
        (OVERFITS, lambda *given: log_loss(*given), "", False),
        (make_pipeline(StandardScaler(), OVERFITS), log_loss, "xgbclassifier__", False),
    ],
    ids=["a metric of scikit-learn", "a function of the user", "a pipeline"],
)
def test_only_where_nothing_writes_it_stops(estimator, metric, prefix, stops):
    scorer = make_scorer(metric, greater_is_better=False, response_method="predict_proba")
    found, plain = trained(evaluation(estimator, scorer, prefix=prefix))
    assert (len(found.results) < len(POINTS)) == stops
    for (_, result), one in zip(found.results, plain, strict=False):
        assert result["test_scores"] == one["test_scores"]


def test_a_part_of_a_curve_is_trained_to_its_end():
    evaluated = evaluation(OVERFITS, check_scoring(OVERFITS, "neg_log_loss"))
    (group,) = group_fits(evaluated, evaluated.fits[1:])
    assert [fit for fit, _ in WorkerCache().run(evaluated, group).results] == evaluated.fits[1:]


def test_equal_curves_are_one_training():
    evaluated = evaluation(OVERFITS, check_scoring(OVERFITS, "neg_log_loss"), times=2)
    found, _ = trained(evaluated)
    once, _ = trained(evaluation(OVERFITS, check_scoring(OVERFITS, "neg_log_loss")))
    assert len(found.results) == 2 * len(once.results) < 2 * len(POINTS)
    assert found.trainings == 1
    results = dict(found.results)
    for fit, result in once.results:
        for one in (fit, evaluated.fits[fit.number + len(POINTS)]):
            assert results[one]["test_scores"] == result["test_scores"]


def test_a_training_that_fails_fails_as_plain_fits_do():
    wrong = XGBClassifier(n_jobs=1, max_depth=-3)
    evaluated = evaluation(wrong, check_scoring(wrong, "neg_log_loss"), patience=6)
    found, (plain, *_) = trained(evaluated)
    assert "max_depth" in found.not_shared
    assert found.trainings == 1, "what trains more rounds begins with the same"
    (group,) = group_fits(evaluated, evaluated.fits)
    of_all = [result for _, result in sorted(group.with_all_fits(found.results), key=lambda one: one[0].number)]
    first_rung = of_all[: len(POINTS) // 2]
    assert all(one["fit_error"].splitlines()[-1] == plain["fit_error"].splitlines()[-1] for one in first_rung)
    assert of_all[len(first_rung) :] == [None] * len(first_rung), "its curve stops after the first rung"
