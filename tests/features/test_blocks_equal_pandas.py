"""The Spark features equal two independent implementations: plain pandas, and one of sparse products."""

from __future__ import annotations

import csv
import os
import zipfile

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from bench.pandas_pipeline import ENCODINGS
from bench.pandas_pipeline import build as build_with_products
from bench.plain_pandas import build as build_with_pandas
from hpt_spark.config.sections import FEATURE_SETS
from hpt_spark.data.ingest import ingest
from hpt_spark.data.schemas import GROUPS, TABLES
from hpt_spark.data.tables import Tables
from hpt_spark.errors import InputError
from hpt_spark.matrix.collect import collect_blocks
from hpt_spark.synthetic.files import generate


def assert_same(design, expected):
    assert list(design.columns) == meanings(expected.columns)
    assert list(design.classes) == list(expected.classes)
    np.testing.assert_array_equal(design.y_train, expected.y_train)
    np.testing.assert_array_equal(design.train_device_ids, expected.train_device_ids)
    np.testing.assert_array_equal(design.test_device_ids, expected.test_device_ids)
    for ours, theirs in ((design.X_train, expected.X_train), (design.X_test, expected.X_test)):
        assert ours.shape == theirs.shape
        assert ours.dtype == np.float32
        assert ours.has_sorted_indices
        np.testing.assert_array_equal(ours.indptr, theirs.indptr)
        np.testing.assert_array_equal(ours.indices, theirs.indices)
        np.testing.assert_allclose(ours.data, theirs.data, rtol=0, atol=1e-6)


def meanings(columns):
    return list(zip(columns["block"], columns["term"])) if hasattr(columns, "iloc") else list(columns)


def built(spark, tables, sets=FEATURE_SETS, encoding="fraction", min_devices=1):
    return collect_blocks(Tables(spark, str(tables)), sets, encoding, min_devices).design()


@pytest.fixture(scope="module")
def of_all_blocks(spark, tables):
    """The design of all blocks, as Spark is set where nothing is changed."""
    return built(spark, tables)


def test_all_blocks_of_generated_data(of_all_blocks, raw):
    assert_same(of_all_blocks, build_with_products(raw))


@pytest.mark.long
@pytest.mark.parametrize(("encoding", "min_devices"), [("indicator", 1), ("fraction", 7)])
def test_all_blocks_encoded_otherwise(spark, raw, tables, encoding, min_devices):
    design = built(spark, tables, encoding=encoding, min_devices=min_devices)
    assert_same(design, build_with_products(raw, encoding=encoding, min_devices=min_devices))


@pytest.mark.long
@pytest.mark.parametrize(("seed", "encoding"), list(zip((7, 42), ENCODINGS)))
def test_other_seeds(spark, tmp_path, seed, encoding):
    generate(tmp_path / "raw", 0.004, seed)
    ingest(tmp_path / "raw", tmp_path / "tables")
    design = built(spark, tmp_path / "tables", encoding=encoding)
    assert_same(design, build_with_pandas(tmp_path / "raw", encoding))


# One of each query; the other sets of a query are with the long.
OF_EACH_QUERY = ("brand_model", "hour", "category")


@pytest.mark.parametrize(
    "feature_set",
    [pytest.param(name, marks=() if name in OF_EACH_QUERY else pytest.mark.long) for name in FEATURE_SETS],
)
def test_each_set_alone(spark, raw, tables, feature_set):
    assert_same(built(spark, tables, [feature_set]), build_with_products(raw, sets=[feature_set]))


@pytest.fixture
def setting(spark):
    """Change Spark's SQL settings for one test."""
    before = {}

    def change(key, value):
        before.setdefault(key, spark.conf.get(key, None))
        spark.conf.set(key, value)

    yield change
    for key, value in before.items():
        spark.conf.unset(key) if value is None else spark.conf.set(key, value)


@pytest.mark.long
@pytest.mark.parametrize("partitions", [1, 3, 17])
def test_the_number_of_partitions_does_not_matter(spark, tables, of_all_blocks, setting, partitions):
    setting("spark.sql.shuffle.partitions", str(partitions))
    setting("spark.sql.files.maxPartitionBytes", str(1 << 14))
    setting("spark.sql.execution.arrow.maxRecordsPerBatch", "50")
    design = built(spark, tables)
    assert_same(design, of_all_blocks)
    assert design.facts == of_all_blocks.facts


@pytest.mark.long
def test_sparks_time_zone_does_not_matter(spark, tables, setting):
    sets = ["weekday", "hour", "weekday_hour"]
    expected = built(spark, tables, sets)
    for zone in ("America/Los_Angeles", "Asia/Kolkata", "Pacific/Kiritimati"):
        setting("spark.sql.session.timeZone", zone)
        assert_same(built(spark, tables, sets), expected)


