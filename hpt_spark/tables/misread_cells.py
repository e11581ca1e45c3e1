"""Cells of a CSV that Spark takes for other values: codes for numbers or dates, times of day for moments of today."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING

from hpt_spark.config.table_section import PATTERNS, TableSection
from hpt_spark.errors import InputError
from hpt_spark.tables.canonical import CODE, MOMENT, TIME_OF_DAY, needs_days, quoted
from hpt_spark.tables.reading import format_of_table, option_of, read_uri
from hpt_spark.tables.roles import FLOATS, Feature, kind_of

if TYPE_CHECKING:
    from pyspark.sql import Column, DataFrame, SparkSession

_log = logging.getLogger(__name__)

LONG = "^[^0-9a-zA-Z.]*[0-9]{16,}[^0-9a-zA-Z]*$"  # more digits than a float keeps


def columns_of_codes(spark: SparkSession, section: TableSection, frame: DataFrame) -> list[str]:
    """Return the columns that are to be texts, so that no cell of them becomes another value; log them.

    `frame` is the table with the types that Spark has found out.
    """
    from pyspark.sql import functions as F

    names = [section.id, section.group, section.label if section.task == "classification" else None]
    has_pattern = any(option_of(section.options, name) for name in PATTERNS)

    def is_among(name: str, patterns: list[str]) -> bool:
        return any(fnmatchcase(name, one) for one in patterns)

    def is_code(name: str, spark_type: str) -> Column | None:
        cell = F.col(quoted(name)).cast("string")
        if spark_type in FLOATS:
            is_name = name in names or is_among(name, section.categorical)
            return cell.rlike(f"{CODE}|{LONG}" if is_name else CODE)
        is_moment = kind_of(spark_type) in ("date", "timestamp")
        return ~cell.rlike(MOMENT) & (F.trim(cell) != "") if is_moment and not has_pattern else None

    found = {
        name: is_code(name, spark_type) for name, spark_type in frame.dtypes if not is_among(name, section.exclude)
    }
    asked = {name: F.max(F.when(code, F.col(quoted(name)))) for name, code in found.items() if code is not None}
    if not asked:
        return []
    cells = read_uri(spark, str(section.uri), "csv", section.options, "features.table.uri", as_text=True)
    first = cells.agg(*asked.values()).collect()[0]
    codes = {name: cell for name, cell in zip(asked, first) if cell is not None}
    for name, cell in codes.items():
        _log.warning(
            "features.table.uri: %s is read as texts: as a number or a date, Spark would change cells such as %r",
            name,
            cell,
        )
    return list(codes)


def refuse_times_of_day(spark: SparkSession, section: TableSection, features: Sequence[Feature], place: str) -> None:
    """Look through the texts of a CSV for times of day, where more than the hour of a moment is asked for.

    Raises
    ------
    InputError
        When there are some: their weekday would be that of the day on which the job runs.
    """
    from pyspark.sql import functions as F

    names = [feature.name for feature in features if feature.kind == "timestamp"]
    if (
        not names
        or format_of_table(section) != "csv"
        or not needs_days(section.dates)
        or any(option_of(section.options, name) for name in PATTERNS)
    ):
        return
    frame = read_uri(spark, str(section.uri), "csv", section.options, "features.table.uri", as_text=True)
    cells = {name: F.col(quoted(name)).cast("string") for name in names}
    asked = [F.max(F.when(cell.rlike(TIME_OF_DAY), cell)).alias(f"x{at}") for at, cell in enumerate(cells.values())]
    found = [f"{name} ({one})" for name, one in zip(names, frame.agg(*asked).collect()[0]) if one is not None]
    if found:
        raise InputError(
            f"{place} has times of day without a date in {', '.join(found)}, whose year, month and weekday would be "
            "those of the day on which they are read: write features.table.dates: hour, leave the columns out with "
            "features.table.exclude, or write numbers or full moments where the table is made."
        )
