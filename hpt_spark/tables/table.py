"""A table with its roles: its rows in canonical form, and the checks that each later table of its kind passes."""

from __future__ import annotations

import logging
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import reduce
from typing import TYPE_CHECKING

import pyarrow as pa

from hpt_spark.config.table_section import TableSection
from hpt_spark.errors import ConfigError, InputError
from hpt_spark.features.own_blocks import call_block
from hpt_spark.tables.canonical import SAME_KIND, canonical_columns, key_column, key_type, one_zero, quoted, with_types
from hpt_spark.tables.encoding import PROBLEM
from hpt_spark.tables.profile import ROW_HASH
from hpt_spark.tables.reading import translate_reading
from hpt_spark.tables.roles import FLOATS, NO_FEATURE, NULL_WORD, Feature, is_whole, kind_of, refuse_missing

if TYPE_CHECKING:
    from pyspark.sql import Column, DataFrame

_log = logging.getLogger(__name__)

BLOCK = "block"
CARRIED = "carried"  # with a number: a column that comes along as it is
DECIMAL = re.compile(r"decimal\((\d+),(\d+)\)")
DIGITS = 15  # that a float has of any decimal
MOST_EXACT = 1 << 53  # up to which a float holds each whole number


@dataclass(frozen=True)
class Keys:
    """The columns that are no features, and how the label is read."""

    label: str | None = None
    id: str | None = None
    weight: str | None = None
    group: str | None = None
    label_as: str = "double"  # the type of Spark that labels become


def task_of(section: TableSection, label_type: str) -> str:
    """Return the task, ``auto`` by the type of the label.

    Raises
    ------
    InputError
        When the label does not suit the task.
    """
    is_number = kind_of(label_type) == "number"
    if section.task == "auto":
        task = "regression" if is_number and not is_whole(label_type) else "classification"
        _log.info("features.table.task=auto: the label %s is %s, so this is a %s", section.label, label_type, task)
        return task
    if section.task != "classification" and not is_number:
        raise InputError(
            f"features.table.task={section.task} needs numbers to predict, but the label {section.label} is "
            f"{label_type}; correct its cells ({NULL_WORD}), write task: classification, or name another label."
        )
    return section.task


def label_type_of(task: str, label_type: str) -> str:
    """Return the type in which labels are read."""
    if task != "classification" or label_type in FLOATS:
        return "double"
    decimal = DECIMAL.fullmatch(label_type)
    if decimal and (int(decimal[1]) <= DIGITS or decimal[2] != "0"):
        return "double"
    return key_type(label_type)  # of long whole numbers the text: as floats, several classes would be one


def as_exact_floats(texts: pa.Array) -> pa.Array:
    """Return whole labels of a long decimal type as floats where these hold all of them exactly; else the texts."""
    largest = max((abs(int(one)) for one in texts.unique().to_pylist() if one is not None), default=0)
    return texts.cast(pa.float64()) if largest <= MOST_EXACT else texts


def labels(keys: Keys) -> Column:
    """Return the label, null where it is missing or NaN."""
    from pyspark.sql import functions as F

    if keys.label is None:
        return F.lit(None).cast("double")
    label = F.col(quoted(keys.label)).cast(keys.label_as)
    return F.when(~F.isnan(label), one_zero(label)) if keys.label_as == "double" else label


def _weights(keys: Keys) -> Column:
    from pyspark.sql import functions as F

    # NaN is no weight, as it is no label.
    return F.nanvl(F.col(quoted(keys.weight)).cast("double"), F.lit(None)) if keys.weight else F.lit(1.0)


