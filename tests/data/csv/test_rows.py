"""Every row of a file is either stored exactly, or counted, named and refused."""

from __future__ import annotations

import csv
import io
import logging
import re

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from hpt_spark.data import ingest
from hpt_spark.data.csv import parts
from hpt_spark.data.csv.parse import Parser
from hpt_spark.data.schemas import TABLES
from tests.data.csv.headers import HEADERS
from tests.property_settings import examples

# --- rows that are stored


IDS = st.integers(-(2**63), 2**63 - 1)
TEXTS = st.text(
    st.characters(exclude_categories=["Cs"], exclude_characters="\0") | st.sampled_from('",\r\n'), min_size=1
)
CHUNK_SIZES = st.integers(5, 200)


def as_csv(header: list[str], rows: list[tuple], **options) -> str:
    text = io.StringIO()
    writer = csv.writer(text, **options)
    writer.writerow(header)
    writer.writerows(rows)
    return text.getvalue()


@examples(30)
@given(
    rows=st.lists(st.tuples(IDS, st.none() | TEXTS, st.none() | TEXTS), min_size=1, max_size=12),
    style=st.sampled_from([("\n", csv.QUOTE_NONNUMERIC), ("\n", csv.QUOTE_ALL), ("\r\n", csv.QUOTE_MINIMAL)]),
    chunk_size=CHUNK_SIZES,
)
@example(
    rows=[(-(2**63), 'a "quoted", text\nof\r\ntwo lines', "NA"), (2**63 - 1, "null", "None")],
    style=("\r\n", csv.QUOTE_MINIMAL),
    chunk_size=3,
)
def test_what_csv_writer_writes_is_stored_exactly_and_in_order(store, rows, style, chunk_size):
    header = TABLES["phone_brand_device_model"].column_names
    text = as_csv(header, rows, lineterminator=style[0], quoting=style[1])
    stored = store("phone_brand_device_model", text, chunk_size=chunk_size)
    assert list(zip(*(stored[name].to_pylist() for name in header), strict=True)) == rows
    assert stored["file_row"].to_pylist() == list(range(len(rows)))


@examples(20)
@given(rows=st.lists(st.tuples(IDS, IDS), min_size=1, max_size=30), chunk_size=CHUNK_SIZES, group=st.integers(1, 10))
def test_parts_and_row_groups_do_not_change_the_rows(store, rows, chunk_size, group):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ingest, "ROW_GROUP_ROWS", group)
        patch.setattr(parts, "ROW_GROUPS_PER_PART", 2)
        stored = store("app_labels", as_csv(["app_id", "label_id"], rows), chunk_size=chunk_size)
    assert list(zip(stored["app_id"].to_pylist(), stored["label_id"].to_pylist(), strict=True)) == rows


def test_each_kind_of_column(store):
    rows = store("events", HEADERS["events"] + "1,-2,2016-05-01 00:55:25,121.38,-31.5\n2,-2,2016-02-29T23:59:59,,\n")
    assert rows.to_pylist() == [
        {"event_id": 1, "device_id": -2, "timestamp": "2016-05-01 00:55:25", "longitude": 121.38, "latitude": -31.5},
        {"event_id": 2, "device_id": -2, "timestamp": "2016-02-29 23:59:59", "longitude": None, "latitude": None},
    ]
    assert [str(field.type) for field in rows.schema] == ["int64", "int64", "string", "double", "double"]
    assert str(store("app_events", HEADERS["app_events"] + "1,2,1,0\n")["is_active"].type) == "int32"


@pytest.mark.parametrize(
    "text",
    [
        "\ufeffapp_id,label_id\n1,2\n",
        "app_id,label_id\r\n1,2\r\n",
        "app_id,label_id\r1,2\r",
        '"app_id","label_id"\n"1","2"\n',
        "label_id,app_id\n2,1",
        "app_id,label_id\n\n1,2\n\n\n",
        "app_id,label_id\n 1 ,\t2\n",
        "app_id,label_id\n01,+2\n".replace("+", ""),
    ],
    ids=["BOM", "CRLF", "CR", "quotes", "other order, no last line end", "blank lines", "blanks", "zeros"],
)
@pytest.mark.parametrize("chunk_size", [1, 1 << 20])
def test_harmless_variants(store, text, chunk_size):
    assert store("app_labels", text, chunk_size=chunk_size).to_pylist() == [{"app_id": 1, "label_id": 2}]


