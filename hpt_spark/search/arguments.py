"""Arguments of a search that scikit-learn does not have, checked before anything runs."""

from __future__ import annotations

import math
import numbers
from typing import Any, TypeGuard

from hpt_spark.errors import ArgumentError

KEEP_OOF = ("none", "best", "all")  # whose out-of-fold predictions, each more than the one before


def check_seconds(name: str, value: Any, may_be_zero: bool = False) -> None:
    """Raise ArgumentError when `value` is neither a number of seconds nor None."""
    if value is None or (is_number(value) and (value >= 0 if may_be_zero else 0 < value < math.inf)):
        return
    least = ", 0 or more," if may_be_zero else " above 0,"
    raise ArgumentError(f"{name}={value!r} must be a number of seconds{least} or None for no limit.")


def check_count(name: str, value: Any, what: str, least: int = 1, otherwise: str = "") -> None:
    """Raise ArgumentError when `value` is no whole number, `least` or more; `otherwise` tells what may stand for it."""
    if not is_count(value, least):
        raise ArgumentError(f"{name}={value!r} must be a number of {what}, {least} or more{otherwise}.")


def is_count(value: Any, least: int = 1) -> bool:
    """Return whether `value` is a whole number of at least `least`."""
    return is_integer(value) and int(value) >= least


def is_integer(value: Any) -> bool:
    """Return whether `value` is a whole number, also one of NumPy's, and no truth value."""
    return isinstance(value, numbers.Integral) and not isinstance(value, bool)


def is_number(value: object) -> TypeGuard[float]:
    """Return whether `value` is a real number, also one of NumPy's, and no truth value."""
    return isinstance(value, numbers.Real) and not isinstance(value, bool)


def refuse_tables_of_spark(**data: Any) -> None:
    """Raise ArgumentError when `X` or `y` is a DataFrame or a column of Spark, whose rows are not on the driver."""
    for name, value in data.items():
        if type(value).__module__.startswith("pyspark.sql."):
            raise ArgumentError(
                f"{name} is a {type(value).__name__} of Spark, but a search takes what scikit-learn takes; collect the "
                "rows with toPandas(), or let hpt_spark.design_from_table make X and y of a table."
            )
