"""A design that holds no data, or little of it, says so: which table, which block, and what to do."""

from __future__ import annotations

import json
import logging

import numpy as np
import pyarrow.parquet as pq
import pytest

from hpt_spark.config.sections import FEATURE_SETS
from hpt_spark.data.schemas import TABLES
from hpt_spark.data.tables import Tables
from hpt_spark.errors import InputError
from hpt_spark.matrix.collect import collect_blocks
from hpt_spark.matrix.coverage import by_table, check_blocks, check_classes, log_rows
from tests.matrix.table_files import change_column, rewrite

ROUNDED = "an id that a spreadsheet or a float export has rounded meets none"
OF_EVENTS = ["weekday", "hour", "weekday_hour", "app", "label", "category", "category_word"]


@pytest.fixture
def warnings(caplog):
    """Return what was warned of since the last call."""

    def texts():
        found = [record.message for record in caplog.records if record.levelno == logging.WARNING]
        caplog.clear()
        return found

    return texts


# --- what is told of numbers


def rows(**tables):
    return by_table({f"{table}.{kind}": number for table, kinds in tables.items() for kind, number in kinds.items()})


def test_rows_are_told_by_table_in_the_order_of_the_tables(caplog):
    caplog.set_level(logging.INFO)
    tables = rows(
        app_events={"with_category": 700, "with_label": 800, "rows": 1000, "with_device": 900},
        events={"with_device": 4000, "rows": 4321},
    )
    assert json.dumps(tables) == json.dumps(
        {
            "events": {"rows": 4321, "with_device": 4000},
            "app_events": {"rows": 1000, "with_device": 900, "with_label": 800, "with_category": 700},
        }
    )
    log_rows(tables)
    assert [record.message for record in caplog.records] == [
        "events: 4,321 rows, 4,000 of a training or test device",
        "app_events: 1,000 rows, 900 of a training or test device, 800 of an app that has a label, "
        "700 of a label that has a category",
    ]


@pytest.mark.parametrize(
    ("tables", "said"),
    [
        ({"events": {"rows": 5000, "with_device": 0}}, "events: none of the 5,000 rows are of a training or test"),
        ({"events": {"rows": 5000, "with_device": 499}}, "events: only 499 of the 5,000 rows are of a training"),
        ({"events": {"rows": 5000, "with_device": 500}}, None),
        ({"events": {"rows": 0, "with_device": 0}}, None),
        ({"phone_brand_device_model": {"rows": 9, "with_device": 0}}, "phone_brand_device_model: none of the 9 rows"),
        ({"app_events": {"rows": 9, "with_device": 0, "with_label": 0}}, "app_events: none of the 9 rows are of a"),
        (
            {"app_events": {"rows": 90, "with_device": 60, "with_label": 5, "with_category": 5}},
            "app_events: only 5 of the 60 rows of a training or test device are of an app that has a label; compare "
            f"app_id with app_labels: {ROUNDED}",
        ),
        (
            {"app_events": {"rows": 90, "with_device": 60, "with_label": 50, "with_category": 0}},
            "app_events: none of the 50 rows of an app that has a label are of a label that has a category; compare "
            f"label_id of app_labels with label_categories: {ROUNDED}",
        ),
    ],
)
def test_a_table_of_which_few_rows_meet_a_partner_is_warned_of(warnings, tables, said):
    log_rows(rows(**tables))
    found = warnings()
    assert len(found) == (said is not None)
    assert said is None or found[0].startswith(said)


def facts(columns=3, training=50, test=50, rare=0, test_only=0, commonest=9):
    return {
        "columns": columns,
        "rare_terms_dropped": rare,
        "test_only_terms_dropped": test_only,
        "devices_of_commonest_term": commonest,
        "training_devices": training,
        "test_devices": test,
    }


DEVICES = {"training": 100, "test": 200}


def test_a_block_that_few_devices_have_is_warned_of(warnings):
    blocks = {
        "brand": facts(training=10, test=20),
        "model": facts(training=9, test=20),
        "hour": facts(training=10, test=0),
        "app": facts(0, 0, 0, rare=1234, commonest=49),
        "label": facts(0, 0, 0, test_only=7),
        "category": facts(0, 0, 0),
    }
    check_blocks(blocks, DEVICES, 50)
    assert warnings() == [
        "block model: only 9 of the 100 training devices have a value there",
        "block hour: none of the 200 test devices have a value there",
        "block app has no column: fewer than features.min_devices=50 training devices have any one of its 1,234 terms "
        "(the most common one has 49)",
        "block label has no column: only test devices have a value there",
        "block category has no column: no training or test device has a value there",
    ]


def test_a_design_without_a_column_is_refused_with_the_reason_of_each_block(warnings):
    empty = facts(0, 0, 0)
    with pytest.raises(InputError) as refused:
        check_blocks({"hour": empty, "app": empty, "label": facts(0, 0, 0, test_only=2)}, DEVICES, 1)
    assert str(refused.value) == (
        "the design would have no column (hour, app: no training or test device has a value there; label: only test "
        "devices have a value there); compare the ids of the tables with those of the original files "
        f"({ROUNDED}), or name more features.sets."
    )
    with pytest.raises(InputError, match=r"\(the most common one has 9\); app: .*\); lower features\.min_devices\.$"):
        check_blocks({"hour": facts(0, 0, 0, rare=2), "app": empty}, DEVICES, 10)


def test_a_single_class_is_warned_of(warnings):
    check_classes(["F23-", "M22-"])
    assert warnings() == []
    check_classes(["M22-"])
    assert warnings() == ["gender_age_train has only the group M22-; a search needs devices of at least two"]


# --- tables of which little meets


