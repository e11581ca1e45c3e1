"""The pandas reference against an example small enough to be worked out by hand."""

import zipfile

import numpy as np
import pytest
from scipy import sparse

from bench.pandas_pipeline import ALL, build

# Neighbours beyond 2**53: as floats each pair would be one number.
ANN, BOB = -(2**53) - 3, -(2**53) - 4
MAIL, PLAY = -(2**53) - 1, -(2**53) - 2
MORNING, EVENING = 2**53 + 1, 2**53 + 2
CAT = 2**63 - 1
DAN = -(2**63)
EVE, FAY, STRANGER = 5, 7, 8
BARE, NEW, UNUSED = 100, 2, 3  # apps: without labels; on a test device only; on no device

TABLES = {
    "gender_age_train": f"""device_id,gender,age,group
{CAT},M,20,M22-
{ANN},F,50,F43+
{BOB},M,21,M22-
{FAY},F,20,F23-
""",
    "gender_age_test": f"device_id\n{EVE}\n{DAN}\n",
    # Of Ann's two rows the first counts. "NA" and "null" are names; only an empty field is null.
    "phone_brand_device_model": f"""device_id,phone_brand,device_model
{STRANGER},华为,P8
{ANN},小米,null
{ANN},华为,红米
{BOB},NA,
{CAT},,红米
{DAN},vivo,NA
{EVE},小米,
""",
    # 2016-05-02 is a Monday.
    "events": f"""event_id,device_id,timestamp,longitude,latitude
{MORNING},{ANN},2016-05-02 00:05:00,121.4,31.2
{EVENING},{BOB},2016-05-03 10:30:00,,
3,{ANN},2016-05-02 10:00:00,0,0
4,{ANN},2016-05-08 23:59:59,0,0
5,{ANN},2016-05-02 02:00:00,0,0
6,{DAN},2016-05-04 05:00:00,0,0
7,{DAN},2016-05-02 00:00:00,0,0
8,{STRANGER},2016-05-05 12:00:00,0,0
""",
    # Ann: mail 3, play 1, bare 1. Bob: mail 1, play 2. Dan: mail 1, new 1. No event has the id 99.
    "app_events": f"""event_id,app_id,is_installed,is_active
{MORNING},{MAIL},1,1
{MORNING},{PLAY},1,0
3,{MAIL},1,1
3,{BARE},1,0
4,{MAIL},1,0
{EVENING},{PLAY},1,1
{EVENING},{PLAY},1,1
{EVENING},{MAIL},1,1
6,{NEW},1,1
7,{MAIL},1,1
8,{NEW},1,1
99,{BARE},1,1
""",
    # Mail bears 9, 10 (twice in the table), 11; play bears 9, 14, 15, 16.
    "app_labels": f"""app_id,label_id
{MAIL},10
{MAIL},9
{MAIL},10
{MAIL},11
{PLAY},9
{PLAY},14
{PLAY},15
{PLAY},16
{NEW},12
{UNUSED},13
""",
    # 10 and 11 are one category once cleaned; 14 has no row and 15 is null.
    "label_categories": """label_id,category
9,game-Card (x)
10,Finance/Loan_1
11,finance loan 1
12,only test
13,never
15,
16,NA
""",
}