IDS = st.integers(min_value=-(2**63), max_value=2**63 - 1)
SOME_IDS = st.lists(IDS, min_size=1, max_size=6, unique=True)
TEXTS = st.text("aZ é华(_/)-, \"'", max_size=6) | st.sampled_from(
    ["game-Chess", "GAME-x_y/z", "NA", "null", "None", "nan", "1 free", "ǅ"]
)
STAMPS = st.datetimes().filter(lambda moment: moment.year >= 1000).map(lambda moment: f"{moment:%Y-%m-%d %H:%M:%S}")


@st.composite
def hostile_tables(draw):
    """Rows of the seven tables: few ids, so that they meet, and texts that are hard to carry through."""
    devices = draw(st.lists(IDS, min_size=2, max_size=8, unique=True))
    split = draw(st.integers(1, len(devices) - 1))
    events, apps, labels = draw(SOME_IDS), draw(SOME_IDS), draw(SOME_IDS)
    strangers = [*devices, draw(IDS)]

    def rows(*columns, least=1):
        return draw(st.lists(st.tuples(*columns), min_size=least, max_size=12))

    one_of = st.sampled_from
    return {
        "gender_age_train": [(device, "M", 20, draw(one_of(GROUPS))) for device in devices[:split]],
        "gender_age_test": [(device,) for device in devices[split:]],
        "events": [(event, draw(one_of(strangers)), draw(STAMPS), 0.0, 0.0) for event in events],
        "app_events": rows(one_of([*events, 12345]), one_of(apps), st.just(1), one_of([0, 1])),
        "app_labels": rows(one_of([*apps, 99]), one_of([*labels, 98])),
        "label_categories": [(label, draw(st.just("") | TEXTS)) for label in labels],
        "phone_brand_device_model": rows(one_of(strangers), TEXTS, TEXTS),
    }


def write_zips(folder, content):
    folder.mkdir(parents=True, exist_ok=True)
    for name, rows in content.items():
        path = folder / f"{name}.csv"
        with path.open("w", encoding="utf-8", newline="") as file:
            csv.writer(file).writerows([TABLES[name].column_names, *rows])
        with zipfile.ZipFile(folder / f"{name}.csv.zip", "w") as packed:
            packed.write(path, path.name)
        os.remove(path)


def counted(content):
    """Count what the manifest tells of the tables, row by row."""
    devices = {row[0] for row in content["gender_age_train"] + content["gender_age_test"]}
    events = {row[0] for row in content["events"] if row[1] in devices}
    categories = {label for label, category in content["label_categories"] if category}
    labelled = {app for app, _ in content["app_labels"]}
    categorised = {app for app, label in content["app_labels"] if label in categories}
    apps = [app for event, app, *_ in content["app_events"] if event in events]
    kinds = {
        "events": {"with_device": sum(row[1] in devices for row in content["events"])},
        "app_events": {
            "with_device": len(apps),
            "with_label": sum(app in labelled for app in apps),
            "with_category": sum(app in categorised for app in apps),
        },
        "app_labels": {"with_category": sum(label in categories for _, label in content["app_labels"])},
        "phone_brand_device_model": {
            "with_device": sum(row[0] in devices for row in content["phone_brand_device_model"])
        },
    }
    return {name: {"rows": len(content[name]), **kinds.get(name, {})} for name in TABLES}


def assert_same_as_pandas(spark, folder, content, encoding):
    write_zips(folder / "raw", content)
    ingest(folder / "raw", folder / "tables")
    expected = build_with_products(folder / "raw", encoding=encoding)
    if not meanings(expected.columns):
        with pytest.raises(InputError, match=r"^the design would have no column \(brand"):
            built(spark, folder / "tables", encoding=encoding)
        return
    design = built(spark, folder / "tables", encoding=encoding)
    assert_same(design, expected)
    assert design.facts["tables"] == counted(content)
    having = {"training": design.X_train, "test": design.X_test}
    for block, facts in design.facts["blocks"].items():
        of_block = [number for number, (name, _) in enumerate(design.columns) if name == block]
        for which, matrix in having.items():
            assert facts[f"{which}_devices"] == np.count_nonzero(matrix[:, of_block].getnnz(axis=1)), block
    if pd.__version__ >= "2":  # pandas 1 knows no moments after 2262
        assert_same(design, build_with_pandas(folder / "raw", encoding=encoding))


# Not shrunk: each example takes seconds.
HOSTILE = settings(deadline=None, suppress_health_check=list(HealthCheck), phases=[Phase.explicit, Phase.generate])


@pytest.mark.long
@settings(HOSTILE, max_examples=5, derandomize=True)
@given(content=hostile_tables(), encoding=st.sampled_from(ENCODINGS))
def test_hostile_tables(spark, tmp_path_factory, content, encoding):
    assert_same_as_pandas(spark, tmp_path_factory.mktemp("hostile"), content, encoding)


@pytest.mark.slow
@pytest.mark.timeout(1200)
@settings(HOSTILE, max_examples=150)
@given(content=hostile_tables(), encoding=st.sampled_from(ENCODINGS))
def test_many_hostile_tables(spark, tmp_path_factory, content, encoding):
    assert_same_as_pandas(spark, tmp_path_factory.mktemp("hostile"), content, encoding)