def change(folder, table, column, values):
    """Write another column into a table; `values` makes it of the present one."""
    change_column(folder / table, column, values(pq.read_table(folder / table)[column].to_numpy()))


def shift(ids):
    """Return ids that nothing else has."""
    return np.arange(len(ids)) + 7


@pytest.fixture
def build(spark, copied):
    def build(sets=FEATURE_SETS, min_devices=1):
        return collect_blocks(Tables(spark, str(copied)), sets, "fraction", min_devices).design()

    return build


def test_whole_tables_give_no_warning(build, warnings):
    tables = build().facts["tables"]
    assert warnings() == []
    assert tables["events"]["rows"] > 1000
    assert set(tables) == set(TABLES)


@pytest.mark.long
def test_rounded_device_ids_of_events(build, copied, warnings):
    change(copied, "events", "device_id", lambda ids: ids // 10**4 * 10**4)
    design = build()
    assert design.facts["tables"]["events"]["with_device"] == design.facts["tables"]["app_events"]["with_device"] == 0
    found = warnings()
    assert [text.split(": none of the ")[0] for text in found[:2]] == ["events", "app_events"]
    nothing = "has no column: no training or test device has a value there"
    assert found[2:] == [f"block {name} {nothing}" for name in OF_EVENTS]
    with pytest.raises(
        InputError, match=r"would have no column \(weekday, app: no training or test device has a value"
    ):
        build(["weekday", "app"])


@pytest.mark.long
def test_events_of_test_devices_only(build, copied, warnings):
    test_ids = pq.read_table(copied / "gender_age_test")["device_id"].to_numpy()
    change(copied, "events", "device_id", lambda ids: np.resize(test_ids, len(ids)))
    assert build(["brand_model", "hour", "app"]).facts["tables"]["events"]["with_device"] > 0
    assert warnings() == [
        f"block {name} has no column: only test devices have a value there" for name in ("hour", "app")
    ]


@pytest.mark.long
def test_training_ids_without_a_phone(build, copied, warnings):
    change(copied, "gender_age_train", "device_id", shift)
    with pytest.raises(InputError, match=r"\(brand, model, weekday: only test devices have a value there\)"):
        build(["brand_model", "weekday"])
    assert warnings() == []


@pytest.mark.long
def test_phones_of_others(build, copied, warnings):
    change(copied, "phone_brand_device_model", "device_id", shift)
    design = build(["brand_model", "weekday"])
    phones = design.facts["tables"]["phone_brand_device_model"]
    assert (phones["with_device"], phones["rows"] > 1000) == (0, True)
    assert warnings()[0].startswith(f"phone_brand_device_model: none of the {phones['rows']:,} rows are of a training")


@pytest.mark.long
@pytest.mark.parametrize("sets", [["category_word"], ["brand_model", "label", "category"]])
def test_apps_without_labels(build, copied, warnings, sets):
    change(copied, "app_labels", "app_id", shift)
    if "brand_model" in sets:
        apps = build(sets).facts["tables"]["app_events"]
        assert (apps["with_label"], apps["with_category"], apps["with_device"] > 1000) == (0, 0, True)
    else:
        with pytest.raises(InputError, match="would have no column"):
            build(sets)
    assert "are of an app that has a label; compare app_id with app_labels" in warnings()[0]


@pytest.mark.long
def test_labels_without_categories(build, copied, warnings):
    change(copied, "label_categories", "label_id", lambda ids: ids + 10**12)
    design = build(["label", "category", "category_word"])
    assert design.facts["tables"]["app_labels"]["with_category"] == 0
    table, *blocks = warnings()
    assert "are of a label that has a category; compare label_id of app_labels with label_categories" in table
    assert [text.split(":")[0] for text in blocks] == [
        "block category has no column",
        "block category_word has no column",
    ]


@pytest.mark.long
def test_app_events_of_other_events(build, copied, warnings):
    change(copied, "app_events", "event_id", lambda ids: ids + 10**12)
    design = build(["hour", "app"])
    assert design.facts["tables"]["events"]["with_device"] > 1000
    table, block = warnings()
    assert table.startswith("app_events: none of the ")
    assert "compare event_id with events" in table
    assert block == "block app has no column: no training or test device has a value there"


NEEDED_BY = {"events": ["hour"], "phone_brand_device_model": ["brand_model"]}


@pytest.mark.long
@pytest.mark.parametrize("name", TABLES)
def test_a_table_without_rows_is_refused_by_name(build, copied, name):
    rewrite(copied / name, pq.read_table(copied / name).slice(0, 0))
    with pytest.raises(InputError) as refused:
        build(NEEDED_BY.get(name, ["category"]))
    assert str(refused.value) == (
        f"the table {copied}/{name} has no rows; each row should be {TABLES[name].row}. Run `hpt-spark ingest` again."
    )


@pytest.mark.long
def test_so_many_devices_as_no_term_has(build, warnings):
    with pytest.raises(
        InputError, match=r"^the design would have no column \(brand: fewer than features\.min_devices=99999"
    ):
        build(min_devices=99_999)
    design = build(["brand_model", "hour"], min_devices=60)
    assert design.facts["blocks"]["model"]["columns"] == 0 < design.facts["blocks"]["brand"]["columns"]
    assert [text for text in warnings() if "features.min_devices=60 training devices have any one of its" in text]


@pytest.mark.long
def test_one_group(build, copied, warnings):
    change(copied, "gender_age_train", "group", lambda groups: ["M22-"] * len(groups))
    assert set(build(["brand_model"]).y_train.tolist()) == {0}
    assert warnings() == ["gender_age_train has only the group M22-; a search needs devices of at least two"]
