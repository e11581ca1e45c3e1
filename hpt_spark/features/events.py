"""Blocks from the moments of a device's events: weekday, hour, and both together."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
from pyspark.sql import functions as F
from scipy import sparse

from hpt_spark.errors import InputError
from hpt_spark.features.counts import Counts
from hpt_spark.features.terms import ItemTerms

if TYPE_CHECKING:
    from pyspark.sql import Column, DataFrame

HOURS_OF_WEEK = np.arange(7 * 24)


def weekday(timestamp: str) -> Column:
    """Return 0 (Monday) to 6 of a wall-clock text `YYYY-MM-DD HH:MM:SS`.

    The text is never made a timestamp: that would be an instant, and its weekday and hour would
    depend on a time zone setting.
    """
    return F.expr(f"weekday(try_cast({timestamp} as date))")


def hour(timestamp: str) -> Column:
    """Return 0 to 23 of a wall-clock text `YYYY-MM-DD HH:MM:SS`."""
    return F.expr(f"try_cast(substring({timestamp}, 12, 2) as int)")


def event_hours(events: DataFrame) -> DataFrame:
    """Return ``device_id, hour_of_week``: 0 (Monday, first hour) to 167 of each event, null without a timestamp."""
    hour_of_week = F.when(hour("timestamp").between(0, 23), weekday("timestamp") * 24 + hour("timestamp"))
    return events.select("device_id", hour_of_week.alias("hour_of_week"))


def counted_moments(rows: pa.Table) -> Counts:
    """Count one for each row of ``device_id, hour_of_week``."""
    if any(column.null_count for column in rows.columns):  # a null would make floats of ids
        raise InputError("the table events has rows without a device_id or a timestamp; run `hpt-spark ingest` again.")
    hours = rows.column("hour_of_week").to_numpy()
    ends = np.arange(len(hours) + 1)
    matrix = sparse.csr_matrix((np.ones(len(hours), np.int32), hours, ends), shape=(len(hours), len(HOURS_OF_WEEK)))
    return Counts(rows.column("device_id").to_numpy(), HOURS_OF_WEEK, matrix)


def _terms_of_hours(term: Callable[[int, int], int | str]) -> ItemTerms:
    terms = [term(hour // 24, hour % 24) for hour in HOURS_OF_WEEK.tolist()]
    return ItemTerms.of_pairs(pa.chunked_array([HOURS_OF_WEEK]), pa.chunked_array([terms]))


TERMS = {
    "weekday": _terms_of_hours(lambda weekday, hour: weekday),
    "hour": _terms_of_hours(lambda weekday, hour: hour),
    "weekday_hour": _terms_of_hours(lambda weekday, hour: f"{weekday}_{hour}"),
}
