"""Canonical rows without Spark: what `canonical_columns` does in a query, done to a table in memory."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import datetime, timezone
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from hpt_spark.errors import InputError
from hpt_spark.tables.encoding import NUMBERS, ColumnCode, TableEncoding
from hpt_spark.tables.number_names import name_of_number, name_of_text
from hpt_spark.tables.roles import refuse_missing

TAKES = {
    "boolean": "true and false, or texts",
    "text": "texts, or whole numbers",
    "texts": "lists of texts",
    "date": "dates, timestamps, or texts",
    "timestamp": "dates, timestamps, or texts",
}
# What pandas.read_csv takes for missing values, by itself.
WORDS = {"#N/A", "#N/A N/A", "#NA", "-1.#IND", "-1.#QNAN", "-NaN", "-nan", "1.#IND", "1.#QNAN", "<NA>", "N/A", "NA"}
WORDS |= {"NULL", "NaN", "None", "n/a", "nan", "null"}
PARTS = {"year": pc.year, "month": pc.month, "weekday": pc.day_of_week, "hour": pc.hour}


def canonical_table(data: Any, encoding: TableEncoding) -> pa.Table:
    """Return ``x0``, ``x1`` ... of a table in memory: of pandas, polars or Arrow, or a mapping of names to lists.

    Raises
    ------
    InputError
        When a column is missing or cannot be read as what it was in training.
    """
    table = _as_arrow(data, [code.name for code in encoding.codes if code.kind != "block"])
    columns = {}
    for number, code in enumerate(encoding.codes):
        if code.kind == "block":
            raise InputError(
                f"the block {code.name} is made of a whole table by Spark: run `hpt-spark predict --input`."
            )
        column = table.column(code.name).combine_chunks()
        try:
            columns[f"x{number}"] = _canonical(column, code)
        except (pa.ArrowException, ValueError, TypeError) as error:
            reason = str(error).splitlines()[0]
            raise InputError(
                f"the column {code.name} is {column.type}, which cannot be read as the {code.kind} that it was in "
                f"training ({reason}); correct it."
            ) from None
    return pa.table(columns)


def lost_words(table: pa.Table, encoding: TableEncoding) -> list[str]:
    """Return the columns with missing cells, each with a word of the training rows that pandas may take for such."""
    found = []
    for number, code in enumerate(encoding.codes):
        words = WORDS.intersection(code.terms) if code.kind == "text" else ()
        column = table.column(f"x{number}")
        if words and column.null_count and not words.intersection(pc.unique(column).to_pylist()):
            found.append(f"{code.name} ({min(words)!r})")
    return found


def _as_arrow(data: Any, wanted: Sequence[str]) -> pa.Table:
    """Return the columns that are wanted; Arrow may have no type for what is in the others."""
    if not hasattr(data, "items"):
        try:
            data = pa.table(data)
        except (pa.ArrowException, TypeError, ValueError):
            raise InputError(
                "the model takes a DataFrame of pandas or polars, an Arrow table, or a mapping of names to lists, not "
                f"{type(data).__name__}; give it the columns by their names."
            ) from None
    known = data.column_names if isinstance(data, pa.Table) else [str(name) for name, _ in data.items()]
    refuse_missing(wanted, known, "the model", "the table")
    repeated = [name for name in wanted if known.count(name) > 1]
    if repeated:
        raise InputError(f"the table has more than one column named {', '.join(repeated)}; rename all but one.")
    if isinstance(data, pa.Table):
        return data.select(wanted)
    columns = {str(name): _array_of(values, str(name)) for name, values in data.items() if str(name) in wanted}
    lengths = {name: len(columns[name]) for name in wanted}
    if len(set(lengths.values())) > 1:
        told = ", ".join(f"{name} {length:,}" for name, length in lengths.items())
        raise InputError(f"the columns of the table have different numbers of rows: {told}; give each as many.")
    return pa.table({name: columns[name] for name in wanted})


def _array_of(values: Any, name: str) -> pa.Array:
    if isinstance(values, pa.ChunkedArray):
        return values
    if isinstance(values, (str, bytes, bytearray, Mapping)):  # Arrow would take letters, bytes or keys for the cells
        raise InputError(f"the column {name} is a {type(values).__name__}; give a list of its cells, also for one row.")
    try:
        return pa.array(values)
    except OverflowError:
        return _long_numbers(values)
    except (pa.ArrowException, ValueError, TypeError) as error:
        reason = str(error).splitlines()[0]
        raise InputError(f"the column {name} cannot be read as values of one type ({reason}); correct it.") from None


def _long_numbers(values: Any) -> pa.Array:
    """Return a column in which there are whole numbers beyond 64 bits, as texts."""
    texts = (str(one) if isinstance(one, (int, float)) and one == one else one for one in values)
    return pa.array(list(texts), pa.string(), from_pandas=True)


def _canonical(column: pa.Array, code: ColumnCode) -> pa.Array:
    if pa.types.is_dictionary(column.type):
        column = _as_plain_text(column.dictionary).take(column.indices)
    column = _as_plain_text(column)
    if column.null_count and column.null_count == len(column):
        column = pa.nulls(len(column))  # pandas calls a column without any value one of floats, whatever it was
    _refuse_another_type(column.type, code.kind)
    if code.kind == "number":
        return _numbers(column)
    if code.kind == "categorical":
        return _names(column)
    if code.kind == "boolean":
        return pc.utf8_lower(pc.utf8_trim_whitespace(column.cast(pa.string())))
    if code.kind == "text":
        return column.cast(pa.string())
    if code.kind == "texts":
        lists = (
            None if one is None else list(dict.fromkeys(t for t in one if t is not None)) for one in column.to_pylist()
        )
        return pa.array(list(lists), pa.list_(pa.string()))
    if code.kind in ("numbers", "vector"):
        return column.cast(pa.list_(pa.float64()))
    return _parts_of(column, code)


def _as_plain_text(column: pa.Array) -> pa.Array:
    """Return the views of texts that polars has as texts: Arrow takes and trims no others."""
    return column.cast(pa.string()) if str(column.type) == "string_view" else column


def _refuse_another_type(arrow_type: pa.DataType, kind: str) -> None:
    """Raise TypeError where Arrow would give values of another meaning: of the number 1, a second of 1970."""
    is_list = _is_list(arrow_type)
    is_moment = pa.types.is_date(arrow_type) or pa.types.is_timestamp(arrow_type)
    taken = {
        "boolean": _is_text(arrow_type) or pa.types.is_boolean(arrow_type),
        "text": _is_text(arrow_type) or pa.types.is_integer(arrow_type),
        "texts": is_list,
        "date": _is_text(arrow_type) or is_moment,
        "timestamp": _is_text(arrow_type) or is_moment,
    }
    if not taken.get(kind, True) and not pa.types.is_null(arrow_type):
        raise TypeError(f"it takes {TAKES[kind]}")
    if kind in NUMBERS and is_list and pa.types.is_boolean(arrow_type.value_type):
        raise TypeError("true and false are no numbers")


def _is_list(arrow_type: pa.DataType) -> bool:
    types = pa.types
    return bool(types.is_list(arrow_type) or types.is_large_list(arrow_type) or types.is_fixed_size_list(arrow_type))


def _is_text(arrow_type: pa.DataType) -> bool:
    return bool(pa.types.is_string(arrow_type) or pa.types.is_large_string(arrow_type))


def _trimmed(column: pa.Array) -> pa.Array:
    column = pc.utf8_trim_whitespace(column)
    return pc.if_else(pc.equal(column, ""), None, column)


def _days(column: pa.Array) -> pa.Array:
    """Return the days that texts begin with: a date has no hour, and no zone to be read in."""
    return pc.replace_substring_regex(pc.utf8_trim_whitespace(column), "[T ].*$", "")


def _moments(column: pa.Array) -> pa.Array:
    """Return texts as moments of UTC; without a zone they are so already."""
    column = _trimmed(column)
    try:
        return column.cast(pa.timestamp("us"))
    except pa.ArrowInvalid:
        # Arrow reads texts of one form in one go: all with a zone or all without.
        cells = (None if one is None else _moment(one) for one in column.to_pylist())
        return pa.array(list(cells), pa.timestamp("us"))


def _moment(text: str) -> Any:
    moment = datetime.fromisoformat(re.sub(r"Z$", "+00:00", text))
    return moment.astimezone(timezone.utc).replace(tzinfo=None) if moment.tzinfo else moment


def _numbers(column: pa.Array) -> pa.Array:
    if _is_text(column.type):
        column = _trimmed(column)
    if pa.types.is_boolean(column.type):
        raise TypeError("true and false are no numbers")
    if pa.types.is_decimal(column.type):
        return pa.array([None if one is None else float(one) for one in column.to_pylist()], pa.float64())
    return column.cast(pa.float64(), safe=False) if pa.types.is_integer(column.type) else column.cast(pa.float64())


def _names(column: pa.Array) -> pa.Array:
    """Return numbers as names; a float has not all digits of a long whole number, which its type or its text has."""
    if pa.types.is_integer(column.type):
        return column.cast(pa.string())
    if pa.types.is_decimal(column.type) and column.type.scale <= 0:
        return pa.array([None if one is None else str(int(one)) for one in column.to_pylist()], pa.string())
    names = [name_of_number(number) for number in _numbers(column).to_pylist()]
    if _is_text(column.type):
        names = [name_of_text(text) or name for text, name in zip(column.to_pylist(), names)]
    return pa.array(names, pa.string())


def _parts_of(column: pa.Array, code: ColumnCode) -> pa.Array:
    if _is_text(column.type):
        column = _moments(_days(column) if code.kind == "date" else column)
    if not (pa.types.is_date(column.type) or pa.types.is_timestamp(column.type)):
        column = column.cast(pa.timestamp("us"))
    if pa.types.is_timestamp(column.type) and column.type.tz:
        column = column.cast(pa.timestamp(column.type.unit))  # the same moment in UTC
    if pa.types.is_date(column.type):
        column = column.cast(pa.timestamp("s"))
    parts = [PARTS[part](column).cast(pa.float64()).to_pylist() for part in code.terms]
    there = column.is_valid().to_pylist()
    rows = [list(row) if valid else None for valid, row in zip(there, zip(*parts))]
    return pa.array(rows, pa.list_(pa.float64()))
