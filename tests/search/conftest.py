"""What the tests of the search share."""

import pytest


@pytest.fixture
def marks(tmp_path):
    """The folder in which the fits of `Misbehaving` leave marks."""
    folder = tmp_path / "marks"
    folder.mkdir()
    return folder
