"""The state of a fitted estimator as bytes, to see whether something has changed it."""

from __future__ import annotations

import io
from typing import Any

import cloudpickle

from hpt_spark.search.installed import is_library


def pickled_with_classes(value: Any) -> bytes:
    """Return a pickle of `value`, with what a pickle leaves out of objects of the user's own classes.

    That is the attributes that their ``__getstate__`` keeps back, and those of the classes themselves.
    """
    file = io.BytesIO()
    pickler = _Pickler(file, protocol=5)
    pickler.dump(value)
    while pickler.left_out:
        more, pickler.left_out = pickler.left_out, []
        pickler.dump(more)
    return file.getvalue()


class _Pickler(cloudpickle.Pickler):
    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.left_out: list[Any] = []
        self._seen: set[int] = set()

    def reducer_override(self, obj: Any) -> Any:
        kind = type(obj)
        if id(obj) not in self._seen and not isinstance(obj, type) and not is_library(kind.__module__):
            self._seen.add(id(obj))
            self.left_out.append(dict(getattr(obj, "__dict__", {})))
            self.left_out += [_values_of(base) for base in kind.__mro__ if not is_library(base.__module__)]
        return super().reducer_override(obj)


def _values_of(kind: type) -> dict[str, Any]:
    return {
        name: value
        for name, value in vars(kind).items()
        if not name.startswith("__") and not callable(value) and not hasattr(value, "__get__")
    }
