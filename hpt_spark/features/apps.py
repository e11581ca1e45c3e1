"""Blocks from the apps of a device's events: the apps, their labels, categories and words."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
from pyspark.sql import functions as F
from scipy import sparse

from hpt_spark.features.counts import Counts, factorize, isin_sorted

if TYPE_CHECKING:
    from pyspark.sql import Column, DataFrame

# Java's \s is ASCII only without (?U), and leaves out what Python's str.split() splits at as well.
WHITE_SPACE = r"(?U)[\s\x1c-\x1f]+"


def cleaned(category: Column) -> Column:
    """Return the text of a category as its term: lower-case, without ``game-`` and ``( ) _ /``."""
    return F.translate(F.regexp_replace(F.lower(category), "game-", "game "), "()_/", "    ")


def categories_of_labels(label_categories: DataFrame) -> DataFrame:
    """Return ``label_id, term, words``: the cleaned category of each label, and its words; null for a null category.

    Where white space stands at an end of a category, an empty text stands at that end of its words.
    """
    terms = label_categories.select("label_id", cleaned(F.col("category")).alias("term"))
    # The cast says that elements may be null: before Spark 4.0 Arrow's schema is refused otherwise.
    return terms.select("label_id", "term", F.split("term", WHITE_SPACE).cast("array<string>").alias("words"))


@dataclass(frozen=True)
class DevicesOfEvents:
    """Which device each event is of; small enough (12 bytes an event) to be sent everywhere."""

    event_ids: np.ndarray  # int64, sorted
    devices: np.ndarray  # int32, of each event: its place among `device_ids`
    device_ids: np.ndarray  # int64

    @classmethod
    def of_events(cls, events: pa.Table, known: np.ndarray) -> DevicesOfEvents:
        """Return the events of the `known` devices, which are sorted."""
        event_ids = events.column("event_id").to_numpy()
        devices, distinct = factorize(events.column("device_id"))
        device_ids = distinct.to_numpy()
        of_known = isin_sorted(device_ids, known)[devices]
        event_ids, devices = event_ids[of_known], devices[of_known]
        if not (event_ids[1:] >= event_ids[:-1]).all():
            order = np.argsort(event_ids, kind="stable")
            event_ids, devices = event_ids[order], devices[order]
        return cls(event_ids, devices, device_ids)

    def counted(self, app_events: pa.Table) -> Counts:
        """Count one for each row of ``event_id, app_id`` whose event is known.

        Rows of one event mostly follow each other: each such run becomes one row of the counts.
        """
        event_ids = app_events.column("event_id").to_numpy()
        is_first = np.ones(len(event_ids), bool)
        is_first[1:] = event_ids[1:] != event_ids[:-1]
        begins = np.flatnonzero(is_first)
        codes, app_ids = factorize(app_events.column("app_id"))
        ones = np.ones(len(codes), np.int32)
        runs = sparse.csr_matrix((ones, codes, np.append(begins, len(codes))), shape=(len(begins), len(app_ids)))
        first = np.searchsorted(self.event_ids, event_ids[begins], side="left")
        last = np.searchsorted(self.event_ids, event_ids[begins], side="right")
        # As in a join, a run counts for each of the events that bear its number: mostly one, or none.
        times = last - first
        run_of_row = np.repeat(np.arange(len(begins)), times)
        event_of_row = np.arange(len(run_of_row)) + np.repeat(first - np.cumsum(times) + times, times)
        return Counts(self.device_ids[self.devices[event_of_row]], app_ids.to_numpy(), runs[run_of_row])
