"""A table of the same columns as the training table: the test table, or a new one to predict."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

from hpt_spark.config.table_section import TableSection
from hpt_spark.tables.canonical import NESTED, with_nan
from hpt_spark.tables.encoding import TableEncoding, unseen_terms
from hpt_spark.tables.reading import format_of, option_of, read_uri
from hpt_spark.tables.roles import kind_of
from hpt_spark.tables.table import BLOCK

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

_log = logging.getLogger(__name__)

DATES = ("date", "timestamp")  # kinds


def has_texts(section: TableSection, uri: str) -> bool:
    """Return whether a later table at `uri` may have texts for values that are none.

    The cells of a CSV are texts; so is a column of JSON in which no row has a value.
    """
    return format_of(uri, section.format) in ("csv", "json")


def block_types(section: TableSection, uri: str, encoding: TableEncoding, place: str) -> Mapping[str, str] | None:
    """Return the types that the columns of a later table at `uri` have for the user's own blocks; None for its own."""
    if not has_texts(section, uri):
        return None
    if encoding.types is None and any(code.kind == BLOCK for code in encoding.codes):
        _log.warning(
            "%s: the model does not say of what types its training table was, so that the functions of features.blocks "
            "see texts for numbers and dates of a CSV; run build_features and tune again, or name Parquet files",
            place,
        )
    if encoding.types is None or format_of(uri, section.format) == "json":
        return encoding.types
    # A CSV has no nested types.
    return {name: kind for name, kind in encoding.types.items() if not kind.startswith(NESTED)}


def read_later_table(
    spark: SparkSession, uri: str, section: TableSection, encoding: TableEncoding, key: str
) -> DataFrame:
    """Return a table of the same columns as the training table; the cells of a CSV are texts, whose kinds are known."""
    kind = format_of(uri, section.format)
    options = dict(section.options)
    vectors = [code for code in encoding.codes if code.kind == "vector"]
    if kind == "libsvm" and vectors and option_of(options, "numFeatures") is None:
        options["numFeatures"] = len(vectors[0].terms)  # which Spark takes from the last index that occurs
    date_types = {name: kind for name, kind in (encoding.types or {}).items() if kind_of(kind) in DATES}
    date_types |= {code.name: code.kind for code in encoding.codes if code.kind in DATES}
    place = f"features.table.{key}" if "-" not in key else key
    texts = {name for name, kind in (encoding.types or {}).items() if kind_of(kind) == "text"}
    texts |= {code.name for code in encoding.codes if code.kind == "text"}
    frame = read_uri(spark, uri, kind, options, place, as_text=True, date_types=date_types, texts=texts)
    word = option_of(options, "nanValue")
    if kind != "csv" or word is None:
        return frame
    numbers = {name for name, kind in (encoding.types or {}).items() if kind_of(kind) == "number"}
    numbers |= {code.name for code in encoding.codes if code.kind in ("number", "categorical")}
    return with_nan(frame, str(word), numbers)


def say_unseen(encoding: TableEncoding, counts: Iterable[int], place: str) -> None:
    """Log how many cells of a later table, by column, have terms that no training row has."""
    words = ", ".join(unseen_terms(encoding, counts))
    if words:
        _log.info("%s: cells with terms that no training row has, which count for nothing: %s", place, words)
