"""The columns of a table in few types, by transforms of Spark: what the profile counts and the encoding reads.

Columns are called by their place (``x0``, ``x1`` ...), because names of other people's tables hold dots and quotes.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import TYPE_CHECKING

from hpt_spark.data.schemas import INTEGERS
from hpt_spark.tables.encoding import PROBLEM
from hpt_spark.tables.number_names import WHOLE
from hpt_spark.tables.roles import FLOATS, NO_FEATURE, Feature, is_whole, kind_of

if TYPE_CHECKING:
    from pyspark.sql import Column, DataFrame

WHAT = {"number": "a number", "categorical": "a number", "date": "a date", "timestamp": "a date with a time"}
LISTS = {"numbers": "array<double>", "vector": "array<double>", "texts": "array<string>"}  # no text is read as one
MOMENTS = dict.fromkeys(("date", "timestamp"), "array<double>")
NESTED = ("array<", "map<", "struct<")
TIME_OF_DAY = r"^\s*T?[0-9]{1,2}:"  # to Spark, a moment of today
# Java takes 3D, 2F and 0x1p3 for numbers, and Spark 1234-5 for a date; without \\, which SQL would take for an escape.
CODE = "^[^0-9a-zA-Z.]*(0[xX]|[0-9.]+([eE][-+]?[0-9]+)?[dDfF][^0-9a-zA-Z]*$)"
MOMENT = "^[^0-9a-zA-Z]*([0-9]{4,7}-([0-9]{2}[^0-9a-zA-Z]*$|[0-9]{1,2}-[0-9])|T?[0-9]{1,2}:)"
CAST_FROM_TEXT = ("number", "boolean", "date", "timestamp")
SAME_KIND = {  # what is read alike
    "number": ("number", "boolean_as_none"),
    "categorical": ("number",),
    "boolean": ("boolean",),
    "text": ("text",),
    "date": ("date", "timestamp"),
    "timestamp": ("date", "timestamp"),
    "numbers": ("numbers", "vector"),
    "vector": ("numbers", "vector"),
    "texts": ("texts",),
}


def quoted(name: str) -> str:
    """Return the name of a column as SQL has it."""
    return "`" + name.replace("`", "``") + "`"


def needs_days(dates: Sequence[str]) -> bool:
    """Return whether something is taken of dates that a time of day alone does not have."""
    return any(part != "hour" for part in dates)


def canonical_columns(frame: DataFrame, features: Sequence[Feature], dates: Sequence[str]) -> list[Column]:
    """Return the columns ``x0``, ``x1`` ... and `PROBLEM` of a table.

    Parameters
    ----------
    frame : DataFrame
        Has every column of `features`, of the same kind or as text.
    features : sequence of Feature
    dates : sequence of str
        What to take of dates.
    """
    from pyspark.sql import functions as F

    types = {field.name: field.dataType.simpleString() for field in frame.schema}
    columns, problems = [], []
    for number, feature in enumerate(features):
        sql = _as(feature.kind, quoted(feature.name), types[feature.name], dates)
        columns.append(sql.alias(f"x{number}"))
        if kind_of(types[feature.name]) != "text":
            continue
        if feature.kind in WHAT:
            is_unread = F.expr(_from_text(feature.kind, quoted(feature.name))).isNull()
            if feature.kind == "timestamp" and needs_days(dates):
                is_unread |= F.col(quoted(feature.name)).rlike(TIME_OF_DAY)
            problems.append(_unread(feature.name, is_unread, f"{WHAT[feature.kind]} is needed"))
        elif feature.kind in LISTS:
            problems.append(_unread(feature.name, F.lit(True), "a list is needed"))
    return [*columns, F.coalesce(*problems, F.lit(None).cast("string")).alias(PROBLEM)]


def _unread(name: str, is_unread: Column, needs: str) -> Column:
    """Return a sentence on a text that is not blank and cannot be read as what one `needs`; null of any other cell."""
    from pyspark.sql import functions as F

    cell = F.col(quoted(name))
    said = F.concat(F.lit(f"the column {name} holds '"), F.substring(cell, 1, 80), F.lit(f"' where {needs}"))
    return F.when(cell.isNotNull() & (F.trim(cell) != "") & is_unread, said)


def with_types(frame: DataFrame, types: Mapping[str, str]) -> tuple[DataFrame, Column]:
    """Return a table whose texts have the types of the training table, and what a row has that cannot be read so.

    `types` are Spark's, by column; a column that is not named, or is no text in `frame`, stays as it is.
    """
    from pyspark.sql import functions as F

    columns, problems = [], []
    for field in frame.schema:
        name = quoted(field.name)
        wanted = types.get(field.name, "string")
        is_nested = wanted.startswith(NESTED)
        if kind_of(field.dataType.simpleString()) != "text" or not (is_nested or kind_of(wanted) in CAST_FROM_TEXT):
            columns.append(F.col(name))
            continue
        read = F.expr(f"CAST(NULL AS {wanted})" if is_nested else text_as(wanted, name))
        columns.append(read.alias(field.name))
        is_unread = read.isNull()
        if wanted.startswith("decimal("):  # which a cast would round
            is_unread |= read.cast("double") != F.expr(f"try_cast(trim({name}) AS DOUBLE)")
        needs = f"features.blocks need {wanted}, its type in the training table"
        problems.append(_unread(field.name, is_unread, needs))
    return frame.select(*columns), F.coalesce(*problems, F.lit(None).cast("string"))


def with_nan(frame: DataFrame, word: str, names: Collection[str]) -> DataFrame:
    """Return a table of texts with `NaN` in place of the `word` that stands for it in the columns `names`."""
    from pyspark.sql import functions as F

    def cell(name: str, spark_type: str) -> Column:
        text = F.col(quoted(name))
        is_named = name in names and kind_of(spark_type) == "text"
        return F.when(text == word, "NaN").otherwise(text).alias(name) if is_named else text

    return frame.select(*(cell(name, spark_type) for name, spark_type in frame.dtypes))


def key_column(name: str | None, spark_type: str, alias: str) -> Column:
    """Return an id, a label or a group: whole numbers as bigint, truth values as they are, all else as text."""
    from pyspark.sql import functions as F

    if name is None:
        return F.lit(None).cast("bigint").alias(alias)
    key = F.col(quoted(name)).cast(key_type(spark_type))
    return (F.nanvl(one_zero(key), F.lit(None)) if spark_type in FLOATS else key).alias(alias)


def one_zero(number: Column) -> Column:
    """Return a float of Spark, 0.0 where it is -0.0: the two are equal, and otherwise name two classes or groups."""
    from pyspark.sql import functions as F

    return number + F.lit(0.0)


def key_type(spark_type: str) -> str:
    """Return the type in which `key_column` gives a column."""
    if spark_type in INTEGERS:
        return "bigint"
    if spark_type == "boolean":
        return "boolean"
    return "double" if spark_type in FLOATS else "string"


def _as(kind: str, name: str, spark_type: str, dates: Sequence[str]) -> Column:
    from pyspark.sql import functions as F

    is_text = kind_of(spark_type) == "text"
    if kind == NO_FEATURE:
        return F.lit(None).cast("double")
    if kind_of(spark_type) == NO_FEATURE or (is_text and kind in LISTS):  # no row has a value, or it is told of
        return F.lit(None).cast((LISTS | MOMENTS).get(kind, "double" if kind == "number" else "string"))
    if kind == "number":
        return F.expr(_from_text(kind, name) if is_text else f"CAST({name} AS DOUBLE)")
    if kind == "categorical":
        if is_text:  # a float has not all digits of a long whole number, and a decimal has no fraction
            whole = F.expr(f"CAST(try_cast(trim({name}) AS DECIMAL(38,0)) AS STRING)")
            other = F.expr(_number_as_text(_from_text(kind, name), spark_type))
            return F.when(F.col(name).rlike(WHOLE), whole).otherwise(other)
        return F.expr(_number_as_text(name, spark_type))
    if kind == "boolean":
        return F.lower(F.trim(F.col(name))) if is_text else F.col(name).cast("string")
    if kind == "text":
        return F.col(name).cast("string")
    if kind == "texts":
        return F.expr(f"array_distinct(filter({name}, cell -> cell IS NOT NULL))")
    if kind == "vector" and spark_type == "vector":
        from pyspark.ml.functions import vector_to_array

        return vector_to_array(F.col(name))
    if kind in ("numbers", "vector"):
        return F.col(name).cast("array<double>")
    moment = _from_text(kind, name) if is_text else name
    parts = ", ".join(f"CAST({part}({moment}) AS DOUBLE)" for part in dates if part != "hour" or kind == "timestamp")
    return F.expr(f"IF({moment} IS NULL, NULL, array({parts}))")


def _from_text(kind: str, name: str) -> str:
    return text_as({"date": "date", "timestamp": "timestamp"}.get(kind, "double"), name)


def text_as(spark_type: str, name: str) -> str:
    """Return SQL for the text in a column as a value of a type of Spark; null where it is written as none."""
    read = f"try_cast(trim({name}) AS {spark_type})"
    if spark_type in FLOATS:
        return f"IF({name} RLIKE '{CODE}', NULL, {read})"
    return f"IF({name} RLIKE '{MOMENT}', {read}, NULL)" if kind_of(spark_type) in ("date", "timestamp") else read


def _number_as_text(name: str, spark_type: str) -> str:
    """Return SQL for a number as a name: whole ones without a point, whatever type they are of."""
    if is_whole(spark_type):
        return f"CAST({name} AS STRING)"
    number = f"CAST({name} AS DOUBLE)"
    whole = f"{number} = floor({number}) AND abs({number}) < 9e15"
    return f"IF(isnan({number}), NULL, IF({whole}, CAST(CAST({number} AS BIGINT) AS STRING), CAST({number} AS STRING)))"
