"""What a run's manifest must hold, because the jobs go by it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

EACH = "*"  # every key of a mapping
OPTIONAL = ("files",)  # what manifests have not always had


def _is(*types: type) -> Callable[[Any], bool]:
    return lambda value: isinstance(value, types)


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) or value in ("nan", "inf", "-inf")


def _is_whatever(value: Any) -> bool:
    return True


_FACTS = {"columns": _is_whatever, "rare_terms_dropped": _is_whatever, "test_only_terms_dropped": _is_whatever}

SHAPE = {
    "plan": {
        "search": {"estimator": _is(str), "scoring": _is(str), "cv": _is(int), "refit": _is(bool)},
        "design": _is(dict),
    },
    "best": {"candidate": _is(int), "params": _is(dict), "score": _is_number, "std": _is_number},
    "candidates": _is(int),
    "seconds": _is(int, float),
    "columns_digest": _is(str),
    "design": {"train_devices": _is(int), "columns": _is(int), "blocks": {EACH: _FACTS}},
    "files": lambda value: isinstance(value, list) and all(isinstance(name, str) for name in value),
}


def first_mismatch(value: Any, shape: Any = SHAPE, at: str = "") -> str | None:
    """Return the dotted key of the first place where `value` has not its `shape`; "" is the whole, None no place."""
    if callable(shape):
        return None if shape(value) else at
    if not isinstance(value, dict):
        return at
    for key in value if EACH in shape else shape:
        place = f"{at}.{key}".strip(".")
        if key in value:
            found = first_mismatch(value[key], shape.get(key, shape.get(EACH)), place)
        else:
            found = None if key in OPTIONAL else place
        if found is not None:
            return found
    return None
