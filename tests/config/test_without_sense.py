"""YAML without an end, texts that nothing can take, and numbers that nothing can count to."""

from __future__ import annotations

import pytest

from hpt_spark.config.layers import load_config
from hpt_spark.errors import ConfigError
from tests.configuring import problem

ENDLESS = {
    "search: &s\n  estimator_params: {x: *s}\n": "an alias stands for what it lies in",
    "search: {param_grid: &a [*a]}": "an alias stands for what it lies in",
    "search: &a {<<: *a}": "an alias stands for what it lies in",
    "? &k [*k]\n: 1": "an alias stands for what it lies in",
    "search: " + "[" * 3000 + "]" * 3000: "more than 50 values lie in each other",
    "search: " + "{a: " * 3000 + "1" + "}" * 3000: "more than 50 values lie in each other",
    "search:\n " + "- " * 60 + "1": "more than 50 values lie in each other",
    "\n".join(
        ["a: &a0 [x, x, x, x, x, x, x, x]", *(f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 8)}]" for n in range(1, 30))]
    ): "its aliases stand for more than 1,000,000 values",
}


@pytest.mark.parametrize("text", ENDLESS, ids=range(len(ENDLESS)))
def test_yaml_without_an_end_is_refused(write, text):
    with pytest.raises(ConfigError) as error:
        load_config([write(text)])
    assert str(error.value).endswith(f": {ENDLESS[text]}.")
    assert "is not valid YAML" in str(error.value)


def test_a_setting_without_an_end_is_refused():
    assert problem("search.cv=&a [*a]") == "--set search.cv=&a [*a]: an alias stands for what it lies in."
    said = problem("search.cv=" + "[" * 3000)
    assert said.startswith("--set search.cv=[[[")
    assert said.endswith("more than 50 values lie in each other.")
    assert len(said) < 400


def test_an_alias_that_ends_is_taken(write):
    text = "search:\n  param_grid: [{max_depth: &d [1, 2]}, {max_depth: *d, gamma: [0]}]\n"
    assert load_config([write(text)]).search.grids[1]["max_depth"] == [1, 2]


@pytest.mark.parametrize(
    ("key", "text"),
    [
        ("run.dir", 'run: {dir: "a\\0b"}'),
        ("run.dir", 'run: {dir: "a\\ud800b"}'),
        ("source.uri", 'source: {uri: "\\udcff"}'),
        ("tables.uri", 'tables: {uri: "\\0"}'),
        ("spark.conf", 'spark: {conf: {spark.app.name: "a\\0"}}'),
        ("search.estimator_params", 'search: {estimator_params: {a: [{b: "\\0"}]}}'),
        ("search.estimator_params", 'search: {estimator_params: {"a\\ud800": 1}}'),
        ("search.param_grid", 'search: {param_grid: {a: ["\\ud800"]}}'),
        ("features.sets", 'features: {sets: ["app\\0"]}'),
    ],
)
def test_a_text_that_nothing_can_take_is_refused_where_it_stands(write, key, text):
    with pytest.raises(ConfigError) as error:
        load_config([write(text)])
    said = str(error.value)
    assert said.startswith(f"`{key}`")
    assert "holds a character that no path and no setting can have (NUL, or a byte that is not UTF-8)" in said
    said.encode()


@pytest.mark.parametrize("setting", ["run.dir=\udcd0\udcb4", "run.dir=\0", "\udcd0=1", "spark.conf.\ud800=1"])
def test_an_argument_that_is_no_text_is_refused(setting):
    said = problem(setting)
    assert "no character of YAML" in said or "with a character that no key has" in said


@pytest.mark.parametrize(
    ("setting", "said"),
    [
        ("search.random_state=5000000000", "must be less than or equal to 4294967295."),
        ("search.random_state=4294967296", "must be less than or equal to 4294967295."),
        ("search.n_jobs=99999999999999999999", "must be less than or equal to 65536."),
        ("search.n_iter=99999999999999999999", "must be less than or equal to 2147483647."),
        ("search.max_time=1e300", "must be less than or equal to 316224000."),
        ("search.factor=.inf", "must be a finite number."),
        ("search.cv=" + "9" * 5000, "is no valid int; if it is a text, put it in quotes."),
        ("search.cv=1" + ":59" * 3000, "is no valid int; if it is a text, put it in quotes."),
        ("spark.master=spark://host", "must be local[*], local[CORES], yarn, spark://HOST:PORT"),
        ("spark.master=spark://:7077", "must be local[*], local[CORES], yarn, spark://HOST:PORT"),
        ("spark.conf={'': 1}", "has the name ''; write one of Spark's"),
        ("spark.conf={a b: 1}", "has the name 'a b'; write one of Spark's"),
    ],
    ids=lambda text: text[:40],
)
def test_a_number_or_a_name_out_of_bounds_is_refused(setting, said):
    assert said in problem(setting)


def test_the_bounds_themselves_are_taken():
    config = load_config(
        [], ["search.strategy=random", "search.random_state=4294967295", "spark.master='spark://a:1,b:2'"]
    )
    assert config.search.random_state == 2**32 - 1
