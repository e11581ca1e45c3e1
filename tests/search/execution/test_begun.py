"""The file by which the driver learns which fits have begun: a view, on which no fit depends."""

from __future__ import annotations

import resource
import signal
from contextlib import contextmanager

import pytest

from hpt_spark.search.evaluation import Fit
from hpt_spark.search.execution.begun import BegunFits, note_begun


@pytest.fixture
def told():
    return []


@pytest.fixture
def begun(tmp_path, told):
    return BegunFits(tmp_path / "begun", told.append)


@contextmanager
def full_disk():
    """Let no file of this process grow beyond 15 bytes, which holds for pytest's own output, too."""
    before, limits = signal.signal(signal.SIGXFSZ, signal.SIG_IGN), resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (15, limits[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        signal.signal(signal.SIGXFSZ, before)


def test_each_fit_is_told_once(begun, told):
    fits = [Fit(0, 0, 0), Fit(1, 0, 1), Fit(12, 6, 0)]
    for some in (fits[:2], fits[2:], []):
        note_begun(begun.path, some)
        begun.tell()
    assert told == fits


def test_on_a_full_disk_the_fits_go_on_untold(begun, told):
    with full_disk():
        for number in range(4):
            note_begun(begun.path, [Fit(100 + number, 50, number)])
    begun.tell()
    assert told == [Fit(100, 50, 0)], "the second is cut, and no line of its own"


def test_a_line_that_was_cut_is_passed_over(begun, told):
    with open(begun.path, "a") as file:
        file.write("101 5")
    note_begun(begun.path, [Fit(102, 51, 0)])
    note_begun(begun.path, [Fit(103, 51, 1)])
    begun.tell()
    assert told == [Fit(103, 51, 1)]


def test_a_file_that_is_gone_tells_nothing(begun, told, tmp_path):
    (tmp_path / "begun").unlink()
    note_begun(begun.path, [Fit(0, 0, 0)])
    begun.tell()
    assert told == []
