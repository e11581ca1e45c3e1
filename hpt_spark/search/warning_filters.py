"""The driver's filters of warnings, which hold in the fits as well."""

from __future__ import annotations

import pickle
import warnings
from collections.abc import Sequence
from typing import Any

import cloudpickle


class WarningFilters(list[Any]):
    """Filters that can be loaded where the module of a category is missing: no fit there can warn of it."""

    @classmethod
    def of_this_moment(cls) -> WarningFilters:
        """Return those that hold now."""
        return cls(warnings.filters)

    def __reduce__(self) -> Any:
        return _those_that_load, ([cloudpickle.dumps(one) for one in self],)


def _those_that_load(pickled: Sequence[bytes]) -> WarningFilters:
    found = WarningFilters()
    for one in pickled:
        try:
            found.append(pickle.loads(one))
        except Exception:  # whatever the import of the category's module raises
            continue
    return found
