"""The configuration: defaults, presets, problems, and what is shown of it."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
import yaml

from hpt_spark.config.layers import Config, dump_config, load_config
from hpt_spark.config.sections import FEATURE_SETS
from hpt_spark.errors import ConfigError
from tests.configuring import problem, problems

CONF = Path(__file__).parent.parent.parent / "conf"
FIXED = {
    "objective": ["multi:softprob"],
    "reg_alpha": [1],
    "reg_lambda": [1],
    "colsample_bytree": [1],
    "learning_rate": [0.1],
}
FOUR = {**FIXED, "n_estimators": [300, 400], "max_depth": [3, 4], "colsample_bylevel": [0.1], "subsample": [0.5]}
SIXTEEN = {**FOUR, "colsample_bylevel": [0.01, 0.1], "subsample": [0.5, 0.7]}


# --- what is there without a word of the user ---


def test_the_default_file_says_what_the_schema_says():
    written = yaml.safe_load((CONF / "default.yaml").read_text(encoding="utf-8"))
    schema = yaml.safe_load(dump_config(Config()))
    # YAML writes the number as .nan; the file has the word, which means the same.
    assert math.isnan(schema["search"].pop("error_score"))
    assert written["search"].pop("error_score") == "nan"
    assert written == schema


def test_without_files_the_defaults_of_the_contract_hold():
    config = load_config()
    assert config.source.uri == "data/raw"
    assert config.tables.uri == "data/tables"
    assert config.features.sets == list(FEATURE_SETS)
    assert (config.features.encoding, config.features.min_devices) == ("fraction", 1)
    assert (config.search.backend, config.search.cv, config.search.scoring) == ("spark", 5, "neg_log_loss")
    assert (config.search.estimator, config.search.estimator_params) == ("xgboost.XGBClassifier", {"seed": 0})
    assert config.search.grids == [{"n_estimators": [300, 400], "max_depth": [3, 4]}]
    assert math.isnan(config.search.error_score)
    assert (config.run.dir, config.run.overwrite) == ("runs/demo", False)
    assert (config.spark.master, config.spark.conf) == (None, {})


# --- the presets ---


@pytest.mark.parametrize(
    ("preset", "backend", "n_jobs", "grid", "sets"),
    [
        ("single_vm", "joblib", 8, FOUR, FEATURE_SETS),
        ("single_vm_small", "joblib", 8, FOUR, FEATURE_SETS[:4]),
        ("distributed_sweep", "spark", 1, SIXTEEN, FEATURE_SETS),
        ("demo", "spark", 1, {**FOUR, "n_estimators": [30, 40]}, FEATURE_SETS),
    ],
)
def test_a_preset_is_the_scenario(preset, backend, n_jobs, grid, sets):
    config = load_config([str(CONF / f"{preset}.yaml")])
    search = config.search
    assert search.grids == [grid]
    assert math.prod(map(len, grid.values())) == (16 if preset == "distributed_sweep" else 4)
    assert (search.backend, search.n_jobs, search.cv, search.scoring) == (backend, n_jobs, 5, "neg_log_loss")
    assert (search.estimator, search.estimator_params, search.refit) == ("xgboost.XGBClassifier", {"seed": 0}, True)
    assert config.features.sets == list(sets)
    assert config.run.dir == f"runs/{preset}"


# --- problems ---


def test_all_problems_are_told_at_once_each_with_its_place(write):
    mine = write("search: {cv: 1, backend: sparc}\nfeature: {sets: [hour]}\n")
    found = problems("features.min_devices=0", "run.dri=x", files=(mine, "/nowhere/other.yaml"))
    assert len(found) == 6
    for key, place in [
        ("`search.cv`=1", mine),
        ("`search.backend`='sparc'", mine),
        ("`feature`", mine),
        ("`features.min_devices`=0", "--set features.min_devices=0"),
        ("`run.dri`", "--set run.dri=x"),
        ("/nowhere/other.yaml", "--conf"),
    ]:
        (line,) = [line for line in found if key in line]
        assert place in line


@pytest.mark.parametrize(
    ("setting", "key"),
    [
        ("search.backnd=spark", "search.backend"),
        ("serach.cv=3", "search"),
        ("feature.sets=[hour]", "features"),
        ("features.Encoding=indicator", "features.encoding"),
        ("run.direction=x", "run.dir"),
    ],
)
def test_an_unknown_key_is_told_with_the_nearest_one(setting, key):
    said = problem(setting)
    assert said.startswith("unknown key `")
    assert said.endswith(f"did you mean `{key}`?")


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


# --- files and settings that cannot be read ---


def test_wrong_yaml_is_told_with_file_and_line(write):
    mine = write("search:\n  cv: 3\n  scoring: [accuracy\n")
    assert problem(files=(mine,)).startswith(f"{mine} is not valid YAML at line 4:")


def test_a_key_given_twice_is_told_with_its_line(write):
    mine = write("search:\n  cv: 3\nrun: {dir: x}\nsearch: {scoring: accuracy}\n")
    assert "the key search is given twice" in problem(files=(mine,))


@pytest.mark.parametrize("text", ["- search\n", "search\n", "3\n"])
def test_a_file_without_sections_is_refused(write, text):
    mine = write(text)
    assert problem(files=(mine,)).startswith(f"{mine} holds ")


def test_a_file_that_is_missing_a_folder_or_no_text_is_refused(write, tmp_path):
    missing = str(tmp_path / "missing.yaml")
    assert problem(files=(missing,)).startswith(f"--conf {missing} cannot be read (No such file or directory)")
    assert problem(files=(str(tmp_path),)).startswith(f"--conf {tmp_path} cannot be read (Is a directory)")
    (tmp_path / "bytes.yaml").write_bytes(b"search: \xff\xfe\n")
    assert problem(files=(str(tmp_path / "bytes.yaml"),)).startswith(f"{tmp_path}/bytes.yaml is not valid YAML")


@pytest.mark.parametrize("setting", ["search.cv", "=3", "search..cv=3", ".search=3", ""])
def test_a_setting_of_another_form_is_refused(setting):
    assert "write e.g. --set search.cv=3" in problem(setting)


def test_a_setting_whose_value_is_no_yaml_is_refused():
    assert problem("run.dir={x").startswith("--set run.dir={x: the value is not valid YAML")


def test_a_date_that_is_none_is_told_with_its_place(write):
    assert problem("search.scoring=2024-02-30") == (
        "--set search.scoring=2024-02-30: the value is not valid YAML; quote it if it is a text."
    )
    mine = write("search:\n  cv: 3\n  scoring: 2024-02-30\n")
    assert problem(files=(mine,)) == (
        f"{mine} is not valid YAML at line 3: 2024-02-30 is no valid timestamp; if it is a text, put it in quotes."
    )


# --- what is shown ---


def test_a_dump_is_a_file_that_means_the_same(write):
    config = load_config([str(CONF / "distributed_sweep.yaml")], ["run.dir=runs/Ünï"])
    again = load_config([write(dump_config(config))])
    assert dump_config(again) == dump_config(config)
    assert again.spark == config.spark
    assert again.search.grids == config.search.grids


@pytest.mark.parametrize(
    ("setting", "kept"),
    [
        ("source.uri=https://me.blob.core.windows.net/raw?sv=2022&sig=S3CRET", "https://me.blob.core.windows.net/raw"),
        ("tables.uri=https://me:S3CRET@host/tables", "https://me:***@host/tables"),
        ("source.uri=DefaultEndpointsProtocol=https;AccountName=me;AccountKey=S3CRET==", "AccountName=me"),
        (
            "spark.conf.spark.hadoop.fs.azure.account.key.me.blob.core.windows.net=S3CRET",
            "fs.azure.account.key.me.blob.core.windows.net",
        ),
        ("spark.conf.spark.hadoop.fs.azure.sas.raw.me.blob.core.windows.net=S3CRET", "fs.azure.sas.raw"),
        ("spark.conf.spark.hadoop.fs.azure.account.oauth2.client.secret=S3CRET", "oauth2.client.secret"),
        ("spark.conf.spark.ssl.keyStorePassword=S3CRET", "spark.ssl.keyStorePassword"),
    ],
)
def test_a_secret_is_never_shown(setting, kept):
    shown = dump_config(load_config([], [setting]))
    assert "S3CRET" not in shown
    assert kept in shown
    # Nor where the value is part of a problem, or stands beside one.
    key, _, value = setting.partition("=")
    assert "S3CRET" not in "\n".join(problems(f"{key}=[{value}]", "search.cv=1"))


def test_what_is_no_secret_is_shown():
    shown = dump_config(load_config([], ["spark.conf.spark.driver.memory=4g", "source.uri=https://me.example/raw"]))
    assert "spark.driver.memory: 4g" in shown
    assert "https://me.example/raw" in shown


@pytest.mark.parametrize(
    ("other", "said"),
    [
        (["search.race.burn=3"], "must be a mapping of burn_in and alpha"),
        (["search.race.burn_in=1"], "burn_in is 1; it must be a whole number of folds, 2 or more"),
        (["search.race.alpha=1.5"], "alpha is 1.5; it must be a number between 0 and 1"),
        (["search.race.burn_in=5"], "leaves no fold to save; give it fewer, or cv more"),
        (["search.refit=one_std_err"], "race and refit: one_std_err do not go together"),
        (["search.rounds={max: 9, early_stopping_rounds: 3}"], "race goes together with rounds only in grid or random"),
        (["search.rounds={max: 9}", "search.strategy=optuna"], "race goes together with rounds only in grid or random"),
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
