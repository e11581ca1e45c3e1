"""Which candidate is the best: one standard error, and functions of the user's own."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.model_selection import ParameterGrid

from hpt_spark.config.search_section import SearchSection
from hpt_spark.errors import ConfigError
from hpt_spark.tuning.best import OneStandardError, refit_argument
from tests.configuring import problem

GRID = {"depth": [1, 2, 3], "rounds": [10, 20]}


def results(scores, grid=None, metric="score"):
    """Return ``cv_results_`` of candidates with these scores on the folds."""
    scores = np.asarray(scores, dtype=float)
    columns = {f"split{fold}_test_{metric}": scores[:, fold] for fold in range(scores.shape[1])}
    return {f"mean_test_{metric}": scores.mean(axis=1), "params": list(ParameterGrid(grid or GRID)), **columns}


def first(cv_results):
    return 0


def astray(cv_results):
    return len(cv_results["params"])


@given(st.lists(st.lists(st.floats(-1, 1), min_size=4, max_size=4), min_size=6, max_size=6))
def test_the_choice_is_near_the_best_and_nothing_simpler_is(scores):
    found = results(scores)
    mean, params = found["mean_test_score"], found["params"]
    best = int(np.argmax(mean))
    least = mean[best] - np.std(scores[best], ddof=1) / np.sqrt(4)
    chosen = OneStandardError("score", [GRID])(found)
    assert mean[chosen] >= least
    simpler = [
        number
        for number, one in enumerate(params)
        if one != params[chosen]
        and all(GRID[name].index(one[name]) <= GRID[name].index(params[chosen][name]) for name in GRID)
    ]
    assert all(mean[number] < least for number in simpler)


def test_it_is_the_standard_error_of_a_mean_of_drawn_scores():
    # The scores 0.1 and 0.3 deviate by 0.1 from their mean: its standard error is 0.1, not 0.1 / sqrt(2).
    scores = [[0.11, 0.11], [0.1, 0.3], [0.05, 0.05]]
    assert OneStandardError("score", [{"depth": [1, 2, 3]}])(results(scores, {"depth": [1, 2, 3]})) == 0


def test_of_one_fold_the_best_is_chosen():
    scores = [[0.1], [0.3], [0.2]]
    assert OneStandardError("score", [{"depth": [1, 2, 3]}])(results(scores, {"depth": [1, 2, 3]})) == 1


def test_without_spread_the_best_is_chosen():
    assert (
        OneStandardError("score", [GRID])(results([[0.1] * 3, [0.3] * 3, [0.2] * 3, [0.0] * 3, [0.29] * 3, [0.1] * 3]))
        == 1
    )


def test_the_order_of_values_and_of_parameters_says_what_is_simpler():
    equal = [[0.1, 0.3]] * 6
    for grid, simplest in (
        ({"depth": [3, 2, 1], "rounds": [10, 20]}, {"depth": 3, "rounds": 10}),
        ({"depth": [1, 2, 3], "rounds": [20, 10]}, {"depth": 1, "rounds": 20}),
    ):
        found = results(equal, grid)
        assert found["params"][OneStandardError("score", [grid])(found)] == simplest


@pytest.mark.parametrize("of_step", ["", "model__"])
def test_of_curves_the_earliest_setting_and_then_the_fewest_rounds_are_simplest(of_step):
    grids = [{f"{of_step}depth": [2, 6]}, {f"{of_step}rate": [0.1]}]
    rounds = f"{of_step}n_estimators"
    points = [{**setting, rounds: number} for grid in grids for setting in ParameterGrid(grid) for number in (9, 5)]
    found = {**results([[0.1, 0.3]] * 6), "params": points[::-1]}
    settings = SearchSection(param_grid=grids, rounds={"max": 9, "step": 5}, refit="one_std_err")
    assert found["params"][refit_argument(settings)(found)] == {f"{of_step}depth": 2, rounds: 5}


def test_where_values_are_drawn_fewer_rounds_are_simpler():
    grid = {"rate": {"uniform": [0, 1]}, "n_estimators": {"randint": [1, 99]}}
    found = {
        "params": [
            {"rate": 0.1, "n_estimators": 50},
            {"rate": 0.9, "n_estimators": 7},
            {"rate": 0.5, "n_estimators": 9},
        ],
        "mean_test_auc": np.array([0.8, 0.79, 0.1]),
        "split0_test_auc": np.array([0.7, 0.7, 0.1]),
        "split1_test_auc": np.array([0.9, 0.88, 0.1]),
    }
    assert OneStandardError("auc", [grid])(found) == 1


def test_a_failed_candidate_is_not_chosen():
    scores = [[np.nan, np.nan], [0.1, 0.3], [0.1, 0.3], [np.nan, 0.2], [0.0, 0.1], [0.1, 0.2]]
    assert OneStandardError("score", [GRID])(results(scores)) == 1


def test_what_refit_says_becomes_scikit_learns_argument():
    both = ["accuracy", "roc_auc"]
    assert refit_argument(SearchSection()) is True
    assert refit_argument(SearchSection(refit="neg_log_loss")) is True
    assert refit_argument(SearchSection(scoring=both, refit="roc_auc")) == "roc_auc"
    assert refit_argument(SearchSection(scoring=both, refit=False)) is False
    assert refit_argument(SearchSection(refit=f"{__name__}.first"))(results([[1, 2]] * 6)) == 0


def test_a_wrong_function_is_told():
    with pytest.raises(ConfigError, match=r"search.refit=nowhere.to cannot be imported; .*MODULE.FUNCTION"):
        refit_argument(SearchSection(refit="nowhere.to"))
    choose = refit_argument(SearchSection(refit=f"{__name__}.astray"))
    with pytest.raises(ConfigError, match=r"returned 6; it must return the number of one of the 6 candidates, 0 to 5"):
        choose(results([[1, 2]] * 6))


def test_settings_without_sense_are_told():
    assert "did you" not in problem("search.refit=accuracy")
    assert "refit: accuracy is none of the scorings (neg_log_loss)" in problem("search.refit=accuracy")
    assert "let refit name the one that decides" in problem("search.scoring=[accuracy, roc_auc]")
    assert "names accuracy more than once" in problem("search.scoring=[accuracy, accuracy]")
    assert "give one scoring" in problem("search={strategy: halving, refit: one_std_err}")
    assert "needs a splitter" in problem("search.cv={n_splits: 3}")
