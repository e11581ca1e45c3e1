"""What the tests of conf/ share."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.conf.cron import Cron


@pytest.fixture
def cron(tmp_path) -> Iterator[Cron]:
    folder = tmp_path / "with a space, and 'quotes'"
    folder.mkdir()
    cron = Cron(folder)
    yield cron
    cron.end()
