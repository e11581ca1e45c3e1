from __future__ import annotations

import shutil

import pytest


@pytest.fixture
def copied(tables, tmp_path):
    """A copy of the tables, for a test that changes them."""
    return shutil.copytree(tables, tmp_path / "tables")
