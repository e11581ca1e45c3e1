"""A run directory to finish searches in."""

from __future__ import annotations

import pytest

from tests.artifacts.searches import a_run


@pytest.fixture
def run(tmp_path):
    """A run with a saved design."""
    return a_run(tmp_path / "run")