FRACTIONS = {
    CAT: {("model", "红米"): 1},
    ANN: {
        ("brand", "小米"): 1,
        ("model", "null"): 1,
        ("weekday", "0"): 3 / 4,
        ("weekday", "6"): 1 / 4,
        ("hour", "0"): 1 / 4,
        ("hour", "2"): 1 / 4,
        ("hour", "10"): 1 / 4,
        ("hour", "23"): 1 / 4,
        ("weekday_hour", "0_0"): 1 / 4,
        ("weekday_hour", "0_10"): 1 / 4,
        ("weekday_hour", "0_2"): 1 / 4,
        ("weekday_hour", "6_23"): 1 / 4,
        ("app", str(PLAY)): 1 / 5,
        ("app", str(MAIL)): 3 / 5,
        ("app", str(BARE)): 1 / 5,
        ("label", "9"): 4 / 5,
        ("label", "10"): 3 / 5,
        ("label", "11"): 3 / 5,
        ("label", "14"): 1 / 5,
        ("label", "15"): 1 / 5,
        ("label", "16"): 1 / 5,
        ("category", "finance loan 1"): 3 / 5,
        ("category", "game card  x "): 4 / 5,
        ("category", "na"): 1 / 5,
        **{("category_word", word): 1 for word in ("1", "card", "finance", "game", "loan", "na", "x")},
    },
    BOB: {
        ("brand", "NA"): 1,
        ("weekday", "1"): 1,
        ("hour", "10"): 1,
        ("weekday_hour", "1_10"): 1,
        ("app", str(PLAY)): 2 / 3,
        ("app", str(MAIL)): 1 / 3,
        ("label", "9"): 1,
        ("label", "10"): 1 / 3,
        ("label", "11"): 1 / 3,
        ("label", "14"): 2 / 3,
        ("label", "15"): 2 / 3,
        ("label", "16"): 2 / 3,
        ("category", "finance loan 1"): 1 / 3,
        ("category", "game card  x "): 1,
        ("category", "na"): 2 / 3,
        **{("category_word", word): 1 for word in ("1", "card", "finance", "game", "loan", "na", "x")},
    },
    FAY: {},
    EVE: {("brand", "小米"): 1},
    # Dan's other half is a weekday, an hour, an app ... that no training device has.
    DAN: {
        ("weekday", "0"): 1 / 2,
        ("hour", "0"): 1 / 2,
        ("weekday_hour", "0_0"): 1 / 2,
        ("app", str(MAIL)): 1 / 2,
        ("label", "9"): 1 / 2,
        ("label", "10"): 1 / 2,
        ("label", "11"): 1 / 2,
        ("category", "finance loan 1"): 1 / 2,
        ("category", "game card  x "): 1 / 2,
        **{("category_word", word): 1 for word in ("1", "card", "finance", "game", "loan", "x")},
    },
}

COLUMNS = [
    *[("brand", term) for term in ("NA", "小米")],
    *[("model", term) for term in ("null", "红米")],
    *[("weekday", term) for term in ("0", "1", "6")],
    *[("hour", term) for term in ("0", "2", "10", "23")],
    *[("weekday_hour", term) for term in ("0_0", "0_10", "0_2", "1_10", "6_23")],
    *[("app", str(term)) for term in (PLAY, MAIL, BARE)],
    *[("label", term) for term in ("9", "10", "11", "14", "15", "16")],
    *[("category", term) for term in ("finance loan 1", "game card  x ", "na")],
    *[("category_word", term) for term in ("1", "card", "finance", "game", "loan", "na", "x")],
]


