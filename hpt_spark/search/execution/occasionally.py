"""A question that is asked again and again, and answered with yes once in a while."""

from __future__ import annotations

import math
import time


class Occasionally:
    """Says yes at most once in so many seconds."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._last = -math.inf

    def __call__(self) -> bool:
        """Return whether it is time again."""
        now = time.monotonic()
        if now - self._last < self._seconds:
            return False
        self._last = now
        return True
