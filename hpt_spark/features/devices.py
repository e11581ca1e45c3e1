"""Blocks from the device itself: its brand and its model."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pyspark.sql import functions as F

if TYPE_CHECKING:
    from pyspark.sql import DataFrame


def first_brand_and_model(phone_brand_device_model: DataFrame) -> DataFrame:
    """Return each device's brand and model; of a repeated device the first row of the file counts.

    Parameters
    ----------
    phone_brand_device_model : DataFrame
        The table of that name.

    Returns
    -------
    DataFrame
        ``device_id, phone_brand, device_model``, one row per device.
    """
    first = F.min(F.struct("file_row", "phone_brand", "device_model")).alias("first")
    return (
        phone_brand_device_model.groupBy("device_id")
        .agg(first)
        .select("device_id", "first.phone_brand", "first.device_model")
    )


def packed_text(phones: DataFrame, column: str) -> DataFrame:
    """Return ``device_id, terms, values`` where the only term is the text of `column`; a null gives none."""
    with_text = phones.where(F.col(column).isNotNull())
    return with_text.select(
        "device_id", F.array(column).alias("terms"), F.array(F.lit(1.0).cast("float")).alias("values")
    )