def canonical_rows(
    frame: DataFrame,
    features: Sequence[Feature],
    dates: Sequence[str],
    keys: Keys,
    blocks: Sequence[str],
    carried: Sequence[str] = (),
    block_types: Mapping[str, str] | None = None,
) -> DataFrame:
    """Return ``hash, id, label, weight, group, x0, x1 ..., problem, carried0 ...`` of the rows of a table.

    Parameters
    ----------
    frame : DataFrame
    features : sequence of Feature
        Those of kind ``block`` come last.
    dates : sequence of str
        What to take of dates.
    keys : Keys
    blocks : sequence of str
        Dotted paths of the functions that give the blocks.
    carried : sequence of str
        Columns to carry along as they are; where there are some, there must be no blocks.
    block_types : mapping of str to str, optional
        The types of Spark that texts have where the blocks are made, by column.
    """
    from pyspark.sql import functions as F

    types = {field.name: field.dataType.simpleString() for field in frame.schema}
    plain = [feature for feature in features if feature.kind != BLOCK]
    of_blocks, has_blocks = frame, len(plain) < len(features)
    *columns, problem = canonical_columns(frame, plain, dates)
    if has_blocks and block_types:
        of_blocks, untyped = with_types(frame, block_types)
        problem = F.coalesce(problem, untyped).alias(PROBLEM)
    rows = frame.select(
        key_column(keys.id, types.get(str(keys.id), ""), "id"),
        labels(keys).alias("label"),
        _weights(keys).alias("weight"),
        key_column(keys.group, types.get(str(keys.group), ""), "group") if keys.group else F.lit(0).alias("group"),
        *columns,
        problem,
        *(F.col(quoted(name)).alias(f"{CARRIED}{number}") for number, name in enumerate(carried)),
    )
    if has_blocks:
        rows = _with_blocks(rows, long_rows(of_blocks, blocks), features)
    hashed = [
        F.sort_array(name) if kind.startswith("array<struct") else F.col(name)  # the entries of a block, in any order
        for name, kind in rows.dtypes
        if name != PROBLEM and not name.startswith(CARRIED)
    ]
    return rows.select(F.xxhash64(*hashed).alias(ROW_HASH), "*")


def long_rows(frame: DataFrame, paths: Sequence[str]) -> DataFrame:
    """Return the long rows ``device_id, block, term, value`` that the user's own functions make of a table."""
    of_paths = []
    for path in paths:
        with translate_reading(f"features.blocks={path}", "correct the function"):
            found = call_block(path, {"rows": frame})
            found = found.select(
                key_column("device_id", dict(found.dtypes)["device_id"], "id"),
                "block",
                found["term"].cast("string"),
                found["value"].cast("double"),
            ).dropna()
        of_paths.append(found)
    return reduce(lambda long, more: long.unionByName(more), of_paths)


def block_features(
    frame: DataFrame, paths: Sequence[str], id_column: str | None, columns: Sequence[Feature]
) -> list[Feature]:
    """Return the blocks that the user's own functions make of a table, sorted by name.

    Raises
    ------
    ConfigError
        When the table has no id, or one of the `columns` to learn from has the name of a block.
    """
    if not paths:
        return []
    if id_column is None:
        raise ConfigError("features.blocks needs features.table.id, by which their device_id finds its row.")
    names = long_rows(frame, paths).select("block").distinct().collect()
    blocks = sorted(one["block"] for one in names)
    if taken := sorted({*blocks} & {column.name for column in columns}):
        raise ConfigError(
            f"features.blocks gives the blocks {', '.join(taken)}, which columns of the table are called; rename them, "
            "or leave the columns out with features.table.exclude."
        )
    return [Feature(name, BLOCK) for name in blocks]


def _with_blocks(rows: DataFrame, long: DataFrame, features: Sequence[Feature]) -> DataFrame:
    from pyspark.sql import functions as F

    entries = F.struct("term", "value")
    blocks = {f"x{number}": feature.name for number, feature in enumerate(features) if feature.kind == BLOCK}
    # A map refuses a second entry of the same term, as `pack` does.
    of_rows = [
        F.map_entries(F.map_from_entries(F.collect_list(F.when(F.col("block") == name, entries)))).alias(x)
        for x, name in blocks.items()
    ]
    found = long.groupBy("id").agg(*of_rows)
    order = [name for name in rows.columns if name != PROBLEM]
    return rows.join(found, "id", "left").select(*order, *blocks, PROBLEM)


def check_same_kinds(frame: DataFrame, features: Sequence[Feature], place: str, key: str, as_text: bool) -> None:
    """Raise InputError where a table lacks a column of the training table, or has another type of values there."""
    types = {field.name: field.dataType.simpleString() for field in frame.schema}
    plain = [feature for feature in features if feature.kind != BLOCK]
    refuse_missing([feature.name for feature in plain], list(types), f"{key}: the model", place)
    for feature in plain:
        kind = kind_of(types[feature.name])
        if as_text and kind == "text":
            continue
        if kind not in (*SAME_KIND.get(feature.kind, ()), NO_FEATURE):
            raise InputError(
                f"the column {feature.name} of {place} is {types[feature.name]}, but in the training table it is "
                f"{KINDS[feature.kind]}; give it the same type."
            )


KINDS = {
    "number": "a number",
    "categorical": "a number",
    "boolean": "true or false",
    "text": "a text",
    "date": "a date",
    "timestamp": "a time",
    "numbers": "a list of numbers",
    "vector": "a vector",
    "texts": "a list of texts",
}