def test_columns_nobody_asked_for_are_ignored_with_one_warning(store, caplog):
    text = "x,app_id,y z,label_id\n0x1,1,\xff,2\n" + "b,3,,4\n" * 50
    rows = store("app_labels", text.encode("latin-1"), chunk_size=20)
    assert rows.slice(0, 2).to_pylist() == [{"app_id": 1, "label_id": 2}, {"app_id": 3, "label_id": 4}]
    assert [record.message for record in caplog.records] == [
        "raw/app_labels.csv: columns that nobody asked for are ignored: 'x', 'y z'"
    ]


@examples(30)
@given(notes=st.lists(TEXTS, min_size=1, max_size=12), chunk_size=CHUNK_SIZES)
@example(notes=["see\n7,x"] * 9, chunk_size=30)
def test_a_column_nobody_asked_for_may_hold_line_breaks(store, notes, chunk_size):
    rows = list(enumerate(notes))
    stored = store("gender_age_test", as_csv(["device_id", "note"], rows), chunk_size=chunk_size)
    assert stored["device_id"].to_pylist() == list(range(len(notes)))


def test_degrees_may_have_a_sign_and_one_bad_row_spoils_no_other(store):
    events = HEADERS["events"] + "1,2,2016-05-01 00:55:25,+121.38,-31.5\n"
    bad = "x,2,2016-05-01 00:55:25,,\n"
    assert store("events", events + bad, max_bad_rows=1).to_pylist() == store("events", events).to_pylist()


def test_texts_that_look_like_nothing_stay_texts(store):
    texts = ["NA", "null", "None", "nan", "N/A", "#N/A", "0x1F", " ", "-"]
    rows = store("label_categories", HEADERS["label_categories"] + "".join(f"1,{text}\n" for text in texts) + '1,""\n')
    assert rows["category"].to_pylist() == [*texts, None]


def test_texts_with_an_x_behind_a_zero_do_not_make_the_exact_way_necessary(store, monkeypatch):
    monkeypatch.setattr(Parser, "_parse_exactly", None)
    rows = store("phone_brand_device_model", HEADERS["phone_brand_device_model"] + "7,小米,80x\n")
    assert rows["device_model"].to_pylist() == ["80x"]


# --- rows that cannot be parsed


GOOD = {
    "events": "7,8,2016-05-01 00:55:25,1.5,2",
    "app_events": "7,8,1,0",
    "app_labels": "7,8",
    "gender_age_train": "7,M,35,M32-38",
    "gender_age_test": "7",
    "label_categories": "7,games",
    "phone_brand_device_model": "7,小米,MI 2",
}
ID = "a whole number of 64 bits"
FLAG = "a whole number of 32 bits"
TIME = "a date and time such as 2016-05-01 00:55:25"

