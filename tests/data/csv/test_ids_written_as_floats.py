"""An id that is written as a float has lost digits: the file as it was is needed."""

from __future__ import annotations

import pytest

from tests.data.csv.headers import HEADERS

ID = "a whole number of 64 bits"
ROUNDED = ["-6.4E+18", "-6.4016431454151e+18", "123.0", "1e5", "9E18", " 12. ", '"6,4E+18"', '"1,234,567"', "+0.5"]
LOST = "a spreadsheet or a float export has lost digits, perhaps of other ids too"


@pytest.mark.parametrize("cell", ROUNDED)
@pytest.mark.parametrize("chunk_size", [16, 1 << 20])
def test_an_id_that_is_written_as_a_float_asks_for_the_original_file(complaint, cell, chunk_size):
    text = HEADERS["app_labels"] + "7,8\n" * 3 + f"1,{cell}\n" + "7,8\n" * 2
    message = complaint("app_labels", text, chunk_size=chunk_size)
    shown = cell.strip('"')
    assert message == (
        f"raw/app_labels.csv: 1 of 6 rows cannot be parsed: line 5: label_id is {shown!r}, expected {ID}. "
        f"In 1 of them an id is written as a float: {LOST}. The original file is needed"
    )


def test_ids_written_as_floats_are_told_behind_other_bad_rows_and_where_no_row_is_good(complaint):
    bad = "x,1\n" * 40 + "5.0,1\n" * 7
    for good, most in (("7,8\n", 0), ("7,8\n", 46), ("", 0), ("", 100)):
        message = complaint("app_labels", HEADERS["app_labels"] + good + bad, max_bad_rows=most, chunk_size=30)
        assert message.endswith(f"; .... In 7 of them an id is written as a float: {LOST}. The original file is needed")
        assert "max_bad_rows" not in message


def test_rows_with_ids_written_as_floats_may_be_left_out_but_are_told(store, caplog):
    rows = store("app_labels", HEADERS["app_labels"] + "7,8\n1e5,2\n", max_bad_rows=1)
    assert rows.to_pylist() == [{"app_id": 7, "label_id": 8}]
    assert [record.message for record in caplog.records] == [
        f"raw/app_labels.csv: 1 of 2 rows cannot be parsed: line 3: app_id is '1e5', expected {ID}. "
        f"In 1 of them an id is written as a float: {LOST}. They are left out"
    ]


@pytest.mark.parametrize("row", ["1,M,35.0,M32-38", "1,M,3e1,M32-38"])
def test_a_number_that_is_no_id_has_lost_nothing(complaint, row):
    message = complaint("gender_age_train", f"{HEADERS['gender_age_train']}{row}\n7,F,24,F24-26\n")
    assert message.endswith(
        "a whole number of 32 bits. Correct the file, or raise source.max_bad_rows (0) to leave such rows out"
    )
