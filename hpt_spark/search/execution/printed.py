"""A stream for what a fit prints, of which the beginning travels to the driver with the result."""

from __future__ import annotations

import io

# More than anybody reads; gigabytes would fill the memory of the worker and of the driver's Java.
MOST_CHARACTERS = 1 << 20


class Printed(io.StringIO):
    """A stream that keeps the first `MOST_CHARACTERS`."""

    def __init__(self) -> None:
        super().__init__()
        self._room = MOST_CHARACTERS
        self._left_out = 0

    def write(self, text: str) -> int:
        """Keep as much of `text` as there is room for."""
        kept = text[: self._room]
        super().write(kept)
        self._room -= len(kept)
        self._left_out += len(text) - len(kept)
        return len(text)

    def text(self) -> str:
        """Return the kept text, and say how much is left out."""
        more = f"\n[{self._left_out:,} more characters that a fit has printed are left out]\n" if self._left_out else ""
        return self.getvalue() + more
