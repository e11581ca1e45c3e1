"""Warnings of fits: the driver's filters hold for them, and they show no credentials."""

from __future__ import annotations

import pickle
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import cloudpickle

from hpt_spark.masking import mask_secrets


class WarningFilters(list[Any]):
    """The driver's filters; where the module of a category is missing, its filter is left out: no fit warns of it."""

    @classmethod
    def of_this_moment(cls) -> WarningFilters:
        """Return the filters of this process."""
        return cls(warnings.filters)

    def __reduce__(self) -> Any:
        return _load_filters, ([cloudpickle.dumps(one) for one in self],)


def _load_filters(pickled: Sequence[bytes]) -> WarningFilters:
    found = WarningFilters()
    for one in pickled:
        try:
            found.append(pickle.loads(one))
        except Exception:  # whatever the import of the category's module raises
            continue
    return found


@contextmanager
def masked_warnings() -> Iterator[None]:
    """Mask the credentials in the warnings of a ``with``: scikit-learn quotes the traceback of a failed scorer."""
    show = warnings.showwarning

    def show_masked(message: Any, *where: Any, **more: Any) -> None:
        masked = mask_secrets(str(message))
        show(message if masked == str(message) else masked, *where, **more)

    warnings.showwarning = show_masked
    try:
        yield
    finally:
        warnings.showwarning = show
