"""Blocks from the apps of a device's events: the apps, their labels, categories and words."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pyspark.sql import Window
from pyspark.sql import functions as F

if TYPE_CHECKING:
    from pyspark.sql import Column, DataFrame

# Java's \s is ASCII only without (?U), and leaves out what Python's str.split() splits at as well.
WHITE_SPACE = r"(?U)[\s\x1c-\x1f]+"


def cleaned(category: Column) -> Column:
    """Return the text of a category as its term: lower-case, without ``game-`` and ``( ) _ /``."""
    return F.translate(F.regexp_replace(F.lower(category), "game-", "game "), "()_/", "    ")


def app_events_per_app(app_events: DataFrame, events: DataFrame, devices: DataFrame) -> DataFrame:
    """Return how many app events each device has of each app.

    Returns
    -------
    DataFrame
        ``device_id, app_id, app_events, device_app_events``: the count of the app and of the
        device. All rows of a device are in one partition, so that what is built on this is not
        shuffled again.
    """
    device_of_event = events.join(devices, "device_id", how="left_semi").select("event_id", "device_id")
    of_device = Window.partitionBy("device_id")
    return (
        app_events.join(device_of_event, "event_id", how="inner")
        .groupBy("device_id", "app_id")
        .agg(F.count(F.lit(1)).alias("app_events"))
        .withColumn("device_app_events", F.sum("app_events").over(of_device))
    )


def category_terms(label_categories: DataFrame) -> DataFrame:
    """Return ``label_id, code, term``: the cleaned category of each label; a null category gives none."""
    categories = label_categories.where(F.col("category").isNotNull())
    return with_codes(categories.select("label_id", cleaned(F.col("category")).alias("term")))


def word_terms(categories: DataFrame) -> DataFrame:
    """Return ``label_id, code, term``: each word of the category of each label."""
    words = F.explode(F.split("term", WHITE_SPACE)).alias("term")
    return with_codes(categories.select("label_id", words).where(F.col("term") != ""))


def with_codes(terms_of_labels: DataFrame) -> DataFrame:
    """Return `terms_of_labels` with a number for each term as ``code``.

    Millions of rows are then grouped by a number, which is several times as fast as by a text.
    """
    # Labels are a few hundred: one partition ranks their terms at once.
    code = F.dense_rank().over(Window.orderBy("term")).cast("bigint")
    return terms_of_labels.select("label_id", code.alias("code"), "term")


def labels_of_apps(app_labels: DataFrame) -> DataFrame:
    """Return ``app_id, code``: the labels that each app bears, each once; a label is its own code."""
    return app_labels.select("app_id", F.col("label_id").alias("code")).distinct()


def codes_of_apps(app_labels: DataFrame, terms_of_labels: DataFrame) -> DataFrame:
    """Return ``app_id, code``: the terms that each app bears through its labels, each once."""
    codes = F.broadcast(terms_of_labels.select("label_id", "code"))
    return app_labels.join(codes, "label_id", how="inner").select("app_id", "code").distinct()


def app_terms(counts: DataFrame) -> DataFrame:
    """Return ``device_id, term, value``: the share of the device's app events that are of each app."""
    return counts.select(
        "device_id", F.col("app_id").alias("term"), (F.col("app_events") / F.col("device_app_events")).alias("value")
    )


def shares_of_codes(counts: DataFrame, codes_of_apps: DataFrame) -> DataFrame:
    """Return ``device_id, term, value``: the share of the device's app events whose app bears each code.

    Parameters
    ----------
    counts : DataFrame
        From `app_events_per_app`.
    codes_of_apps : DataFrame
        ``app_id, code``, each pair once: an app counts once per code.
    """
    share = F.sum("app_events") / F.first("device_app_events")
    return (
        counts.join(F.broadcast(codes_of_apps), "app_id", how="inner")
        .groupBy("device_id", F.col("code").alias("term"))
        .agg(share.alias("value"))
    )


def indicated_codes(counts: DataFrame, codes_of_apps: DataFrame) -> DataFrame:
    """Return ``device_id, term, value``: 1 for each code that an app of the device bears."""
    pairs = counts.join(F.broadcast(codes_of_apps), "app_id", how="inner")
    return pairs.select("device_id", F.col("code").alias("term")).distinct().withColumn("value", F.lit(1.0))


def in_words(coded: DataFrame, terms_of_labels: DataFrame) -> DataFrame:
    """Return the rows of `coded` with the text of each term in place of its code."""
    texts = F.broadcast(terms_of_labels.select(F.col("code"), F.col("term").alias("text")).distinct())
    return coded.join(texts, coded["term"] == texts["code"], how="inner").select(
        "device_id", F.col("text").alias("term"), "value"
    )
