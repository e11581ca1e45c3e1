"""The section of a table of one's own: what it takes, and one sentence for what it does not."""

from __future__ import annotations

import pytest

from hpt_spark.config.layers import load_config
from tests.configuring import problem

TABLE = ("features.from=table", "features.table.uri=a.csv", "features.table.label=y")


def test_missing_numbers_may_be_named_as_yaml_has_them():
    for text, meant in ((".nan", "nan"), ("nan", "nan"), ("0", "zero"), ("0.0", "zero"), ("zero", "zero")):
        assert load_config([], [*TABLE, f"features.table.missing={text}"]).features.table.missing == meant


def test_spark_gets_options_and_settings_as_they_are_written(write):
    file = write("{features: {table: {options: {nullValue: NO}}}, spark: {conf: {spark.a: 1e3, spark.b: true}}}")
    words = [
        *TABLE,
        "features.table.options.nanValue=-999.00",
        "features.table.options={header: off}",
        "features.table.options.timestampFormat=d 'um' HH:mm, MMM yyyy",
        "spark.conf.c=0x1",
    ]
    config = load_config([file], words)
    assert config.features.table.options == {
        "nullValue": "NO",
        "nanValue": "-999.00",
        "header": "off",
        "timestampFormat": "d 'um' HH:mm, MMM yyyy",
    }
    assert config.spark.conf_as_text == {"spark.a": "1e3", "spark.b": "true", "c": "0x1"}


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        (["features.from=tabel"], "did you mean `table`?"),
        (["features.from=table"], "needs table.uri or table.sql"),
        (["features.from=table", "features.table.uri=a.csv"], "needs table.label, the column of 'a.csv' that"),
        (["features.table.label=y"], "has a table, which from: talkingdata does not read"),
        ([*TABLE, "features.table.lable=z"], "unknown key `features.table.lable`"),
        ([*TABLE, "features.table.sql=SELECT 1"], "has both uri and sql"),
        (
            [*TABLE, "features.table.options={nullValue: null}"],
            "needs one text, number or boolean for nullValue; a word such as",
        ),
        (
            [*TABLE, "features.table.options.a.b=c"],
            "for a; a word such as null is a text in quotes, and a name with dots",
        ),
        (
            [*TABLE, "features.table.options={DateFormat: dd.mm.yyyy}"],
            "has the DateFormat dd.mm.yyyy, in which m stands for minutes, and nothing for the month; write MM for it",
        ),
        (
            [*TABLE, "features.table.options={Mode: FAILFEST}"],
            "has the Mode FAILFEST, which Spark does not know; write FAILFAST, DROPMALFORMED, PERMISSIVE",
        ),
        ([*TABLE, "features.table.id=y"], "gives the column y as label and as id; a column has one role"),
        ([*TABLE, "features.table.exclude=[y]"], "gives the column y as label and in exclude"),
        ([*TABLE, "features.table.columns=[a, b, a]"], "names a more than once"),
        ([*TABLE, "features.table={columns: [a], exclude: [a]}"], "names a in exclude and in columns or categorical"),
        ([*TABLE, "features.table.test_uri=b.csv"], "has a test_uri and no id"),
        ([*TABLE, "features.table.task=ranking"], "has task: ranking and no group"),
        ([*TABLE, "features.table.task=rank"], "did you mean `ranking`?"),
        ([*TABLE, "features.table.max_terms=0"], "greater than or equal to 1"),
        ([*TABLE, "features.table.dates=[day]"], "must be 'year', 'month', 'weekday' or 'hour'"),
        ([*TABLE, "features.table.missing=median"], "must be 'nan' or 'zero'"),
        ([*TABLE, "features.table.drop_unlabelled=maybe"], "must be true or false"),
    ],
)
def test_a_mistake_is_told(settings, told):
    assert told in problem(*settings)
