"""The configuration: how files and settings are laid over each other."""

from __future__ import annotations

import pytest

from hpt_spark.config.layers import dump_config, load_config
from tests.configuring import problem


def test_a_later_layer_wins_and_leaves_the_other_keys(write):
    one = write("search: {cv: 3, scoring: accuracy}\nrun: {dir: one}\n", "one.yaml")
    two = write("search: {cv: 4}\n", "two.yaml")
    config = load_config([one, two], ["search.cv=7", "search.cv=8", "run.overwrite=true"])
    assert (config.search.cv, config.search.scoring, config.run.dir, config.run.overwrite) == (
        *(8, "accuracy"),
        *("one", True),
    )
    assert load_config([two, one]).search.cv == 3


def test_an_empty_file_changes_nothing(write):
    assert dump_config(load_config([write("# nothing\n")])) == dump_config(load_config())


def test_a_grid_and_the_parameters_of_an_estimator_are_replaced_whole(write):
    mine = write("search: {estimator_params: {alpha: 1}, param_grid: {C: [1, 2]}}\n")
    search = load_config([mine]).search
    assert search.estimator_params == {"alpha": 1}
    assert search.grids == [{"C": [1, 2]}]
    search = load_config([mine], ["search.param_grid={l1_ratio: [0.5]}"]).search
    assert search.grids == [{"l1_ratio": [0.5]}]


def test_set_can_change_one_parameter_of_the_only_grid():
    search = load_config([], ["search.param_grid.max_depth=[9]", "search.estimator_params.tree_method=hist"]).search
    assert search.grids == [{"n_estimators": [300, 400], "max_depth": [9]}]
    assert search.estimator_params == {"seed": 0, "tree_method": "hist"}


@pytest.mark.parametrize(
    ("before", "given", "expected"),
    [
        ("[1, 2]", "n={randint: [1, 4]}", {"randint": [1, 4]}),
        ("[1, 2]", "n.randint=[1, 4]", {"randint": [1, 4]}),
        ("{uniform: [0, 1]}", "n={randint: [1, 4]}", {"randint": [1, 4]}),
        ("{uniform: [0, 1]}", "n.randint=[1, 4]", {"randint": [1, 4]}),
        ("{uniform: [0, 1]}", "n=[7]", [7]),
    ],
)
def test_set_replaces_the_values_of_one_parameter_whole(write, before, given, expected):
    mine = write(f"search: {{strategy: random, param_grid: {{n: {before}, m: [0]}}}}\n")
    assert load_config([mine], [f"search.param_grid.{given}"]).search.grids == [{"n": expected, "m": [0]}]


def test_set_replaces_one_parameter_of_the_estimator_and_can_change_a_key_of_it(write):
    mine = write("search: {estimator_params: {weights: [1, 2], options: {a: 1}}}\n")
    params = load_config([mine], ["search.estimator_params.weights={x: 1}"]).search.estimator_params
    assert params == {"weights": {"x": 1}, "options": {"a": 1}}
    params = load_config([mine], ["search.estimator_params.options={b: 2}"]).search.estimator_params
    assert params == {"weights": [1, 2], "options": {"b": 2}}
    params = load_config([mine], ["search.estimator_params.options.b=2"]).search.estimator_params
    assert params == {"weights": [1, 2], "options": {"a": 1, "b": 2}}


def test_a_key_below_a_list_is_told_as_what_it_is():
    assert problem("features.sets.x=1").endswith("must be a list, written in [ ].")


def test_set_cannot_change_one_parameter_of_several_grids(write):
    two = write("search: {param_grid: [{C: [1]}, {C: [2]}]}\n")
    assert "`search.param_grid`" in problem("search.param_grid.C=[3]", files=(two,))


def test_a_spark_setting_is_one_key_with_dots_in_a_file_and_by_set(write):
    mine = write("spark:\n  conf:\n    spark.driver.memory: 4g\n    spark.sql.ansi.enabled: false\n")
    conf = load_config([mine], ["spark.conf.spark.executor.cores=3", "spark.conf.spark.driver.memory=5g"]).spark.conf
    assert conf == {"spark.driver.memory": "5g", "spark.sql.ansi.enabled": "false", "spark.executor.cores": "3"}


def test_nested_spark_settings_are_refused_with_the_right_form(write):
    mine = write("spark:\n  conf:\n    spark: {driver: {memory: 4g}}\n")
    assert "spark.driver.memory: 4g" in problem(files=(mine,))


def test_a_number_may_have_an_exponent_without_a_point(write):
    mine = write("search: {estimator_params: {learning_rate: 1e-3}, max_time: 1E5}\n")
    assert load_config([mine]).search.estimator_params == {"learning_rate": 0.001}
    assert load_config([mine]).search.max_time == 1e5
    search = load_config([mine], ["search.max_time=1e4", "search.param_grid.gamma=[1e-2, '1e-2']"]).search
    assert search.max_time == 1e4
    assert search.grids[0]["gamma"] == [0.01, "1e-2"]
