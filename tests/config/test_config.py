"""The configuration: defaults, presets, problems, and what is shown of it."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
import yaml

from hpt_spark.config.layers import Config, dump_config, load_config
from hpt_spark.config.sections import FEATURE_SETS
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


# --- files and settings that cannot be read ---


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
        "--set search.scoring=2024-02-30: the value is no valid timestamp; if it is a text, put it in quotes."
    )
    mine = write("search:\n  cv: 3\n  scoring: 2024-02-30\n")
    assert problem(files=(mine,)) == (
        f"{mine} is not valid YAML at line 3: the value is no valid timestamp; if it is a text, put it in quotes."
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
