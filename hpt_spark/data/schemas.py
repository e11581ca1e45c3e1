"""The seven tables: their columns and the meaning of a row.

Readers, the generator and the checks all take the columns from here, so that a table is
described once.
"""

from __future__ import annotations

from dataclasses import dataclass

ID = "id"  # signed 64-bit integer; never a float, which cannot hold all of them
FLAG = "flag"  # small integer such as 0 or 1
DEGREE = "degree"  # float, degrees of longitude or latitude
TEXT = "text"  # as in the file
TIMESTAMP = "timestamp"  # local wall-clock, kept as text `YYYY-MM-DD HH:MM:SS`: no time zone applies
INTEGERS = ("tinyint", "smallint", "int", "bigint")  # types of Spark


@dataclass(frozen=True)
class Column:
    """A column of a table; an `optional` one may be empty, which then reads as null."""

    name: str
    kind: str
    optional: bool = False


@dataclass(frozen=True)
class Table:
    """A table of the input."""

    name: str  # name of the table and, with `.csv.zip` behind it, of its file
    row: str  # what one row means
    columns: tuple[Column, ...]  # in the file's order
    # Whether the order of the file's rows carries meaning. Such a table has one more column, `file_row` (0, 1, ...),
    # because a distributed table has no order of its own.
    ordered: bool = False

    @property
    def column_names(self) -> list[str]:
        """The names of the file's columns, in order."""
        return [column.name for column in self.columns]


FILE_ROW = "file_row"

_TABLES = (
    Table(
        "gender_age_train",
        "a device whose user's group is known",
        (Column("device_id", ID), Column("gender", TEXT), Column("age", FLAG), Column("group", TEXT)),
        ordered=True,
    ),
    Table("gender_age_test", "a device whose user's group is asked for", (Column("device_id", ID),), ordered=True),
    Table(
        "events",
        "a moment at which a device's apps were recorded",
        (
            Column("event_id", ID),
            Column("device_id", ID),
            Column("timestamp", TIMESTAMP),
            Column("longitude", DEGREE, optional=True),
            Column("latitude", DEGREE, optional=True),
        ),
    ),
    Table(
        "app_events",
        "an app that was on the device at an event",
        (Column("event_id", ID), Column("app_id", ID), Column("is_installed", FLAG), Column("is_active", FLAG)),
    ),
    Table("app_labels", "a label that an app bears", (Column("app_id", ID), Column("label_id", ID))),
    Table(
        "label_categories", "the category of a label", (Column("label_id", ID), Column("category", TEXT, optional=True))
    ),
    Table(
        "phone_brand_device_model",
        "a device's brand and model; of a repeated device the first row counts",
        (
            Column("device_id", ID),
            Column("phone_brand", TEXT, optional=True),
            Column("device_model", TEXT, optional=True),
        ),
        ordered=True,
    ),
)

TABLES: dict[str, Table] = {table.name: table for table in _TABLES}

GROUPS = (
    "F23-",
    "F24-26",
    "F27-28",
    "F29-32",
    "F33-42",
    "F43+",
    "M22-",
    "M23-26",
    "M27-28",
    "M29-31",
    "M32-38",
    "M39+",
)
