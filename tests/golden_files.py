"""Texts that are kept in tests/golden; REBUILD_GOLDEN=1 writes them anew."""

from __future__ import annotations

import os
from pathlib import Path

GOLDEN = Path(__file__).parent / "golden"


def assert_golden(text: str, name: str) -> None:
    """Fail unless `text` is that of the file `name`."""
    path = GOLDEN / name
    if os.environ.get("REBUILD_GOLDEN"):
        path.parent.mkdir(exist_ok=True)
        path.write_text(text, encoding="utf-8")
    assert text == path.read_text(encoding="utf-8")
