"""The values of the keys: taken, or refused with the allowed ones."""

from __future__ import annotations

import math

import pytest

from hpt_spark.config.layers import Config, load_config
from hpt_spark.errors import ConfigError
from tests.configuring import problem


@pytest.mark.parametrize(
    ("setting", "key"),
    [
        ("search.backnd=spark", "search.backend"),
        ("serach.cv=3", "search"),
        ("feature.sets=[hour]", "features"),
        ("features.Encoding=indicator", "features.encoding"),
        ("run.direction=x", "run.dir"),
        ("tables.URI=x", "tables.uri"),
        ("cv=3", "search.cv"),
        ("features.label=left", "features.table.label"),
        ("features.table.cv=3", "search.cv"),
    ],
)
def test_an_unknown_key_is_told_with_the_nearest_one(setting, key):
    said = problem(setting)
    assert said.startswith("unknown key `")
    assert said.endswith(f"did you mean `{key}`?")


def test_a_key_of_several_sections_is_told_with_each_of_them():
    said = problem("uri=x")
    keys = "`source.uri` or `tables.uri` or `features.table.uri` or `tracking.mlflow.uri`"
    assert said == f"unknown key `uri` in --set uri=x; did you mean {keys}?"


def test_an_unknown_key_like_no_other_is_told_with_all_known_ones():
    said = problem("run.zzz=1")
    assert said == "unknown key `run.zzz` in --set run.zzz=1; known keys: dir, overwrite."


def test_tracking_keeps_the_keys_of_the_contract():
    tracking = load_config(settings=["tracking.mlflow.uri=sqlite:///a.db", "tracking.mlflow.max_children=0"]).tracking
    assert (tracking.mlflow.uri, tracking.mlflow.max_children) == ("sqlite:///a.db", 0)
    assert Config().tracking.mlflow.model_dump() == {"uri": None, "experiment": "hpt-spark", "max_children": None}
    assert "tracking.mlflow.max_children" in problem("tracking.mlflow.max_children=-1")
    assert "tracking.mlflow.experiment" in problem("tracking.mlflow.experiment=''")


@pytest.mark.parametrize(
    ("setting", "said"),
    [
        ("search.cv=three", "must be a whole number"),
        ("search.cv=2.5", "must be a whole number"),
        ("search.cv=true", "must be a whole number"),
        ("search.cv=1", "greater than or equal to 2"),
        ("search.cv=null", "must be a whole number"),
        ("search.cv=[3]", "must be a whole number"),
        ("search.n_jobs=0", "-1 for one per core"),
        ("search.refit=2", "must be true or false"),
        ("search.max_time=0", "greater than 0"),
        ("search.max_time=soon", "must be a number"),
        ("search.max_fit_time=0", "greater than 0"),
        ("search.max_fit_time=soon", "must be a number"),
        ("search.race=3", "must be a mapping of burn_in and alpha"),
        ("search.error_score=zero", "must be a number, nan or raise"),
        ("search.error_score=true", "must be a number, nan or raise"),
        ("search.scoring=3", "must be a text"),
        ("search.strategy=rando", "did you mean `random`?"),
        ("search.n_iter=0", "greater than or equal to 1"),
        ("search.rounds=5", "needs a mapping such as {max: 2000"),
        ("search.rounds={step: 5}", "needs a mapping such as {max: 2000"),
        ("search.rounds={max: 0}", "max must be a number of rounds, 1 or more"),
        ("search.warm_start=runs/a", "must be a list"),
        ("search.random_state=null", "must be a whole number"),
        ("search.factor=1", "greater than 1"),
        ("search.min_resources=few", "must be a whole number"),
        ("search.estimator_params=[1]", "must be a mapping"),
        ("search=3", "must be a section"),
        ("run.dir=12", "must be a text; if it is one, put it in quotes"),
        ("run.dir=''", "must not be empty"),
        ("run.overwrite=perhaps", "must be true or false"),
        ("tables.uri=''", "must not be empty"),
        ("source.via=sdkk", "did you mean `sdk`?"),
        ("source.max_bad_rows=-1", "greater than or equal to 0"),
        ("features.sets=[]", "must not be empty"),
        ("features.sets=hour", "must be a list"),
        ("features.sets=[hour, weekdy]", "did you mean `weekday`?"),
        ("features.sets=[hour, hour]", "names hour more than once"),
        ("features.encoding=fractions", "did you mean `fraction`?"),
        ("features.min_devices=0", "greater than or equal to 1"),
        ("spark.master=[local]", "must be a text"),
        ("spark.master=loco", "must be local[*], local[CORES], yarn, spark://HOST:PORT or k8s://HOST:PORT; or null"),
        ("spark.master=local[0]", "must be local[*], local[CORES]"),
        ("spark.master=sc://host:15002", "must be local[*], local[CORES]"),
        ("spark.conf=high", "must be a mapping"),
    ],
)
def test_a_wrong_value_is_told_with_what_is_allowed(setting, said):
    found = problem(setting)
    assert f"`{setting.partition('=')[0]}" in found
    assert f" in --set {setting.partition('=')[0]}" in found
    assert said in found


