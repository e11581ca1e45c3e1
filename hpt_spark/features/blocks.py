"""The registry of the blocks: their feature sets, and the functions that build them from the tables."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import TYPE_CHECKING

import pyarrow as pa

from hpt_spark.features import devices, events
from hpt_spark.features.inputs import Inputs
from hpt_spark.features.terms import ItemTerms, packed_shares

if TYPE_CHECKING:
    from pyspark.sql import DataFrame


@dataclass(frozen=True)
class LongTable:
    """The long table ``device_id, block, term, value`` of some blocks, packed: one row per device and block."""

    # `device_id: bigint, block: string, terms: array<bigint or string>, values: array<float>`; each device and block
    # once, and in its array each term once. Rows without a device are tallies.
    rows: DataFrame
    # The names of a block's terms, int64 or string, whose positions here are the terms in the rows: a million numbers
    # leave Spark several times as fast as a million texts. Absent for blocks whose rows have the terms themselves.
    names: Mapping[str, pa.Array]


def _of_phones(has: Inputs, blocks: Sequence[str], indicators: Collection[str]) -> LongTable:
    table, columns = "phone_brand_device_model", {"brand": "phone_brand", "model": "device_model"}
    texts = devices.packed_texts_of_devices(has.table(table), {block: columns[block] for block in blocks})
    tallies = devices.packed_tallies_of_devices(has.table(table), table, has.known)
    return LongTable(texts.unionByName(tallies), {})


def _of_moments(has: Inputs, blocks: Sequence[str], indicators: Collection[str]) -> LongTable:
    terms_of: dict[str, ItemTerms | None] = {block: events.TERMS[block] for block in blocks}
    names = {block: events.TERMS[block].names for block in blocks}
    shares = packed_shares(has.event_hours, has.known, has.send(terms_of), indicators, "events", has.send({}))
    return LongTable(shares, names)


def _of_apps(has: Inputs, blocks: Sequence[str], indicators: Collection[str]) -> LongTable:
    makers: dict[str, Callable[[], ItemTerms | None]] = {
        "app": lambda: None,
        "label": lambda: has.labels_of_apps,
        "category": lambda: has.categories_of_apps,
        "category_word": lambda: has.labels_of_apps.compose(has.words_of_labels),
    }
    terms_of = {block: makers[block]() for block in blocks}
    names = {block: terms.names for block, terms in terms_of.items() if terms}
    kinds = {}
    if names:
        kinds["with_label"] = has.labels_of_apps.bearing
    if {"category", "category_word"} & set(blocks):
        kinds["with_category"] = has.categories_of_apps.bearing
    shares = packed_shares(has.apps, has.known, has.send(terms_of), indicators, "app_events", has.send(kinds))
    return LongTable(shares, names)


@dataclass(frozen=True)
class Block:
    """One block of columns of the design matrix."""

    name: str
    feature_set: str  # the set that brings this block in
    # Gives the `LongTable` of this block and others, from `Inputs`, the names of the blocks, and the names of those
    # whose values are to be 1.
    build: Callable[[Inputs, Sequence[str], Collection[str]], LongTable]
    numeric: bool = False  # whether its terms are numbers, ordered by value, or texts, ordered by code point
    indicator: bool = False  # whether its values are 1 with either encoding


BLOCKS = (
    Block("brand", "brand_model", _of_phones),
    Block("model", "brand_model", _of_phones),
    Block("weekday", "weekday", _of_moments, numeric=True),
    Block("hour", "hour", _of_moments, numeric=True),
    Block("weekday_hour", "weekday_hour", _of_moments),
    Block("app", "app", _of_apps, numeric=True),
    Block("label", "label", _of_apps, numeric=True),
    Block("category", "category", _of_apps),
    Block("category_word", "category_word", _of_apps, indicator=True),
)


def blocks_of(feature_sets: Sequence[str]) -> list[Block]:
    """Return the blocks of `feature_sets` in the order of the design matrix."""
    return [block for block in BLOCKS if block.feature_set in feature_sets]


def built_together(blocks: Sequence[Block]) -> list[list[Block]]:
    """Return groups of blocks that one query builds, because they share most of the work."""
    return [list(group) for _, group in groupby(blocks, key=lambda block: block.build)]


def long_table(blocks: Sequence[Block], given: Inputs, encoding: str) -> LongTable:
    """Return the long table of `blocks` that are built together; the union of all is the design matrix.

    The `encoding` ``indicator`` makes every value 1; ``fraction`` does not.
    """
    indicators = {block.name for block in blocks if block.indicator or encoding == "indicator"}
    return blocks[0].build(given, [block.name for block in blocks], indicators)
