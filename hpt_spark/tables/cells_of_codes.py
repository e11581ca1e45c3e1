"""Columns of a CSV that Spark takes for numbers or dates, although cells of them are written as neither."""

from __future__ import annotations

import logging
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING

from hpt_spark.config.table_section import PATTERNS, TableSection
from hpt_spark.tables.canonical import CODE, MOMENT, quoted
from hpt_spark.tables.reading import option_of, read_uri
from hpt_spark.tables.roles import FLOATS, kind_of

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