@pytest.mark.parametrize(
    "master",
    ["local", "local[*]", "local[2]", "local[2,3]", "local-cluster[2,1,1024]", "yarn", "spark://a:7077,b:7077"],
)
def test_masters_of_every_kind(master):
    assert load_config([], [f"spark.master={master}"]).spark.master == master


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        (["search.param_grid={a: {uniform: [0, 1]}}"], "a distribution for a, from which only strategy: random or"),
        (["search.strategy=halving", "search.resource=n_estimators"], "n_estimators needs max_resources"),
        (
            ["search.strategy=halving", "search.resource=max_depth", "search.max_resources=9"],
            "resource=max_depth is in param_grid too",
        ),
    ],
)
def test_what_a_strategy_cannot_do_is_refused(settings, said):
    with pytest.raises(ConfigError, match=said):
        load_config([], settings)


def test_a_strategy_that_draws_takes_distributions():
    grid = "search.param_grid={learning_rate: {loguniform: [0.01, 0.3]}, max_depth: {randint: [2, 9]}, gamma: [0, 1]}"
    search = load_config([], [grid, "search.strategy=random"]).search
    assert search.grids == [
        {"learning_rate": {"loguniform": [0.01, 0.3]}, "max_depth": {"randint": [2, 9]}, "gamma": [0, 1]}
    ]


@pytest.mark.parametrize(
    ("grid", "said"),
    [
        ("{a: {}}", "has {} for a: write a list, or one of uniform, loguniform, randint: [low, high]"),
        ("{a: {normal: [0, 1]}}", "has {normal: [0, 1]} for a: write a list, or one of uniform"),
        ("{a: {uniform: [0]}}", "a distribution needs two numbers, uniform: [low, high]"),
        ("{a: {uniform: [true, 2]}}", "a distribution needs two numbers, uniform: [low, high]"),
        ("{a: {uniform: [0, .nan]}}", "a distribution needs two numbers, uniform: [low, high]"),
        (f"{{a: {{randint: [0, 1{'0' * 400}]}}}}", "a distribution needs two numbers, randint: [low, high]"),
        ("{a: {uniform: [0, .inf]}}", "a distribution needs two numbers, uniform: [low, high]"),
        ("{a: {randint: [1.5, 4.2]}}", "has {randint: [1.5, 4.2]} for a: randint needs two whole numbers"),
        ("{a: {randint: [1, 1e2]}}", "has {randint: [1, 100.0]} for a: randint needs two whole numbers"),
        ("{a: {uniform: [2, 1]}}", "the first number must be the smaller one"),
        ("{a: {loguniform: [0, 1]}}", "for loguniform above 0"),
        ("{}", "is empty: name at least one parameter with a list of values"),
        ("[]", "is empty: name at least one parameter with a list of values"),
        ("[{}]", "is empty: name at least one parameter with a list of values"),
        ("{max_depth: []}", "has no value for max_depth: name at least one or leave max_depth out"),
        ("{max_depth: 3}", "has a single value for max_depth: write [3]"),
        ("{objective: softprob}", "has a single value for objective: write [softprob]"),
        ("[{max_depth: [3]}, {max_depth: 4}]", "has a single value for max_depth: write [4]"),
        ("{3: [4]}", "has the name 3: put it in quotes"),
        ("3", "needs a mapping of parameter names to lists of values"),
        ("[3]", "needs a mapping of parameter names to lists of values"),
        ("null", "needs a mapping of parameter names to lists of values"),
    ],
)
def test_a_grid_that_is_none_is_refused(grid, said):
    assert said in problem(f"search.param_grid={grid}")


