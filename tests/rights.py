"""Tests as somebody who may not read everything."""

from __future__ import annotations

import os
from contextlib import contextmanager

NOBODY = 65_534


@contextmanager
def without_rights():
    """Be nobody, where this is root, who may read everything."""
    before = os.geteuid()
    if before == 0:
        os.seteuid(NOBODY)
    try:
        yield
    finally:
        os.seteuid(before)
