"""A table that changes between two steps is another one, whatever its time and its size."""

from __future__ import annotations

import pytest

from hpt_spark.config.layers import load_config
from hpt_spark.config.table_section import TableSection
from hpt_spark.errors import InputError
from hpt_spark.pipeline.steps import settings_of, steps_of
from hpt_spark.tables.digests import digests_of_table
from hpt_spark.tables.reading import spark_address


def test_each_file_counts_by_its_content(tmp_path):
    (tmp_path / "part").mkdir()
    for name, text in (("part/a.csv", "1"), ("part/b.csv", "2"), ("test.csv", "3")):
        (tmp_path / name).write_text(text)
    whole = TableSection(uri=str(tmp_path / "part"), id="i", test_uri=str(tmp_path / "test.csv"))
    pattern = whole.model_copy(update={"uri": f"{tmp_path}/part/*.csv"})
    before = digests_of_table(whole)
    assert len(before) == 3
    assert digests_of_table(whole) == digests_of_table(pattern) == before
    (tmp_path / "part/b.csv").write_text("4")
    after = digests_of_table(whole)
    assert [name.rpartition("/")[2] for name in before if before[name] != after[name]] == ["b.csv"]


@pytest.mark.parametrize("pattern", ["{a,b}.csv", "[^x].csv"])
def test_what_only_hadoop_finds_is_another_table_each_time(tmp_path, pattern):
    section = TableSection(uri=f"{tmp_path}/{pattern}")
    assert digests_of_table(section) != digests_of_table(section)


def test_a_file_uri_in_capitals_is_the_same_table():
    assert spark_address("FILE:///data/Rows.csv") == "file:///data/Rows.csv"


@pytest.mark.parametrize(
    ("uri", "address"),
    [
        ("hdfs://name/data/part-?.csv", "hdfs://name/data/part-?.csv"),
        ("https://a.blob.core.windows.net/c/day=?/*", "wasbs://c@a.blob.core.windows.net/day=?/*"),
        ("https://a.dfs.core.windows.net/c/rows?sv=1&sig=S3CRET", None),
        ("abfss://c@a.dfs.core.windows.net/rows?sig=S3CRET", None),
    ],
)
def test_a_question_mark_is_a_letter_of_a_pattern_unless_a_query_follows(uri, address):
    if address is not None:
        assert spark_address(uri) == address
        return
    with pytest.raises(InputError, match="was given with a query behind it") as refused:
        spark_address(uri)
    assert "S3CRET" not in str(refused.value)


def test_what_a_query_gives_is_another_table_each_time():
    section = TableSection(sql="SELECT 1")
    assert digests_of_table(section) != digests_of_table(section)


def test_the_steps_of_a_table_begin_with_its_features():
    words = ["features.from=table", "features.table={uri: here, label: y, options: {password: S3CRET}}"]
    config = load_config([], words)
    assert steps_of(config) == ("build_features", "tune", "predict", "report")
    settings = settings_of("build_features", config)
    assert list(settings) == ["features.from", "features.table", "features.blocks"]
    assert "S3CRET" not in str(settings)
    assert list(settings_of("build_features", load_config())) == [
        f"features.{key}" for key in ("sets", "encoding", "min_devices")
    ]