BAD_ROWS = [
    ("app_labels", "x,2", f"app_id is 'x', expected {ID}"),
    ("app_labels", "+1,2", f"app_id is '+1', expected {ID}"),
    ("app_labels", "0x1F,2", f"app_id is '0x1F', expected {ID}"),
    ("app_labels", "0X1F,2", f"app_id is '0X1F', expected {ID}"),
    ("app_labels", "1,-0x1F", f"label_id is '-0x1F', expected {ID}"),
    ("app_labels", '"0x1F",2', f"app_id is '0x1F', expected {ID}"),
    ("phone_brand_device_model", "0x1F,小米,MI 80x", f"device_id is '0x1F', expected {ID}"),
    ("app_labels", "1_000,2", f"app_id is '1_000', expected {ID}"),
    ("app_labels", "١,2", f"app_id is '١', expected {ID}"),
    ("app_labels", ",2", f"app_id is empty, expected {ID}"),
    ("app_labels", '"",2', f"app_id is empty, expected {ID}"),
    ("app_labels", "NA,2", f"app_id is 'NA', expected {ID}"),
    ("app_labels", '"1"2,2', "quotes that do not enclose a field: '\"1\"2,2'"),
    ("app_labels", '"1,2', "quotes that do not enclose a field: '\"1,2'"),
    ("app_labels", "9223372036854775808,2", f"app_id is '9223372036854775808', expected {ID}"),
    ("app_labels", "-9223372036854775809,2", f"app_id is '-9223372036854775809', expected {ID}"),
    ("app_labels", "9" * 5000 + ",2", f"app_id is '{'9' * 40}...', expected {ID}"),
    ("app_labels", "1", "1 field where the header has 2: '1'"),
    ("app_labels", "1,2,3", "3 fields where the header has 2: '1,2,3'"),
    ("app_labels", "1,2,", "3 fields where the header has 2: '1,2,'"),
    ("app_labels", "  ", "1 field where the header has 2: '  '"),
    ("app_events", "1,2,1,2147483648", f"is_active is '2147483648', expected {FLAG}"),
    ("app_events", "1,2,True,0", f"is_installed is 'True', expected {FLAG}"),
    ("app_events", "1,2,,0", f"is_installed is empty, expected {FLAG}"),
    ("gender_age_test", '""', f"device_id is empty, expected {ID}"),
    ("gender_age_train", "1,M,,M22-", f"age is empty, expected {FLAG}"),
    ("gender_age_train", "1,,35,M32-38", "gender is empty, expected text in UTF-8"),
    ("gender_age_train", '1,M,35,""', "group is empty, expected text in UTF-8"),
    ("gender_age_train", b"1,M,35,M\xff", "group is 'M\\\\xff', expected text in UTF-8"),
    ("label_categories", b"1,\xe5\xb0", "category is '\\\\xe5\\\\xb0', expected text in UTF-8"),
    ("phone_brand_device_model", "1,two\nlines", "1 field where the header has 3: 'lines'"),
    ("phone_brand_device_model", '1,"a\nb"', "2 fields where the header has 3: '1,\"a\\nb\"'"),
    ("events", "1,2,2016-05-01 00:55:25,east,3", "longitude is 'east', expected a number"),
    ("events", "1,2,2016-05-01 00:55:25,1,NaN", "latitude is 'NaN', expected a number"),
    ("events", "1,2,2016-05-01 00:55:25,inf,1", "longitude is 'inf', expected a number"),
    ("events", "1,2,2016-05-01 00:55:25,1e999,1", "longitude is '1e999', expected a number"),
]
BAD_TIMES = [
    "2016-02-30 00:00:00",
    "2016-13-01 00:00:00",
    "2016-05-01 25:00:00",
    "2016-05-01 24:00:00",
    "2016-05-01 00:60:00",
    "2016-05-01 23:59:60",
    "2016-05-01 00:55:25Z",
    "2016-05-01 00:55:25+08:00",
    "2016-05-01 00:55:25.5",
    "2016-05-01 00:55",
    "2016-05-01",
    "2016-5-1 0:55:25",
    "05/01/2016 00:55:25",
    "1462064125",
    " 2016-05-01 00:55:25",
    "2016-05-01  0:55:25",
]
BAD_ROWS += [("events", f"1,2,{time},,", f"timestamp is '{time}', expected {TIME}") for time in BAD_TIMES]
BAD_ROWS += [("events", "1,2,,3,4", f"timestamp is empty, expected {TIME}")]


def with_bad_row(name: str, bad: str | bytes) -> bytes:
    good = GOOD[name].encode() + b"\n"
    return HEADERS[name].encode() + good * 3 + (bad.encode() if isinstance(bad, str) else bad) + b"\n" + good * 2


