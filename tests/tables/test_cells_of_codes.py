"""Which cells are numbers and moments as people write them, and which only to Java and Spark."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hpt_spark.tables.canonical import CODE, MOMENT
from hpt_spark.tables.misread_cells import LONG


@pytest.mark.parametrize("cell", ["3D", "2F", "1.5e3f", " 7d ", "-.5F", "0x1p3", "+0X10", "1.d"])
def test_what_java_alone_takes_for_a_number_is_a_code(cell):
    assert re.search(CODE, cell)


@given(st.one_of(st.floats(), st.integers()), st.sampled_from(["", " ", "\t"]), st.sampled_from([str, "{:e}".format]))
def test_a_number_is_no_code(number, blank, written):
    assert not re.search(CODE, f"{blank}{written(number)}{blank}")


@pytest.mark.parametrize("cell", ["1e5", "Infinity", "NaN", "inf", "-5.", ".5", "", " "])
def test_a_number_in_another_form_is_no_code(cell):
    assert not re.search(CODE, cell)


@given(st.datetimes(), st.sampled_from([" ", "T"]))
def test_a_moment_is_one(moment, between):
    for cell in (moment.isoformat(between), f"{moment.date()}", f" {moment:%H:%M}", f"T{moment:%H:%M:%S}Z"):
        assert re.search(MOMENT, cell)


@pytest.mark.parametrize(
    ("cell", "is_moment"),
    [("2024-5-6", True), ("2024-05", True), ("1234-5", False), ("2024", False), ("1234-5 ", False), ("12345-6", False)],
)
def test_a_number_with_a_dash_is_no_moment(cell, is_moment):
    assert bool(re.search(MOMENT, cell)) is is_moment


def test_a_whole_number_is_long_where_a_float_may_not_hold_it():
    assert all(re.search(LONG, cell) for cell in (str(2**53), f" -{2**60} "))
    assert not any(re.search(LONG, cell) for cell in (str(10**15 - 1), f"{2**53}.5"))