@pytest.mark.parametrize(
    ("score", "expected"), [("nan", math.nan), (".nan", math.nan), ("raise", "raise"), ("0", 0.0), ("-2.5", -2.5)]
)
def test_every_allowed_error_score_is_taken(score, expected):
    found = load_config([], [f"search.error_score={score}"]).search.error_score
    assert found == expected or (math.isnan(expected) and math.isnan(found))


@pytest.mark.parametrize(
    ("other", "said"),
    [
        (["search.race.burn=3"], "must be a mapping of burn_in and alpha"),
        (["search.race.burn_in=1"], "burn_in is 1; it must be a whole number of folds, 2 or more"),
        (["search.race.alpha=1.5"], "alpha is 1.5; it must be a number between 0 and 1"),
        (["search.race.burn_in=5"], "leaves no fold to save; give it fewer, or cv more"),
        (["search.race.factor=3"], "must be a mapping of burn_in and alpha, such as {burn_in: 3, alpha: 0.05}, or of"),
        (["search.refit=one_std_err"], "race and refit: one_std_err do not go together"),
        (["search.refit=false", "search.scoring=[neg_log_loss, accuracy]"], "needs refit to name the one that decides"),
    ],
    ids=str,
)
def test_what_does_not_go_together_with_a_race_is_told(other, said):
    told = problem("search.race.alpha=0.1", *other)
    assert said in told
    assert "search" in told


def test_the_rules_of_a_race_are_given_in_part_and_are_whole_then():
    assert load_config([], ["search.race.alpha=0.1"]).search.race == {"burn_in": 3, "alpha": 0.1}
    assert load_config([], ["search.race={}"]).search.race == {"burn_in": 3, "alpha": 0.05}
    assert load_config([], ["search.race.factor=4"]).search.race == {"burn_in": 1, "factor": 4}


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ("{factor: 1}", "factor is 1; it must be a number above 1"),
        ("{factor: .inf}", "factor is inf; it must be a number above 1"),
        ("{factor: true}", "factor is True; it must be a number above 1"),
        ("{factor: 2, burn_in: 0}", "burn_in is 0; it must be a whole number of folds, 1 or more"),
        ("{factor: 2, burn_in: 5}", "leaves no fold to save"),
    ],
)
def test_a_race_by_rank_that_is_none_is_refused(given, said):
    assert said in problem(f"search.race={given}")


@pytest.mark.parametrize("refit", ["false", "one_std_err", "os.path.join"])
@pytest.mark.parametrize("other", ["search.strategy=optuna", "search.rounds={max: 9, early_stopping_rounds: 3}"])
def test_of_several_scorings_one_decides_while_the_search_runs(other, refit):
    given = ["search.scoring=[accuracy, roc_auc]", f"search.refit={refit}", other]
    assert "compares candidates while the search runs: of several scorings, let refit name" in problem(*given)
    settings = [*given[:1], "search.refit=roc_auc", other]
    assert load_config(settings=settings).search.metric == "roc_auc"


def test_what_is_silently_of_no_use_is_told():
    several = ["search.scoring=[accuracy, roc_auc]", "search.refit=false", "search.keep_oof=best"]
    assert "keep_oof: best with several scorings needs refit to name" in problem(*several)
