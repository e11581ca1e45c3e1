"""Rows of a CSV as they are written and read."""

from __future__ import annotations

import csv
import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hpt_spark.storage.csv_rows import csv_writer, read_rows

TEXTS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0") | st.sampled_from('\r\n",'))


def written(*rows):
    file = io.StringIO(newline="")
    csv_writer(file).writerows(rows)
    return file.getvalue()


@given(st.lists(st.tuples(TEXTS, TEXTS)))
def test_each_text_arrives_as_it_was(rows):
    text = written(("a", "b"), *rows)
    found = read_rows(io.StringIO(text, newline=""))
    assert [tuple(row.values()) for row in found] == rows


def test_lines_end_with_a_line_feed_and_only_what_needs_quotes_has_them():
    assert written(["a", 1, "b c"], ["\r", "x\r\n", '"', ","]) == 'a,1,b c\n"\r","x\r\n","""",","\n'


def test_a_long_text_is_read_and_pythons_limit_stays():
    limit, long = csv.field_size_limit(), "x" * 140_000
    assert read_rows(io.StringIO(written(["a"], [long]))) == [{"a": long}]
    assert csv.field_size_limit() == limit
    with pytest.raises(csv.Error):
        read_rows(io.StringIO('a\n"b" c\n'))
    assert csv.field_size_limit() == limit
