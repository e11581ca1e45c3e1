"""The parts of a report: what each computes from the results of a search."""

from __future__ import annotations

from itertools import pairwise, product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import log_loss
from xgboost import XGBClassifier

from hpt_spark.artifacts.report.certainty import best_of, standard_error
from hpt_spark.artifacts.report.features import features_of
from hpt_spark.artifacts.report.importance import functional_anova, importance_of
from hpt_spark.artifacts.report.parameters import candidates_of, varying
from hpt_spark.artifacts.report.predictions import quality_of
from hpt_spark.artifacts.report.svg import axis
from hpt_spark.artifacts.report.tables import table
from hpt_spark.artifacts.report.timeline import timeline_of
from tests.artifacts.report.samples import cv_results, many, sixteen

finite = st.floats(-1e3, 1e3, allow_nan=False)


def rows_of(params, score):
    """Return the rows of the table, as the file has them."""
    results = cv_results(params, score)
    columns = {name: ["" if value is np.ma.masked else value for value in column] for name, column in results.items()}
    return [
        {name: "" if column[at] is None else str(column[at]) for name, column in columns.items()}
        for at in range(len(params))
    ]


# --- hyperparameters ---


def test_values_are_numbers_texts_none_or_absent():
    params = [{"a": 1, "b": "x", "c": None}, {"a": 2.5, "b": "x", "c": 3}, {"a": 1, "b": "x"}]
    candidates = candidates_of(rows_of(params, lambda one, fold: 0.0))
    assert [one.params for one in candidates] == params
    parameters, constants = varying(candidates)
    assert constants == {"b": "x"}
    assert {one.name: one.levels for one in parameters} == {"a": (1, 2.5), "c": (None, 3)}
    assert [one.is_number for one in parameters] == [True, False]


def test_rounds_and_orders_of_magnitude_are_known():
    params = [{"model__n_estimators": rounds, "C": c} for rounds, c in ((10, 0.001), (20, 1.0))]
    parameters, _ = varying(candidates_of(rows_of(params, lambda one, fold: 0.0)))
    assert [(one.is_rounds, one.is_log) for one in parameters] == [(True, False), (False, True)]


# --- importance: on a complete grid it is the classical analysis of variance, which is the oracle ---


@given(st.lists(finite, min_size=24, max_size=24).filter(lambda scores: np.std(scores) > 1e-3))
def test_on_a_complete_grid_the_importances_are_those_of_the_analysis_of_variance(scores):
    sizes = np.array([2, 3, 4])
    places = np.array(list(product(*map(range, sizes))))
    main, together = functional_anova(places, sizes, np.array(scores))
    table = np.reshape(scores, sizes)
    axes = [tuple({0, 1, 2} - {at}) for at in range(3)]
    wanted = np.array([table.mean(axis=others).var() for others in axes]) / table.var()
    np.testing.assert_allclose(main, wanted, atol=1e-6)
    assert together == pytest.approx(1 - wanted.sum(), abs=1e-6)


def test_what_only_works_together_is_not_told_of_one():
    places = np.array(list(product(range(2), range(2))))
    main, together = functional_anova(places, np.array([2, 2]), np.array([0.0, 1.0, 1.0, 0.0]))
    np.testing.assert_allclose(main, 0, atol=1e-12)
    assert together == pytest.approx(1)


def test_of_drawn_candidates_the_decisive_hyperparameter_comes_first():
    params = [{**one, "max_depth": one["max_depth"]} for one in many(300)]
    rows = rows_of(params, lambda one, fold: np.log10(one["learning_rate"]) + 0.2 * one["subsample"])
    candidates = candidates_of(rows)
    found = importance_of(candidates, varying(candidates)[0])
    assert next(iter(found.shares)) == "learning_rate"
    assert found.shares["learning_rate"] > 0.9
    assert max(share for name, share in found.shares.items() if name != "learning_rate") < 0.05
    assert found.candidates == 300


def test_where_all_score_the_same_nothing_is_important():
    candidates = candidates_of(rows_of(sixteen(), lambda one, fold: 1.0))
    assert importance_of(candidates, varying(candidates)[0]) is None


# --- how sure the best one is ---


