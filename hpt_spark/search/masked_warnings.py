"""Warnings of fits, without the credentials that they quote."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from hpt_spark.storage import mask_secrets


@contextmanager
def masked_warnings() -> Iterator[None]:
    """Mask the credentials in what is warned of in a ``with``: scikit-learn quotes the traceback of a failed scorer."""
    show = warnings.showwarning

    def show_masked(message: Any, *where: Any, **more: Any) -> None:
        masked = mask_secrets(str(message))
        show(message if masked == str(message) else masked, *where, **more)

    warnings.showwarning = show_masked
    try:
        yield
    finally:
        warnings.showwarning = show
