"""The registry: which blocks a feature set has, and how each is built from the tables."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from pyspark.sql import functions as F

from hpt_spark.features import devices, events
from hpt_spark.features.inputs import Inputs
from hpt_spark.features.terms import TermsOfItems, spread_over_terms

if TYPE_CHECKING:
    from pyspark.sql import DataFrame


@dataclass(frozen=True)
class Block:
    """One block of columns of the design matrix.

    Parameters
    ----------
    name : str
    feature_set : str
        The set that brings this block in.
    numeric : bool
        Whether its terms are numbers (bigint), ordered by value, or texts, ordered by code point.
    build : callable
        `Inputs` to the frame ``device_id, term, value``, each pair of device and term once.
    """

    name: str
    feature_set: str
    numeric: bool
    build: Callable[[Inputs], DataFrame]


def _of_moments(terms: TermsOfItems, has: Inputs) -> DataFrame:
    return spread_over_terms(has.moments, has.send(terms))


def _of_labels(has: Inputs) -> DataFrame:
    return spread_over_terms(has.apps, has.send(has.labels_of_apps))


def _of_categories(has: Inputs) -> DataFrame:
    return spread_over_terms(has.apps, has.send(has.labels_of_apps.through(has.categories_of_labels)))


def _of_words(has: Inputs) -> DataFrame:
    words = spread_over_terms(has.apps, has.send(has.labels_of_apps.through(has.words_of_labels)))
    return words.withColumn("value", F.lit(1.0))


BLOCKS = (
    Block("brand", "brand_model", False, lambda has: devices.text_terms(has.phones, "phone_brand")),
    Block("model", "brand_model", False, lambda has: devices.text_terms(has.phones, "device_model")),
    Block("weekday", "weekday", True, partial(_of_moments, events.WEEKDAYS)),
    Block("hour", "hour", True, partial(_of_moments, events.HOURS)),
    Block("weekday_hour", "weekday_hour", False, partial(_of_moments, events.WEEKDAYS_AND_HOURS)),
    Block("app", "app", True, lambda has: spread_over_terms(has.apps)),
    Block("label", "label", True, _of_labels),
    Block("category", "category", False, _of_categories),
    Block("category_word", "category_word", False, _of_words),
)


def blocks_of(feature_sets: Sequence[str]) -> list[Block]:
    """Return the blocks of `feature_sets` in the order of the design matrix."""
    return [block for block in BLOCKS if block.feature_set in feature_sets]


def long_table(block: Block, given: Inputs, encoding: str) -> DataFrame:
    """Return the long table of a block; the union of all is the design matrix.

    Parameters
    ----------
    block : Block
    given : Inputs
    encoding : {"fraction", "indicator"}
        ``indicator`` makes every value 1.

    Returns
    -------
    DataFrame
        ``device_id: bigint, block: string, term, value: float``; a term is a text, or a number where
        the block is `numeric`: millions of numbers leave Spark several times as fast as their texts.
    """
    value = F.lit(1.0) if encoding == "indicator" else F.col("value")
    return block.build(given).select(
        "device_id", F.lit(block.name).alias("block"), "term", value.cast("float").alias("value")
    )
