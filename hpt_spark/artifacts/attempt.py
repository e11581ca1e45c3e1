"""The attempt of a submission that this process is."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from typing import Any

CONTAINER = re.compile(r"container_(?:e\d+_)?(\d+_\d+)_(\d+)_\d+")


@dataclass(frozen=True)
class Attempt:
    """An attempt of a YARN application: YARN starts a lost driver again, with the same arguments."""

    application: str  # its id
    number: int  # counted from 1

    @classmethod
    def current(cls) -> Attempt | None:
        """Return the attempt that this driver is; None outside a container of YARN."""
        container = CONTAINER.fullmatch(os.environ.get("CONTAINER_ID", ""))
        return cls(f"application_{container[1]}", int(container[2])) if container else None

    def follows(self, recorded: Any) -> bool:
        """Return whether an earlier attempt of the same application has `recorded` this."""
        if not isinstance(recorded, dict) or not isinstance(recorded.get("number"), int):
            return False
        return recorded.get("application") == self.application and recorded["number"] < self.number