@pytest.mark.parametrize(("name", "bad", "problem"), BAD_ROWS)
@pytest.mark.parametrize("chunk_size", [16, 1 << 20])
def test_a_bad_row_is_named(complaint, name, bad, problem, chunk_size):
    line = 6 if bad == "1,two\nlines" else 5
    message = complaint(name, with_bad_row(name, bad), chunk_size=chunk_size, max_bad_rows=line - 5)
    assert re.fullmatch(
        rf"raw/{name}\.csv: [12] of [67] rows cannot be parsed: .*line {line}: {re.escape(problem)}\. "
        r"Correct the file, or raise source\.max_bad_rows \([01]\) to leave such rows out",
        message,
    )


@pytest.mark.parametrize("chunk_size", [16, 1 << 20])
def test_a_number_that_is_cut_off_within_its_quotes_is_a_bad_row(complaint, chunk_size):
    message = complaint("app_labels", '"app_id","label_id"\n"1","2"\n"3","45', chunk_size=chunk_size)
    assert """1 of 2 rows cannot be parsed: line 3: quotes that do not enclose a field: '"3","45'""" in message


@pytest.mark.parametrize(("name", "bad", "problem"), BAD_ROWS)
def test_a_bad_row_may_be_left_out(store, caplog, name, bad, problem):
    rows = store(name, with_bad_row(name, bad), max_bad_rows=2)
    good = store(name, HEADERS[name] + (GOOD[name] + "\n") * 5)
    columns = TABLES[name].column_names
    assert rows.select(columns) == good.select(columns)
    if TABLES[name].ordered:  # the row that was left out keeps its number
        assert rows["file_row"].to_pylist()[:3] == [0, 1, 2]
        assert rows["file_row"].to_pylist()[3:] == ([5, 6] if bad == "1,two\nlines" else [4, 5])
    (record,) = caplog.records
    assert record.levelno == logging.WARNING
    assert problem in record.message
    assert record.message.endswith(". They are left out")


@pytest.mark.parametrize("chunk_size", [8, 100, 1 << 20])
def test_all_bad_rows_of_a_file_are_counted_and_three_are_shown(complaint, chunk_size):
    lines = [f"{number},x{number}" if number % 10 == 0 else f"{number},1" for number in range(2, 102)]
    message = complaint("app_labels", HEADERS["app_labels"] + "\n".join(lines), chunk_size=chunk_size, max_bad_rows=9)
    assert message == (
        "raw/app_labels.csv: 10 of 100 rows cannot be parsed: "
        + "; ".join(f"line {line}: label_id is 'x{line}', expected {ID}" for line in (10, 20, 30))
        + "; .... Correct the file, or raise source.max_bad_rows (9) to leave such rows out"
    )


@pytest.mark.parametrize("chunk_size", [8, 1 << 20])
def test_lines_are_those_of_the_file_where_quotes_span_lines_and_lines_are_blank(complaint, chunk_size):
    text = HEADERS["label_categories"] + '1,"two\nlines"\n\n\r\n2,"""three""\n\nlines"\nx,bad\n'
    message = complaint("label_categories", text, chunk_size=chunk_size)
    assert "1 of 3 rows cannot be parsed: line 9: label_id is 'x', expected" in message


@pytest.mark.parametrize("most", [0, 1, 2, 10])
def test_a_file_of_bad_rows_only_is_refused_however_many_may_be_left_out(complaint, most):
    message = complaint("app_labels", HEADERS["app_labels"] + "a,b\nc,d\n", max_bad_rows=most)
    assert message.startswith("raw/app_labels.csv: 2 of 2 rows cannot be parsed: line 2: app_id is 'a'")
    assert message.endswith("No row is left: correct the file")


