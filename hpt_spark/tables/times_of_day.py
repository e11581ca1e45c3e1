"""Times of day without a date, which Spark takes for moments of the day on which it reads them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from hpt_spark.config.table_section import PATTERNS, TableSection
from hpt_spark.errors import InputError
from hpt_spark.tables.canonical import TIME_OF_DAY, needs_days, quoted
from hpt_spark.tables.reading import format_of_table, option_of, read_uri
from hpt_spark.tables.roles import Feature

if TYPE_CHECKING:
    from pyspark.sql import SparkSession


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
