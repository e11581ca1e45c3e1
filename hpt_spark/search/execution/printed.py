"""What a fit prints, which travels to the driver with its result: in bounds, however much that is."""

from __future__ import annotations

import io

# Far more than anybody reads; gigabytes would take the worker's memory, and that of the driver's Java.
MOST_CHARACTERS = 1 << 20


class Printed(io.StringIO):
    """A stream that keeps the beginning of what is printed."""

    def __init__(self) -> None:
        super().__init__()
        self._room = MOST_CHARACTERS
        self._left_out = 0

    def write(self, text: str) -> int:
        """Keep what there is room for."""
        kept = text[: self._room]
        super().write(kept)
        self._room -= len(kept)
        self._left_out += len(text) - len(kept)
        return len(text)

    def text(self) -> str:
        """Return what is kept, and how much is not."""
        more = f"\n[{self._left_out:,} more characters that a fit has printed are left out]\n" if self._left_out else ""
        return self.getvalue() + more
