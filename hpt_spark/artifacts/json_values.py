"""Values of a search in the types of JSON."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from datetime import date
from typing import Any

import numpy as np


def json_safe(value: Any) -> Any:
    """Return `value` in JSON's types: Python's own, and numbers such as nan as texts.

    NaN and the infinities become ``"nan"``, ``"inf"`` and ``"-inf"``, which `float` reads; Python would
    write words for them that no other reader of JSON accepts.
    """
    return _converted(value, lambda number: number if math.isfinite(number) else str(number))


def to_python(value: Any) -> Any:
    """Return `value` with NumPy's scalars and arrays as Python's."""
    return _converted(value, lambda number: number)


def _converted(value: Any, of_float: Callable[[float], Any]) -> Any:
    if isinstance(value, Mapping):
        return {str(key): _converted(item, of_float) for key, item in value.items()}
    if isinstance(value, np.ndarray):
        value = value.tolist()
    if isinstance(value, (list, tuple)):
        return [_converted(item, of_float) for item in value]
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, float):
        return of_float(value)
    if isinstance(value, date):  # YAML has them
        return str(value)
    return value if isinstance(value, (str, int, bool, type(None))) else repr(value)
