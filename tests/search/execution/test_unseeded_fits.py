"""Fits without a seed draw numbers of their own in each process, as scikit-learn's processes do."""

from __future__ import annotations

import multiprocessing
import os
import pickle
import random

import pytest
from sklearn.utils import check_random_state

from hpt_spark.search.execution.driver_imports import DriverImports
from hpt_spark.search.execution.fit_process import FitProcess


def drawn():
    """Yield what a fit without a seed draws, by NumPy and by Python, and its process."""
    yield check_random_state(None).randint(1 << 30), random.random(), os.getpid()


def draws_of_a_worker(answers):
    """Send what two fits in one child draw, and a third one after a restart of the child."""
    process, imports = FitProcess(), DriverImports.of_now(True)
    found = [pickle.loads(process.call(drawn, [], imports)) for _ in range(2)]
    process._end()  # as a fit does that kills its process, or takes longer than max_fit_time
    found.append(pickle.loads(process.call(drawn, [], imports)))
    process._end()
    answers.send(found)


@pytest.mark.long
def test_no_two_fits_draw_the_same_numbers_whichever_worker_or_child_has_them():
    fork = multiprocessing.get_context("fork")  # so PySpark's daemon starts its workers
    check_random_state(None).randint(10)
    draws = []
    for _ in range(2):
        here, there = fork.Pipe(duplex=False)
        worker = fork.Process(target=draws_of_a_worker, args=(there,))
        worker.start()
        draws += here.recv()
        worker.join()
    numpys, pythons, processes = zip(*draws)
    assert len(set(processes)) == 4, "two workers, each with a child that was started twice"
    assert len(set(numpys)) == len(set(pythons)) == 6
