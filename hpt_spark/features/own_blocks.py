"""Blocks of the user's own: functions that the configuration names by their dotted paths."""

from __future__ import annotations

import logging
from collections.abc import Collection, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

from hpt_spark.config.dotted_paths import find_function
from hpt_spark.data.schemas import INTEGERS
from hpt_spark.errors import ConfigError
from hpt_spark.features.blocks import BLOCKS, Block, LongTable
from hpt_spark.features.packed import pack

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

    from hpt_spark.data.tables import Tables
    from hpt_spark.features.inputs import Inputs

COLUMNS = ("device_id", "block", "term", "value")

_log = logging.getLogger(__name__)


def call_block(path: str, tables: Any) -> DataFrame:
    """Return the long rows that the function `path` makes of `tables`.

    Raises
    ------
    ConfigError
        When there is no such function, or it does not return the four columns.
    """
    frame = find_function(path, "features.blocks")(tables)
    columns = getattr(frame, "columns", None)
    if columns is None or set(columns) != set(COLUMNS):
        got = f"the columns {', '.join(columns)}" if columns else type(frame).__name__
        raise ConfigError(f"features.blocks={path} returns {got}; it must return a DataFrame of {', '.join(COLUMNS)}.")
    return frame


def own_blocks(paths: Sequence[str], tables: Tables) -> list[Block]:
    """Return the blocks that the functions make of the scenario's tables, sorted by name within a function.

    Raises
    ------
    ConfigError
        When a block has the name of another one, or ids are not whole numbers.
    """
    found: list[Block] = []
    for path in paths:
        frame, is_numeric = _with_types(path, call_block(path, tables))
        build = partial(_build, frame)
        names = sorted(one["block"] for one in frame.select("block").distinct().collect() if one["block"] is not None)
        if not names:
            _log.warning("features.blocks=%s gives no row of a block: the design has nothing of it", path)
        for name in names:
            if name in {block.name for block in (*BLOCKS, *found)}:
                raise ConfigError(
                    f"features.blocks={path} gives a block {name}, of which there is one already; rename it."
                )
            found.append(Block(name, path, build, numeric=is_numeric))
    return found


def _with_types(path: str, frame: DataFrame) -> tuple[DataFrame, bool]:
    """Return the rows with the types that `pack` takes, and whether their terms are numbers."""
    types = dict(frame.dtypes)
    if types["device_id"] not in INTEGERS:
        raise ConfigError(
            f"features.blocks={path} returns device_id as {types['device_id']}; return it as bigint, as the tables "
            "have it: a double cannot hold all ids."
        )
    is_numeric = types["term"] in INTEGERS
    casts = {"device_id": "bigint", "block": "string", "term": "bigint" if is_numeric else "string"}
    return frame.select("value", *(frame[name].cast(kind).alias(name) for name, kind in casts.items())), is_numeric


def _build(frame: DataFrame, has: Inputs, blocks: Sequence[str], indicators: Collection[str]) -> LongTable:
    """Build the blocks of one function together."""
    from pyspark.sql import functions as F

    value = F.when(F.col("block").isin(*indicators), F.lit(1.0)).otherwise(F.col("value"))
    rows = frame.select("device_id", "block", "term", (value if indicators else F.col("value")).alias("value"))
    return LongTable(pack(rows.where(F.col("block").isin(*blocks))), {})
