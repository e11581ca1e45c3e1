"""What the tests of the search share."""

import pytest

from tests.search.without_spark import without_spark


@pytest.fixture
def marks(tmp_path):
    """The folder in which the fits of `Misbehaving` leave marks."""
    folder = tmp_path / "marks"
    folder.mkdir()
    return folder


@pytest.fixture
def no_spark():
    """Searches whose fits run in this process."""
    with without_spark():
        yield
