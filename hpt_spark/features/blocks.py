"""The registry: which blocks a feature set has, and how each is built from the tables."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING

import pyarrow as pa
from pyspark.sql import functions as F

from hpt_spark.features import devices, events
from hpt_spark.features.inputs import Inputs
from hpt_spark.features.terms import TermsOfItems, packed_shares

if TYPE_CHECKING:
    from pyspark.sql import DataFrame


@dataclass(frozen=True)
class LongTable:
    """The long table ``device_id, block, term, value`` of a block, packed: what a device has is one row.

    Parameters
    ----------
    rows : DataFrame
        ``device_id: bigint, terms: array<bigint or string>, values: array<float>``, each device and,
        in its array, each term once.
    names : pyarrow.Array of int64 or string, optional
        What the terms are, where those in the rows are only places among them: a million numbers
        leave Spark several times as fast as a million texts.
    """

    rows: DataFrame
    names: pa.Array | None = None


@dataclass(frozen=True)
class Block:
    """One block of columns of the design matrix.

    Parameters
    ----------
    name : str
    feature_set : str
        The set that brings this block in.
    numeric : bool
        Whether its terms are numbers, ordered by value, or texts, ordered by code point.
    build : callable
        `Inputs` to the `LongTable`.
    """

    name: str
    feature_set: str
    numeric: bool
    build: Callable[[Inputs], LongTable]


def _of_moments(terms: TermsOfItems, has: Inputs) -> LongTable:
    return LongTable(packed_shares(has.moments, has.send(terms)), terms.names)


def _of_labels(has: Inputs) -> LongTable:
    labels = has.labels_of_apps
    return LongTable(packed_shares(has.apps, has.send(labels)), labels.names)


def _of_categories(has: Inputs) -> LongTable:
    categories = has.labels_of_apps.through(has.categories_of_labels)
    return LongTable(packed_shares(has.apps, has.send(categories)), categories.names)


def _of_words(has: Inputs) -> LongTable:
    words = has.labels_of_apps.through(has.words_of_labels)
    return indicated(LongTable(packed_shares(has.apps, has.send(words)), words.names))


def indicated(table: LongTable) -> LongTable:
    """Return `table` with every value 1."""
    ones = F.array_repeat(F.lit(1.0).cast("float"), F.size("terms"))
    return replace(table, rows=table.rows.withColumn("values", ones))


BLOCKS = (
    Block("brand", "brand_model", False, lambda has: LongTable(devices.packed_text(has.phones, "phone_brand"))),
    Block("model", "brand_model", False, lambda has: LongTable(devices.packed_text(has.phones, "device_model"))),
    Block("weekday", "weekday", True, partial(_of_moments, events.WEEKDAYS)),
    Block("hour", "hour", True, partial(_of_moments, events.HOURS)),
    Block("weekday_hour", "weekday_hour", False, partial(_of_moments, events.WEEKDAYS_AND_HOURS)),
    Block("app", "app", True, lambda has: LongTable(packed_shares(has.apps))),
    Block("label", "label", True, _of_labels),
    Block("category", "category", False, _of_categories),
    Block("category_word", "category_word", False, _of_words),
)


def blocks_of(feature_sets: Sequence[str]) -> list[Block]:
    """Return the blocks of `feature_sets` in the order of the design matrix."""
    return [block for block in BLOCKS if block.feature_set in feature_sets]


def long_table(block: Block, given: Inputs, encoding: str) -> LongTable:
    """Return the long table of a block; the union of all is the design matrix.

    Parameters
    ----------
    block : Block
    given : Inputs
    encoding : {"fraction", "indicator"}
        ``indicator`` makes every value 1.
    """
    table = block.build(given)
    return indicated(table) if encoding == "indicator" else table