def test_the_standard_error_is_that_of_the_folds():
    (one,) = candidates_of(rows_of([{"a": 1}], lambda params, fold: [1.0, 2.0, 4.0, 4.0, 9.0][fold]))
    folds = np.array([1.0, 2.0, 4.0, 4.0, 9.0])
    assert standard_error(one) == pytest.approx(folds.std(ddof=1) / np.sqrt(5))


def test_the_simplest_of_those_within_one_standard_error_is_named():
    params = [{"n_estimators": rounds, "max_depth": depth} for rounds in (100, 200, 400) for depth in (3, 6)]
    # The folds differ by 0.1 each, so that all but the first pair lie within one standard error.
    means = [-1.0 if one["n_estimators"] == 100 else 1e-5 * one["max_depth"] for one in params]
    rows = rows_of(params, lambda one, fold: 0.1 * fold + means[params.index(one)])
    candidates = candidates_of(rows)
    best = best_of(candidates, max(range(6), key=lambda at: candidates[at].mean), varying(candidates)[0])
    assert best.within == (2, 3, 4, 5)
    assert best.simplest.params == {"n_estimators": 200, "max_depth": 3}
    assert best.simplest_by == "the smallest ensemble, by n_estimators and max_depth"


def test_a_candidate_that_a_race_has_dropped_is_compared_with_none():
    params = [{"n_estimators": rounds} for rounds in (100, 200, 300)]
    rows = rows_of(params, lambda one, fold: 0.1 * fold)
    rows[1] |= {"split4_test_score": "nan", "split3_test_score": "nan", "rank_test_score": "3"}
    candidates = candidates_of(rows)
    assert [one.is_dropped for one in candidates] == [False, True, False]
    best = best_of(candidates, 0, varying(candidates)[0])
    assert best.within == (0, 2)
    assert best.runner_up.row == 2


def test_without_a_size_the_shortest_fit_is_the_simplest():
    candidates = candidates_of(rows_of([{"C": 1}, {"C": 2}], lambda one, fold: float(fold)))
    assert best_of(candidates, 0, varying(candidates)[0]).simplest_by == "the shortest fit"


# --- the model ---


def test_the_features_of_an_xgboost_model_are_its_columns_by_total_gain():
    random = np.random.default_rng(0)
    X = random.random((200, 4))
    model = XGBClassifier(n_estimators=5, n_jobs=1).fit(X, (X[:, 2] > 0.5).astype(int))
    found = features_of(model, [("a", "0"), ("a", "1"), ("b", "2"), ("b", "3")])
    assert (found.top[0].block, found.top[0].term) == ("b", "2")
    assert sum(found.blocks.values()) == pytest.approx(1)
    assert sum(one.share for one in found.top) == pytest.approx(1)


def test_a_linear_model_tells_its_coefficients_and_one_of_other_columns_nothing():
    X = np.eye(4).repeat(5, axis=0)
    model = LogisticRegression().fit(X, [0] * 10 + [1] * 10)
    columns = [("a", str(at)) for at in range(4)]
    assert features_of(model, columns).measure == "mean size of a column's coefficients"
    assert features_of(model, columns[:3]) is None
    assert features_of(object(), columns) is None
    model.coef_ = np.array([["no", "number"]])
    assert features_of(model, columns) is None


# --- the time ---


def a_training(worker: str, began: float, seconds: float = 1.0, **more):
    told = {"worker": worker, "began": began, "seconds": seconds, "fits": [[0, 0, 0]], "fit_seconds": seconds / 2}
    return {**told, "score_seconds": seconds / 4, "peak_bytes": 7, **more}


@given(st.lists(st.tuples(st.sampled_from("ab"), st.floats(0, 50), st.floats(0.1, 5)), min_size=1, max_size=40))
def test_trainings_of_a_lane_never_overlap_and_a_lane_is_of_one_machine(given_trainings):
    recorded = [a_training(f"{host}:1", began, seconds) for host, began, seconds in given_trainings]
    found = timeline_of({"trainings": recorded, "forecast": {}})
    assert len(found.trainings) == len(recorded)
    for lane, name in enumerate(found.lanes):
        own = sorted((one.began, one.ended) for one in found.trainings if one.lane == lane)
        assert own
        assert all(began >= ended - 0.02 for (_, ended), (began, _) in pairwise(own))
        assert name[0] in "ab"
    assert 0 < found.fit_share <= 1


