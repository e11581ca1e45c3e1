"""The laws of sparse counts and of the terms they are spread over, against plain Python."""

from __future__ import annotations

import itertools
from collections import Counter

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hpt_spark.features.apps import DevicesOfEvents
from hpt_spark.features.counts import Counts, isin_sorted, rows_read, without_device
from hpt_spark.features.events import HOURS_OF_WEEK, TERMS, counted_moments
from hpt_spark.features.packed import packed_rows, packed_tallies, tallies_in
from hpt_spark.features.terms import ItemTerms, shares

NUMBERS = st.sampled_from([-(2**63), -3, 0, 1, 7, 2**63 - 1])
PAIRS = st.lists(st.tuples(NUMBERS, NUMBERS), max_size=30)


def columns(pairs, *names):
    return pa.table({name: pa.array([pair[at] for pair in pairs], pa.int64()) for at, name in enumerate(names)})


def as_counter(counts):
    found = counts.matrix.tocoo()
    entries = zip(counts.device_ids[found.row].tolist(), counts.items[found.col].tolist(), found.data.tolist())
    listed = [((device, item), count) for device, item, count in entries]
    assert len(dict(listed)) == len(listed), "a device or an item is there twice"
    return dict(listed)


def event_hours(pairs):
    return counted_moments(columns(pairs, "device_id", "hour_of_week"))


@given(pairs=st.lists(st.tuples(NUMBERS, st.integers(0, 167)), max_size=40), cuts=st.sets(st.integers(0, 40)))
def test_counts_of_parts_add_up_to_the_counts_of_all(pairs, cuts):
    known = np.array([-3, 1, 2**63 - 1])
    edges = [0, *sorted(cut for cut in cuts if cut < len(pairs)), len(pairs)]
    parts = [event_hours(pairs[begin:end]).per_device(known).to_arrow() for begin, end in itertools.pairwise(edges)]
    (rows,) = pa.Table.from_batches(parts).combine_chunks().to_batches() or [parts[0]]
    together = Counts.of_arrow(rows).per_device(known)
    assert as_counter(together) == Counter(pair for pair in pairs if pair[0] in known)
    assert len(together.device_ids) == len({device for device, _ in pairs if device in known})


@given(pairs=st.lists(st.tuples(NUMBERS, st.integers(0, 167)), max_size=20), read=st.lists(st.integers(1, 2**40)))
def test_rows_that_were_read_travel_beside_the_counts(pairs, read):
    counts = event_hours(pairs).to_arrow()
    together = pa.Table.from_batches([counts, *map(without_device, read)])
    (mixed,) = together.take(np.random.default_rng(0).permutation(len(together))).combine_chunks().to_batches() or [
        counts
    ]
    rows, number = rows_read(mixed)
    assert number == sum(read)
    assert sorted(map(str, rows.to_pylist())) == sorted(map(str, counts.to_pylist()))


TALLIES = st.dictionaries(st.sampled_from(["rows", "with_device", "with_label"]), st.integers(0, 2**62))


@given(tallies=st.lists(TALLIES, max_size=4), term=st.sampled_from([pa.int64(), pa.string()]))
def test_tallies_of_parts_add_up_beside_the_rows_of_devices(tallies, term):
    device = packed_rows(pa.array([7]), "app", np.array([0, 1]), pa.array([3]).cast(term), np.ones(1))
    (rows,) = (
        pa.Table.from_batches([device, *(packed_tallies("events", tally, term) for tally in tallies)])
        .combine_chunks()
        .to_batches()
    )
    expected = {}
    for tally in tallies:
        for kind, number in tally.items():
            expected[f"events.{kind}"] = expected.get(f"events.{kind}", 0) + number
    assert tallies_in(rows) == expected
    assert set(tallies_in(rows)) == set(expected), "a number that is 0 is told, too"


@given(events=PAIRS, app_events=PAIRS)
def test_app_events_are_counted_as_by_a_join(events, app_events):
    known = np.array([-3, 0, 1, 2**63 - 1])
    of_events = DevicesOfEvents.of_events(columns(events, "event_id", "device_id"), known)
    counts = of_events.counted(columns(app_events, "event_id", "app_id")).per_device(known)
    joined = [(device, app) for event, app in app_events for other, device in events if event == other]
    assert as_counter(counts) == Counter(pair for pair in joined if pair[0] in known)


@given(bearers=PAIRS, pairs=PAIRS)
def test_shares_are_those_of_the_items_that_bear_a_term(bearers, pairs):
    terms = ItemTerms.of_pairs(*columns(bearers, "item", "term").columns)
    known = np.unique([device for device, _ in pairs]).astype(np.int64)
    counts = (
        DevicesOfEvents(known, np.arange(len(known)), known)
        .counted(columns(pairs, "event_id", "app_id"))
        .per_device(known)
    )
    found = {
        (row["device_id"], terms.names[term].as_py()): value
        for row in shares(counts, "label", terms, indicate=False).to_pylist()
        for term, value in zip(row["terms"], row["values"], strict=True)
    }
    of_device = Counter(device for device, _ in pairs)
    expected = Counter((device, term) for device, item in pairs for bearer, term in set(bearers) if bearer == item)
    assert found == {
        (device, term): np.float32(count / of_device[device]) for (device, term), count in expected.items()
    }


@given(labels=PAIRS, categories=PAIRS)
def test_terms_of_terms_are_borne_once(labels, categories):
    through = ItemTerms.of_pairs(*columns(labels, "item", "term").columns).compose(
        ItemTerms.of_pairs(*columns(categories, "item", "term").columns)
    )
    expected = {(app, category) for app, label in labels for other, category in categories if label == other}
    for app, row in zip(through.items.tolist(), through.of(through.items).toarray()):
        assert set(row.tolist()) <= {0, 1}
        assert {through.names[at].as_py() for at in np.flatnonzero(row)} == {
            term for one, term in expected if one == app
        }


INTEGERS = st.integers(-(2**63), 2**63 - 1)


@given(values=st.lists(INTEGERS | st.integers(-3, 3)), known=st.lists(INTEGERS | st.integers(-3, 3)))
def test_what_is_among_the_known_is_found(values, known):
    values, known = np.array(values, np.int64), np.unique(np.array(known, np.int64))
    np.testing.assert_array_equal(isin_sorted(values, known), np.isin(values, known))


@pytest.mark.parametrize("items", [[], [5]])
def test_an_unknown_item_bears_no_term(items):
    terms = ItemTerms.of_pairs(*columns([(item, 1) for item in items], "item", "term").columns)
    assert terms.of(np.array([-9, 6])).nnz == 0


def test_hours_of_the_week_begin_on_monday():
    assert TERMS["weekday"].names.to_pylist() == list(range(7))
    assert TERMS["weekday_hour"].names.to_pylist()[:25] == [*(f"0_{hour}" for hour in range(24)), "1_0"]
    assert len(HOURS_OF_WEEK) == 168
