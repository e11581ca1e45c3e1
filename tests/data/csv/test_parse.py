"""Two ways to parse a chunk: the fast one takes nothing else than the exact one, and nearly all of it."""

from __future__ import annotations

import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st

from hpt_spark.data.csv.cells import read_cells
from hpt_spark.data.csv.chunks import Chunk
from hpt_spark.data.csv.parse import Parser
from hpt_spark.data.schemas import TABLES
from tests.property_settings import examples

CELLS = st.one_of(
    st.sampled_from(["", "0", "-0", "-", "1", " 7\t", "00012", "1.5", "1.", ".5", ".", "-.5e3", "1e-400", "1e400"]),
    st.sampled_from(["+1", "nan", "-inf", "Infinity", "0x10"]),
    st.sampled_from(["9223372036854775807", "9223372036854775808", "-2147483649"]),
    st.sampled_from(["2016-05-01 00:55:25", "2016-05-01T00:55:25", "2015-02-29 00:00:00", "2016-05-01 00:55:25Z"]),
    st.sampled_from(['""', '"1"', '"1"2', '"1', '1"', '"2016-05-01 00:55:25"', "\ud800", "\udcff", "\0", "\r", "a b"]),
    st.integers(-(2**65), 2**65).map(str),
    st.floats().map(str),
    st.datetimes().map(lambda time: time.strftime("%Y-%m-%d %H:%M:%S").rjust(19, "0")),
    st.text("0123456789-+.eE xX:TZ\t", max_size=8),
)  # fmt: skip


@examples(30)
@given(rows=st.lists(st.lists(CELLS, min_size=4, max_size=6) | st.lists(CELLS, min_size=5, max_size=5), max_size=3))
def test_the_fast_way_takes_nothing_that_the_exact_way_does_not(rows):
    """Whatever the cells are: a chunk that Arrow's parser takes is read the same row by row."""
    events = TABLES["events"]
    parser = Parser(events, events.column_names, "raw/events.csv")
    text = "\n".join(map(",".join, rows)).encode("utf-8", "surrogatepass")
    try:
        fast = parser._parse_fast(text)
    except pa.ArrowInvalid:
        return
    exact = read_cells(Chunk(text, 2), parser.header, events.columns)
    assert exact.bad == []
    assert fast.to_pydict() == exact.columns


@examples(30)
@given(cell=CELLS, place=st.integers(0, 4))
def test_the_fast_way_takes_all_that_is_in_canonical_form(cell, place):
    """The exact way is slow: among cells that it takes, the fast one leaves it only rare spellings."""
    cells = ["1", "2", "2016-05-01 00:55:25", "1.5", "2.5"]
    cells[place] = cell
    events = TABLES["events"]
    parser = Parser(events, events.column_names, "raw/events.csv")
    text = ",".join(cells).encode("utf-8", "surrogatepass")
    exact = read_cells(Chunk(text, 2), parser.header, events.columns)
    if exact.bad or not exact.rows or "T" in cell:
        return
    assert parser._parse_fast(text).to_pydict() == exact.columns