@pytest.mark.parametrize("bad", ['1,"never closed,x\n', '1,"Moto 5"" ,X\n', '1,"a"b,c\n', '1,"a" ,c\n'])
@pytest.mark.parametrize("chunk_size", [16, 1 << 20])
def test_a_quote_that_may_have_swallowed_rows_is_never_one_bad_row(complaint, bad, chunk_size):
    text = HEADERS["phone_brand_device_model"] + "1,a,b\n" + bad + "2,c,d\n" * 40
    assert complaint("phone_brand_device_model", text, chunk_size=chunk_size, max_bad_rows=10) == (
        "raw/phone_brand_device_model.csv has a row that begins on line 3 and does not end: a quoted field must end "
        "with a quote and then a comma or the line's end (a quote within is doubled); correct it, or check that the "
        "file is CSV text"
    )


@pytest.mark.parametrize("name", ["label_categories", "app_labels"])
def test_a_row_without_an_end_does_not_fill_the_memory(complaint, monkeypatch, name):
    monkeypatch.setattr("hpt_spark.data.csv.chunks.LONGEST_ROW", 1000)
    text = HEADERS[name] + '1,"' + "x" * 5000
    assert "has a row that begins on line 2 and does not end" in complaint(name, text, chunk_size=100)


def test_quotes_inside_an_unquoted_text_are_characters(store):
    rows = store("phone_brand_device_model", HEADERS["phone_brand_device_model"] + '1,5" phone,a"b\n2, "x",""""\n')
    assert rows["phone_brand"].to_pylist() == ['5" phone', ' "x"']
    assert rows["device_model"].to_pylist() == ['a"b', '"']


# --- headers


def test_a_missing_column(complaint):
    assert complaint("events", "event_id;device_id;timestamp\n1;2;3\n") == (
        "raw/events.csv has no column event_id, device_id, timestamp, longitude, latitude in its header, which is "
        "'event_id;device_id;timestamp'; the table events needs event_id,device_id,timestamp,longitude,latitude, "
        "separated by commas, in its first line"
    )
    assert "has no column label_id in its header, which is 'app_id,label'; " in complaint("app_labels", "app_id,label")


def test_a_column_twice(complaint):
    assert complaint("app_labels", "app_id,label_id,app_id\n1,2,3\n") == (
        "raw/app_labels.csv has a column name twice in its header: app_id; name each column once"
    )


@pytest.mark.parametrize("text", [HEADERS["app_labels"], HEADERS["app_labels"].strip(), HEADERS["app_labels"] + "\n\n"])
@pytest.mark.parametrize("chunk_size", [5, 1 << 20])
def test_a_header_without_rows(complaint, text, chunk_size):
    assert complaint("app_labels", text, chunk_size=chunk_size) == (
        "raw/app_labels.csv has a header but no rows: copy the whole file, or make it again"
    )


@pytest.mark.parametrize("name", TABLES)
def test_no_table_may_be_empty(complaint, name):
    assert "has a header but no rows" in complaint(name, HEADERS[name])


@pytest.mark.parametrize("text", ["\ufeff", "\n", "\n\napp_id,label_id\n1,2\n"])
def test_no_header(complaint, text):
    assert re.search("holds no text at all|has no column app_id, label_id in its header", complaint("app_labels", text))


def test_wrong_quotes_in_a_header(complaint):
    assert complaint("app_labels", '"app_id"s,label_id\n1,2\n') == (
        "raw/app_labels.csv has quotes that do not enclose a field in its header: correct them"
    )


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-16-be", "utf-32"])
@pytest.mark.parametrize("name", ["app_labels", "phone_brand_device_model"])
def test_utf16_is_refused(complaint, encoding, name):
    text = (HEADERS[name] + GOOD[name] + "\n").encode(encoding)
    assert complaint(name, text) == (
        f"raw/{name}.csv is not text in UTF-8 (it looks like UTF-16 or binary data): save it as UTF-8"
    )


def test_another_encoding_is_refused(complaint):
    assert complaint("app_labels", "app_id,label_id,größe\n1,2,3\n".encode("latin-1")) == (
        "raw/app_labels.csv is not text in UTF-8 (invalid start byte in its header): save it as UTF-8"
    )
