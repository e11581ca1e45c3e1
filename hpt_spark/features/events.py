"""Blocks from the moments of a device's events: weekday, hour, and both together."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pyspark.sql import functions as F

if TYPE_CHECKING:
    from pyspark.sql import Column, DataFrame


def weekday(timestamp: str) -> Column:
    """Return 0 (Monday) to 6 of a wall-clock text `YYYY-MM-DD HH:MM:SS`.

    The text is never made a timestamp: that would be an instant, and its weekday and hour would
    depend on a time zone setting.
    """
    return F.expr(f"weekday(cast(substring({timestamp}, 1, 10) as date))")


def hour(timestamp: str) -> Column:
    """Return 0 to 23 of a wall-clock text `YYYY-MM-DD HH:MM:SS`."""
    return F.substring(timestamp, 12, 2).cast("int")


def events_per_cell(events: DataFrame, devices: DataFrame) -> DataFrame:
    """Return how many events each device has in each hour of the week.

    Returns
    -------
    DataFrame
        ``device_id, weekday, hour, events, device_events``: the count of the cell and of the
        device. All rows of a device are in one partition, so that what is built on this is not
        shuffled again.
    """
    from pyspark.sql import Window

    of_device = Window.partitionBy("device_id")
    return (
        events.join(devices, "device_id", how="left_semi")
        .groupBy("device_id", weekday("timestamp").alias("weekday"), hour("timestamp").alias("hour"))
        .agg(F.count(F.lit(1)).alias("events"))
        .withColumn("device_events", F.sum("events").over(of_device))
    )


def moment_terms(cells: DataFrame, *parts: str) -> DataFrame:
    """Return ``device_id, term, value``: the share of the device's events at each value of `parts`.

    Parameters
    ----------
    cells : DataFrame
        From `events_per_cell`.
    *parts : str
        ``weekday``, ``hour`` or both: one is a number as a term, several are a text, joined by ``_``.
    """
    term = F.concat_ws("_", *parts) if len(parts) > 1 else F.col(parts[0]).cast("bigint")
    return (
        cells.groupBy("device_id", "device_events", *parts)
        .agg(F.sum("events").alias("events"))
        .select("device_id", term.alias("term"), (F.col("events") / F.col("device_events")).alias("value"))
    )
