"""Which part each column of a table plays, and of what kind it is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING

from hpt_spark.config.table_section import TableSection
from hpt_spark.data.schemas import INTEGERS
from hpt_spark.errors import InputError, did_you_mean, listed
from hpt_spark.tables.odd_headers import remedy_of_header
from hpt_spark.tables.reading import format_of_table

if TYPE_CHECKING:
    from pyspark.sql.types import StructType

FLOATS = ("float", "double")
NULL_WORD = "of a CSV, features.table.options={nullValue: NA} names the word for missing values"
NO_FEATURE = "none"  # the kind of a column that Spark has no type for: all its cells are missing


@dataclass(frozen=True)
class Feature:
    """A column to learn from."""

    name: str
    kind: str  # as `ColumnCode` has it, before anything is known of the values


@dataclass(frozen=True)
class Roles:
    """The columns of a table by what they are for; a role that is not given is None."""

    features: tuple[Feature, ...]  # in the order of the table
    left_out: tuple[str, ...]  # dates that nothing was asked of
    label: str | None
    id: str | None
    weight: str | None
    group: str | None
    label_type: str  # of Spark


def roles_of(schema: StructType, section: TableSection, place: str, has_blocks: bool = False) -> Roles:
    """Return the roles that the configuration gives the columns of a table.

    There must be one to learn from, unless the table `has_blocks` of the user's own.

    Raises
    ------
    InputError
        When a name is not there, or a column has a type that no design can hold.
    """
    types = {field.name: field.dataType.simpleString() for field in schema}
    given = {role: getattr(section, role) for role in ("label", "id", "weight", "group")}
    for role, name in given.items():
        if name:
            is_csv = format_of_table(section) == "csv"
            refuse_missing([name], list(types), f"features.table.{role}", place, is_csv)
    chosen, excluded, categorical = (
        _named(getattr(section, key), list(types), f"features.table.{key}", place)
        for key in ("columns", "exclude", "categorical")
    )
    apart = {*filter(None, given.values()), *excluded}
    names = [name for name in types if name not in apart and (not chosen or name in {*chosen, *categorical})]
    kinds = {name: kind_of(types[name]) for name in names}
    odd = [f"{name} ({_short(types[name])})" for name, kind in kinds.items() if kind is None]
    if odd:
        raise InputError(
            f"{place} has columns that no design can hold: {', '.join(odd)}; leave them out with "
            "features.table.exclude, or select what is in them with features.table.sql."
        )
    weight = given["weight"]
    if weight and kind_of(types[weight]) != "number":
        raise InputError(
            f"features.table.weight names {weight}, which is {_short(types[weight])}; it must be a number "
            f"({NULL_WORD})."
        )
    for role in ("label", "id", "group"):
        name = given[role]
        if name and kind_of(types[name]) not in ("number", "text", "boolean", "date", "timestamp"):
            raise InputError(
                f"features.table.{role} names {name}, which is {_short(types[name])}; it must be a text or a number."
            )
    features = []
    for name in categorical:
        if name in kinds and kinds[name] not in ("number", "text", "boolean"):
            raise InputError(
                f"features.table.categorical names {name}, which is {_short(types[name])}; name columns of numbers."
            )
    for name, kind in kinds.items():
        is_name = kind == "number" and name in categorical
        features.append(Feature(name, "categorical" if is_name else str(kind)))
    left_out = [one.name for one in features if one.kind in ("date", "timestamp") and not section.dates]
    kept = tuple(one for one in features if one.name not in left_out)
    if not kept and not has_blocks:
        parts = f"features.table.dates: [year, month, weekday, hour] takes parts of the dates {listed(left_out, 20)}"
        remedy = parts if left_out else "compare features.table.columns"
        raise InputError(f"{place} has no column to learn from beside the label; {remedy}.")
    label_type = types[given["label"]] if given["label"] else ""
    return Roles(kept, tuple(left_out), given["label"], given["id"], given["weight"], given["group"], label_type)


def is_whole(spark_type: str) -> bool:
    """Return whether a column of a type of Spark holds whole numbers alone."""
    return spark_type in INTEGERS or (spark_type.startswith("decimal(") and spark_type.endswith(",0)"))


def kind_of(spark_type: str) -> str | None:
    """Return the kind of a column of a type of Spark; None where a design cannot hold it."""
    if spark_type in (*INTEGERS, *FLOATS) or spark_type.startswith("decimal("):
        return "number"
    if spark_type == "string" or spark_type.startswith(("char(", "varchar(", "string ")):
        return "text"
    simple = {"boolean": "boolean", "date": "date", "timestamp": "timestamp", "timestamp_ntz": "timestamp"}
    simple |= {"vector": "vector", "void": NO_FEATURE, "null": NO_FEATURE}
    if spark_type in simple:
        return simple[spark_type]
    if spark_type.startswith("array<") and spark_type.endswith(">"):
        return {"number": "numbers", "text": "texts"}.get(str(kind_of(spark_type[6:-1])))
    return None


def _named(wanted: Sequence[str], known: Sequence[str], key: str, place: str) -> list[str]:
    """Return the columns that names and patterns mean; a column that is called like a pattern is meant by it alone."""
    patterns = [name for name in wanted if name not in known and set("*?[") & set(name)]
    refuse_missing([name for name in wanted if name not in patterns], known, key, place)
    found = {name for name in wanted if name not in patterns}
    for pattern in patterns:
        matched = [name for name in known if fnmatchcase(name, pattern)]
        if not matched:
            raise InputError(f"{key} has the pattern {pattern}, which no column of {place} fits: {listed(known, 20)}.")
        found.update(matched)
    return [name for name in known if name in found]


def refuse_missing(names: Sequence[str], known: Sequence[str], key: str, place: str, is_csv: bool = False) -> None:
    """Raise InputError where a table has no column of such a name; the nearest one is told."""
    for name in names:
        if name not in known:
            hint = remedy_of_header(known, name) if is_csv else ""
            hint = hint or did_you_mean(name, known, f"its columns: {listed(known, 20)}.")
            raise InputError(f"{key} names {name}, but {place} has no such column; {hint}")


def _short(spark_type: str) -> str:
    return spark_type if len(spark_type) <= 60 else f"{spark_type[:60]}..."
