"""The registry: which blocks a feature set has, and how each is built from the tables."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from pyspark.sql import functions as F

from hpt_spark.data.tables import Tables
from hpt_spark.features import apps, devices, events

if TYPE_CHECKING:
    from pyspark.sql import DataFrame


class Inputs:
    """The frames that several blocks are built on, each made once and kept while blocks are built.

    A context manager: at its end the frames are given back.

    Parameters
    ----------
    tables : Tables
    """

    def __init__(self, tables: Tables) -> None:
        self._tables = tables
        self._kept: list[DataFrame] = []

    @cached_property
    def devices(self) -> DataFrame:
        """``device_id`` of the training and the test devices, small enough to be sent everywhere."""
        ids = [self._tables[name].select("device_id") for name in ("gender_age_train", "gender_age_test")]
        return F.broadcast(self._keep(ids[0].unionByName(ids[1])))

    @cached_property
    def phones(self) -> DataFrame:
        """One row per device: its brand and model."""
        return self._keep(devices.first_brand_and_model(self._tables["phone_brand_device_model"], self.devices))

    @cached_property
    def cells(self) -> DataFrame:
        """Events per device, weekday and hour."""
        return self._keep(events.events_per_cell(self._tables["events"], self.devices))

    @cached_property
    def app_counts(self) -> DataFrame:
        """App events per device and app."""
        return self._keep(apps.app_events_per_app(self._tables["app_events"], self._tables["events"], self.devices))

    @cached_property
    def app_labels(self) -> DataFrame:
        """The table of that name."""
        return self._tables["app_labels"]

    @cached_property
    def categories(self) -> DataFrame:
        """The categories of labels."""
        return self._keep(apps.category_terms(self._tables["label_categories"]))

    @cached_property
    def words(self) -> DataFrame:
        """The words of the categories of labels."""
        return self._keep(apps.word_terms(self.categories))

    def __enter__(self) -> Inputs:
        return self

    def __exit__(self, *_: object) -> None:
        for frame in self._kept:
            frame.unpersist()
        self._kept.clear()

    def _keep(self, frame: DataFrame) -> DataFrame:
        self._kept.append(frame.persist())
        return frame


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


def _label(has: Inputs) -> DataFrame:
    return apps.shares_of_codes(has.app_counts, apps.labels_of_apps(has.app_labels))


def _category(has: Inputs) -> DataFrame:
    shares = apps.shares_of_codes(has.app_counts, apps.codes_of_apps(has.app_labels, has.categories))
    return apps.in_words(shares, has.categories)


def _category_word(has: Inputs) -> DataFrame:
    words = apps.indicated_codes(has.app_counts, apps.codes_of_apps(has.app_labels, has.words))
    return apps.in_words(words, has.words)


BLOCKS = (
    Block("brand", "brand_model", False, lambda has: devices.text_terms(has.phones, "phone_brand")),
    Block("model", "brand_model", False, lambda has: devices.text_terms(has.phones, "device_model")),
    Block("weekday", "weekday", True, lambda has: events.moment_terms(has.cells, "weekday")),
    Block("hour", "hour", True, lambda has: events.moment_terms(has.cells, "hour")),
    Block("weekday_hour", "weekday_hour", False, lambda has: events.moment_terms(has.cells, "weekday", "hour")),
    Block("app", "app", True, lambda has: apps.app_terms(has.app_counts)),
    Block("label", "label", True, _label),
    Block("category", "category", False, _category),
    Block("category_word", "category_word", False, _category_word),
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