def write_tables(folder, **changed):
    for name, text in (TABLES | changed).items():
        with zipfile.ZipFile(folder / f"{name}.csv.zip", "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr(f"{name}.csv", text.encode())
    return folder


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return write_tables(tmp_path_factory.mktemp("tables"))


def columns_of(design):
    return list(design.columns[["block", "term"]].itertuples(index=False, name=None))


def values_of(design):
    """Return {device: {(block, term): value}} of the train and test rows together."""
    columns = columns_of(design)
    rows = sparse.vstack([design.X_train, design.X_test]).tocsr()
    devices = [*design.train_device_ids.tolist(), *design.test_device_ids.tolist()]
    return {
        device: {columns[number]: value for number, value in zip(row.indices, row.data, strict=True)}
        for device, row in zip(devices, rows, strict=True)
    }


def test_columns_come_in_the_order_of_blocks_and_of_terms(folder):
    assert columns_of(build(folder)) == COLUMNS


def test_fractions_are_those_worked_out_by_hand(folder):
    got = values_of(build(folder))
    assert list(got) == list(FRACTIONS)
    for device, expected in FRACTIONS.items():
        assert got[device] == pytest.approx(expected, rel=1e-6), device


def test_indicator_makes_every_value_one(folder):
    got = values_of(build(folder, encoding="indicator"))
    assert got == {device: dict.fromkeys(values, 1) for device, values in FRACTIONS.items()}


def test_rows_targets_and_types_are_those_of_the_files(folder):
    design = build(folder)
    assert design.train_device_ids.tolist() == [CAT, ANN, BOB, FAY]
    assert design.test_device_ids.tolist() == [EVE, DAN]
    assert design.classes == ["F23-", "F43+", "M22-"]
    assert design.y_train.tolist() == [2, 1, 2, 0]
    assert design.y_train.dtype == np.int32
    assert design.train_device_ids.dtype == design.test_device_ids.dtype == np.int64
    for matrix, rows in ((design.X_train, 4), (design.X_test, 2)):
        assert matrix.format == "csr"
        assert matrix.dtype == np.float32
        assert matrix.has_sorted_indices
        assert matrix.shape == (rows, len(COLUMNS))


def test_terms_of_test_devices_alone_are_counted(folder):
    assert build(folder).dropped_test_terms == {
        "brand": 1,
        "model": 1,
        "weekday": 1,
        "hour": 1,
        "weekday_hour": 1,
        "app": 1,
        "label": 1,
        "category": 1,
        "category_word": 2,
    }


def test_min_devices_keeps_the_terms_that_two_training_devices_have(folder):
    design = build(folder, min_devices=2)
    # The brand that Ann and Eve share goes, since Eve is a test device.
    kept = [("hour", "10"), ("app", str(PLAY)), ("app", str(MAIL))]
    kept += [column for column in COLUMNS if column[0] in ("label", "category", "category_word")]
    assert columns_of(design) == kept
    got = values_of(design)
    for device, values in FRACTIONS.items():
        expected = {column: value for column, value in values.items() if column in kept}
        assert got[device] == pytest.approx(expected, rel=1e-6), device
    assert design.dropped_test_terms == build(folder).dropped_test_terms


@pytest.mark.parametrize("chosen", [["hour", "brand_model"], ["label"], ["weekday", "category_word"], ["app"]])
def test_chosen_sets_give_the_same_columns_as_all_sets(folder, chosen):
    blocks = {"brand", "model"} if "brand_model" in chosen else set()
    blocks |= set(chosen)
    design, everything = build(folder, chosen), build(folder)
    numbers = [number for number, (block, _) in enumerate(COLUMNS) if block in blocks]
    assert columns_of(design) == [COLUMNS[number] for number in numbers]
    assert np.array_equal(design.X_train.toarray(), everything.X_train[:, numbers].toarray())
    assert np.array_equal(design.X_test.toarray(), everything.X_test[:, numbers].toarray())


def test_plain_files_are_read_like_zipped_ones(folder, tmp_path):
    for name, text in TABLES.items():
        (tmp_path / f"{name}.csv").write_text(text, encoding="utf-8")
    assert values_of(build(tmp_path)) == values_of(build(folder))


def test_tables_without_events_leave_the_phones(tmp_path):
    headers = {name: TABLES[name].splitlines()[0] + "\n" for name in ("events", "app_events", "app_labels")}
    design = build(write_tables(tmp_path, **headers))
    assert columns_of(design) == [column for column in COLUMNS if column[0] in ("brand", "model")]


def test_a_device_in_both_files_has_the_same_row_in_both(tmp_path):
    design = build(write_tables(tmp_path, gender_age_test=f"device_id\n{BOB}\n{EVE}\n{BOB}\n"))
    rows = design.X_train.toarray()[2], design.X_test.toarray()[0], design.X_test.toarray()[2]
    assert rows[0].any()
    assert np.array_equal(rows[0], rows[1])
    assert np.array_equal(rows[0], rows[2])


def test_an_empty_id_is_an_error_and_never_a_float(tmp_path):
    write_tables(tmp_path, app_events="event_id,app_id,is_installed,is_active\n3,,1,1\n")
    with pytest.raises(ValueError, match="int64"):
        build(tmp_path)


@pytest.mark.parametrize("wrong", [{"sets": ["apps"]}, {"sets": []}, {"encoding": "binary"}])
def test_a_wrong_option_names_what_is_allowed(folder, wrong):
    with pytest.raises(ValueError, match="allowed are"):
        build(folder, **wrong)


def test_save_writes_what_build_features_writes(folder, tmp_path):
    design = build(folder, sets=ALL)
    design.save(tmp_path / "design")
    assert np.array_equal(sparse.load_npz(tmp_path / "design/X_train.npz").toarray(), design.X_train.toarray())
    assert np.load(tmp_path / "design/train_device_ids.npy").tolist() == [CAT, ANN, BOB, FAY]
    lines = (tmp_path / "design/columns.csv").read_text(encoding="utf-8").splitlines()
    assert lines[:3] == ["column,block,term", "0,brand,NA", "1,brand,小米"]
