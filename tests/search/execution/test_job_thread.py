"""How the driver waits for a job: it leaves at the deadline, and where nobody waits for the search any longer."""

from __future__ import annotations

import math
import threading
import time

import pytest

from hpt_spark.errors import HptSparkError
from hpt_spark.search.abandoned import Abandoned, gives_up
from hpt_spark.search.execution.job_thread import run_to_its_end
from hpt_spark.search.execution.spark_job import FetchJob


class Job:
    """A job that ends by itself, or never."""

    ident = 1
    is_cancelled = False

    def __init__(self, ends):
        self.ended = threading.Event()
        self._ends = ends

    def start(self):
        if self._ends:
            self.ended.set()

    def cancel(self):
        self.is_cancelled = True


@pytest.fixture
def abandoned():
    is_over = threading.Event()
    is_over.set()
    before = gives_up.set(is_over)
    yield
    gives_up.reset(before)


@pytest.mark.parametrize("ends", [True, False])
def test_a_job_is_stopped_at_the_deadline(ends):
    job = Job(ends)
    assert run_to_its_end(job, time.monotonic()) == ends
    assert job.is_cancelled


@pytest.mark.usefixtures("abandoned")
def test_a_job_is_stopped_where_nobody_waits_for_the_search():
    job = Job(ends=False)
    with pytest.raises(Abandoned):
        run_to_its_end(job)
    assert job.is_cancelled


@pytest.fixture
def fetching(monkeypatch):
    job = FetchJob(None, [], iter, "test")
    monkeypatch.setattr(job, "start", lambda: None)
    return job


@pytest.mark.usefixtures("abandoned")
def test_checkpoints_are_not_waited_for_where_nobody_waits_for_the_search(fetching):
    with pytest.raises(Abandoned):
        fetching.fetched(math.inf)


def test_checkpoints_are_not_waited_for_when_the_time_is_up(fetching):
    with pytest.raises(HptSparkError, match="there was no time to fetch them"):
        fetching.fetched(time.monotonic())
