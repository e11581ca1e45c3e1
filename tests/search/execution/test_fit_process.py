"""The process of the fits, without Spark: what a worker is told when it does not answer."""

from __future__ import annotations

import os
import signal
import time

import psutil
import pytest

from hpt_spark.search.execution import fit_process
from hpt_spark.search.execution.driver_imports import DriverImports
from hpt_spark.search.execution.fit_process import Death, FitProcess
from hpt_spark.search.retries import Ending
from tests.waiting import wait_until


def answers_much():
    yield b"." * (8 << 20)  # which no pipe holds: the process waits for its reader


def closes_all_its_files():
    os.closerange(3, 256)
    time.sleep(600)
    yield None


@pytest.fixture
def process():
    started = FitProcess()
    started._suit(DriverImports.of_now(is_local=True))
    yield started
    started._end()


@pytest.mark.long
def test_a_process_that_is_killed_in_the_middle_of_an_answer_has_died_of_that(process):
    process._ask(answers_much, [])
    wait_until(process._from_child.poll, 120)
    os.kill(process._process.pid, signal.SIGKILL)
    assert process._answer() == Death("its process was ended by SIGKILL", Ending.KILLED)


@pytest.mark.long
def test_a_fit_that_closes_its_process_s_files_is_not_waited_for(process, monkeypatch):
    monkeypatch.setattr(fit_process, "SECONDS_TO_END", 0.2)
    process._ask(closes_all_its_files, [])
    death = process._answer()
    assert (death.ending, "closed the pipe" in death.reason) == (Ending.FAULT, True)
    assert "memory" not in death.advice


def answers_soon():
    time.sleep(0.3)
    yield "soon"


@pytest.mark.long
@pytest.mark.parametrize(("stops_too", "is_ended"), [(True, False), (False, True)])
def test_a_machine_that_stands_still_takes_no_time_from_a_fit(process, monkeypatch, stops_too, is_ended):
    monkeypatch.setattr(fit_process, "SECONDS_BETWEEN_LOOKS", 0.1)
    process._ask(answers_soon, [])
    wait_until(process._from_child.poll, 120)  # it has started
    process._answer()
    process._ask(answers_soon, [])
    fit = psutil.Process(process._process.pid)
    fit.suspend()
    if stops_too:
        poll = process._from_child.poll

        def stops_first(seconds=0.0):
            monkeypatch.setattr(process._from_child, "poll", poll)
            time.sleep(6)
            fit.resume()
            return False

        monkeypatch.setattr(process._from_child, "poll", stops_first)
    assert isinstance(process._answer(limit=5.0), Death) == is_ended


@pytest.mark.parametrize(("exit_code", "is_told_of_memory"), [(3, False), (-signal.SIGKILL, True)])
def test_memory_is_named_as_the_cause_only_where_it_may_be(exit_code, is_told_of_memory):
    assert ("memory" in fit_process._death(exit_code).advice) == is_told_of_memory
