"""The names of numbers that are categories, as Spark writes them, and which texts are numbers."""

from __future__ import annotations

import math
import re

import numpy as np

# Spark's decimals have 38 digits; \s is that of ASCII in Java, too.
WHOLE = r"^\s*[+-]?0*[0-9]{1,38}\s*$"
_WHOLE = re.compile(WHOLE, re.ASCII)


def name_of_number(number: float | None) -> str | None:
    """Return the name of a float: whole ones without a point."""
    if number is None or np.isnan(number):
        return None
    return str(int(number)) if number == np.floor(number) and abs(number) < 9e15 else _as_java(number)


def name_of_text(text: str | None) -> str | None:
    """Return the name of a whole number with all its digits; None of any other text."""
    return str(int(text)) if text is not None and _WHOLE.match(text) else None


def name_as_float(name: str) -> str:
    """Return the name that a whole number has where it was read as a float; any other name as it is."""
    return str(name_of_number(float(name))) if _WHOLE.match(name) else name


def is_number(text: str) -> bool:
    """Return whether a text is a number to Spark."""
    try:
        return "_" not in text and math.isfinite(float(text))  # 1_000 is a number to Python alone, not to Spark
    except ValueError:
        return False


def _as_java(number: float) -> str:
    """Return a number as Spark writes it: beyond ten millions and below a thousandth with an exponent."""
    if 1e-3 <= abs(number) < 1e7:
        return repr(float(number))
    mantissa, _, power = np.format_float_scientific(number, trim="0").partition("e")
    return f"{mantissa}E{int(power)}"
