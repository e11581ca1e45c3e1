"""Tables in files that ingest has not written: read where they hold the same rows, otherwise refused in a sentence."""

from __future__ import annotations

import shutil

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from hpt_spark.config.sections import FEATURE_SETS
from hpt_spark.data.tables import Tables
from hpt_spark.errors import InputError
from hpt_spark.matrix.collect import collect_blocks
from tests.matrix.table_files import change_column, rewrite

SETS = ["brand_model", "app"]


def build(spark, folder):
    return collect_blocks(Tables(spark, str(folder)), SETS, "fraction", 1).design()


@pytest.fixture(scope="module")
def expected(spark, tables):
    """The design of the tables as ingest has written them."""
    return build(spark, tables)


def in_two_files(folder, change):
    """Write the app events in two files, the second one changed."""
    rows = pq.read_table(folder / "app_events")
    half = rows.num_rows // 2
    rewrite(folder / "app_events", rows.slice(0, half), change(rows.slice(half)))


def change_last(folder, column, value):
    """Put another value into the last row that has everything."""
    rows = pq.read_table(folder)
    number = max(i for i, row in enumerate(rows.to_pylist()) if None not in row.values())
    values = rows[column].to_pylist()
    values[number] = value
    change_column(folder, column, values)


def cast(rows, **types):
    fields = [pa.field(field.name, types.get(field.name, field.type), field.nullable) for field in rows.schema]
    return rows.cast(pa.schema(fields))


@pytest.mark.long
@pytest.mark.parametrize(
    "change",
    [
        lambda rows: rows.cast(pa.schema([field.with_nullable(False) for field in rows.schema])),
        lambda rows: cast(rows, event_id=pa.int32()),
        lambda rows: rows.select(reversed(rows.column_names)),
        lambda rows: rows.set_column(1, "app_id", rows["app_id"].dictionary_encode()),
        lambda rows: rows.append_column("note", pa.nulls(rows.num_rows, pa.string())),
    ],
    ids=["not null", "int32", "another order", "dictionary", "another column"],
)
def test_the_same_rows_in_other_files_give_the_same_design(spark, expected, copied, change):
    in_two_files(copied, change)
    (copied / "app_events" / "_SUCCESS").touch()
    design = build(spark, copied)
    assert design.columns_digest == expected.columns_digest
    assert (design.X_train != expected.X_train).nnz == 0
    assert (design.X_test != expected.X_test).nnz == 0


@pytest.mark.long
@pytest.mark.parametrize("name", ["of [2016]", "{a}", "a*", "back\\slash", "100% ä+#"])
def test_a_folder_may_have_any_name(spark, expected, tables, tmp_path, name):
    """Spark takes some of them for patterns, and `a*` for the folder beside it, too."""
    folder = shutil.copytree(tables, tmp_path / name)
    shutil.copytree(tables / "app_events", tmp_path / "ab" / "app_events")
    assert (build(spark, folder).X_train != expected.X_train).nnz == 0


@pytest.mark.long
@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda rows: rows.drop_columns(["app_id"]), "app_id"),
        (lambda rows: rows.set_column(1, "app_id", pa.array([0.5] * len(rows))), "app_id is double"),
        (lambda rows: rows.set_column(1, "app_id", pa.nulls(len(rows), pa.int64())), "app_id has rows without an id"),
    ],
    ids=["no column", "float", "null"],
)
def test_a_file_that_does_not_fit_is_named(spark, copied, change, said):
    in_two_files(copied, change)
    with pytest.raises(InputError, match=r"/app_events/\S+ cannot be read .*run `hpt-spark ingest` again") as refused:
        build(spark, copied)
    assert said in str(refused.value)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize(
    ("table", "column", "sets"),
    [
        ("gender_age_train", "device_id", ["brand_model"]),
        ("gender_age_train", "group", ["brand_model"]),
        ("gender_age_test", "file_row", ["brand_model"]),
        ("events", "event_id", ["app"]),
        ("events", "device_id", ["app"]),
        ("app_labels", "app_id", ["label"]),
        ("app_labels", "label_id", ["label"]),
        pytest.param("label_categories", "label_id", FEATURE_SETS, marks=pytest.mark.long),
        ("label_categories", "label_id", ["category"]),
        ("phone_brand_device_model", "device_id", ["brand_model"]),
    ],
)
def test_a_value_that_is_missing_in_one_row_is_told(spark, copied, table, column, sets):
    change_last(copied / table, column, None)
    with pytest.raises(InputError, match=f"^the table {table} has rows without {column}, which each row must have"):
        collect_blocks(Tables(spark, str(copied)), sets, "fraction", 1).design()


@pytest.mark.long
@pytest.mark.parametrize("timestamp", [None, "2016-05-02 27:00:00", "yesterday", "2016-13-01 10:00:00"])
def test_an_event_at_no_time_is_told(spark, copied, timestamp):
    change_last(copied / "events", "timestamp", timestamp)
    with pytest.raises(InputError, match=r"^the table events has rows without a device_id or a timestamp"):
        collect_blocks(Tables(spark, str(copied)), ["hour"], "fraction", 1).design()


@pytest.mark.long
@pytest.mark.parametrize("table", ["app_events", "phone_brand_device_model", "gender_age_train"])
@pytest.mark.parametrize("harm", ["cut short", "no Parquet"])
def test_a_damaged_file_is_named(spark, copied, table, harm):
    (file,) = (copied / table).glob("*.parquet")
    content = file.read_bytes()
    file.write_bytes(content[: len(content) // 2] if harm == "cut short" else b"no Parquet at all, but long enough")
    with pytest.raises(InputError, match=rf"{table}.* run `hpt-spark ingest`") as refused:
        build(spark, copied)
    assert "\n" not in str(refused.value)


@pytest.mark.long
def test_damage_in_the_middle_of_app_events_is_told(spark, copied):
    (file,) = (copied / "app_events").glob("*.parquet")
    content = bytearray(file.read_bytes())
    content[100:400] = bytes(300)
    file.write_bytes(content)
    with pytest.raises(InputError, match=r"/app_events/\S+ cannot be read"):
        build(spark, copied)