def test_the_time_between_two_drivers_is_left_out():
    recorded = [a_training("a:1", 0), a_training("a:1", 1), a_training("a:2", 5000), a_training("a:2", 5001)]
    found = timeline_of({"trainings": recorded, "forecast": {}, "refit": {"began": 5002.0, "seconds": 2.0}})
    assert found.resumed == 1
    assert found.seconds == pytest.approx(6)
    assert [one.began for one in found.trainings] == pytest.approx([0, 1, 2, 3])
    assert found.refit == pytest.approx((4, 6))


def test_failures_retries_and_fits_that_were_given_up_are_told():
    recorded = [
        a_training("a:1", 0, failed="ValueError: no"),
        a_training("a:1", 1, retries=["together: ended by SIGKILL"]),
        a_training("", 2, 0.0, failed="WorkerDiedError: gone"),
    ]
    found = timeline_of({"trainings": recorded, "forecast": {"process_bytes": 9}})
    assert found.lanes == ("a", "given up")
    assert [(one.failed, one.retries) for one in found.trainings] == [
        ("ValueError: no", ()),
        ("", ("together: ended by SIGKILL",)),
        ("WorkerDiedError: gone", ()),
    ]
    assert (found.predicted_bytes, found.seen_bytes) == (9, 7)


# --- out-of-fold predictions ---


@given(st.integers(0, 2**32 - 1))
def test_the_log_loss_is_scikit_learns_and_the_classes_share_it(seed):
    random = np.random.default_rng(seed)
    y = np.concatenate([[0, 1, 2], random.integers(0, 3, 20)])
    probabilities = random.dirichlet(np.ones(3), len(y))
    found = quality_of(probabilities, y, ["a", "b", "c"])
    assert found.log_loss == pytest.approx(log_loss(y, probabilities, labels=[0, 1, 2]), rel=1e-9)
    assert sum(one.rows * one.log_loss for one in found.classes) == pytest.approx(len(y) * found.log_loss)
    assert sum(one.count for one in found.calibration) == 3 * len(y)


def test_probabilities_that_come_true_are_calibrated():
    y = np.array([0] * 7 + [1] * 3)
    found = quality_of(np.tile([0.7, 0.3], (10, 1)), y, ["a", "b"])
    assert found.calibration_error == pytest.approx(0)


def test_rows_that_no_fit_has_predicted_are_left_out():
    probabilities = np.array([[0.5, 0.5], [np.nan, np.nan]])
    assert quality_of(probabilities, np.array([0, 1]), ["a", "b"]).log_loss == pytest.approx(np.log(2))
    assert quality_of(probabilities[:, :1], np.array([0, 1]), ["a", "b"]) is None


def test_values_that_are_no_probabilities_have_no_log_loss():
    y = np.array([0, 1])
    for values in ([[0.9, 0.2], [0.1, 0.8]], [[1.5, -0.5], [0.5, 0.5]], [[-2.0, 3.0], [0.4, 0.6]]):
        assert quality_of(np.array(values), y, ["a", "b"]) is None
    rounded = np.array([[0.9004, 0.1], [0.1, 0.9]])  # as classifiers of single precision sum them up
    assert quality_of(rounded, y, ["a", "b"]).log_loss == pytest.approx(0.1051, abs=1e-3)


# --- axes ---


@given(st.lists(finite, min_size=1, max_size=5), st.booleans())
def test_all_values_and_all_ticks_lie_on_the_axis(values, is_log):
    values = [abs(value) + 1e-3 for value in values] if is_log else values
    scale = axis(values, 10.0, 90.0, is_log=is_log)
    assert all(10 <= scale.at(value) <= 90 for value in values)
    assert all(9.99 <= place <= 90.01 for place, _ in scale.ticks(5))


# --- tables ---


@pytest.mark.parametrize(("rows", "scrolls"), [(30, False), (784, True)])
def test_a_table_of_many_rows_scrolls_in_itself(rows, scrolls):
    made = table("Blocks of columns", ["block", "columns"], [[f"_c{at}", "1"] for at in range(rows)])
    assert ('class="scroll long"' in str(made)) == scrolls
