"""Estimators that fail, die or wait as their parameter says; each fit leaves a mark."""

from __future__ import annotations

import ctypes
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import cloudpickle
import numpy as np
import psutil
from sklearn.base import BaseEstimator, ClassifierMixin

# The workers cannot import this file.
cloudpickle.register_pickle_by_value(sys.modules[__name__])


class UnfriendlyError(Exception):
    """An exception that cannot be read back from its pickle."""

    def __init__(self, one, two):
        super().__init__(f"{one} and {two}")


class SpeechlessError(Exception):
    """An exception of which nobody can ask what it says."""

    def __str__(self):
        raise RuntimeError("no text")


class Misbehaving(ClassifierMixin, BaseEstimator):
    """Predicts a share of the rows right that depends on `number`, unless `how` says otherwise.

    Parameters
    ----------
    number : int
    how : str
        What a fit does. With `-once` behind it, only the first fit anywhere does it.
    marks : str
        A folder: each fit leaves a file there, named by `number` and the digest of its rows.
    """

    def __init__(self, number=0, how="fits", marks=None):
        self.number = number
        self.how = how
        self.marks = marks

    def fit(self, X, y):
        if self.marks:
            with open(os.path.join(self.marks, f"{self.number}-{len(y)}-{time.time_ns()}-{os.getpid()}"), "w"):
                pass
        how, _, once = self.how.partition("-")
        if not once or self._is_first(how):
            getattr(self, f"_{how}")()
        self.classes_ = np.unique(y)
        return self

    def predict(self, X):
        return self.classes_[(np.abs(X).sum(axis=1) * (self.number + 1)).astype(int) % len(self.classes_)]

    def _is_first(self, how):
        try:
            os.close(os.open(os.path.join(self.marks, f"first-{how}"), os.O_CREAT | os.O_EXCL))
        except FileExistsError:
            return False
        return True

    def _fits(self):
        pass

    def _naps(self):
        time.sleep(0.1)

    def _sleeps(self):
        time.sleep(60)

    def _hangs(self):
        ctypes.PyDLL(None).sleep(60)  # in C, with Python's lock held

    def _fails(self):
        raise ValueError("no good")

    def _raises(self):
        raise UnfriendlyError(1, 2)

    def _killed(self):
        os.kill(os.getpid(), signal.SIGKILL)

    def _segfaults(self):
        ctypes.string_at(0)

    def _aborts(self):
        os.abort()

    def _exits(self):
        os._exit(3)

    def _leaves(self):
        sys.exit(4)

    def _orphans(self):
        # The orphan keeps the pipes of this process open.
        subprocess.Popen(["sleep", "20"], close_fds=False)
        os.kill(os.getpid(), signal.SIGKILL)

    def _worker(self):
        os.kill(os.getppid(), signal.SIGKILL)
        time.sleep(60)

    def _daemon(self):
        with open(f"/proc/{os.getppid()}/stat") as file:
            daemon = int(file.read().rpartition(")")[2].split()[1])
        os.kill(daemon, signal.SIGKILL)
        time.sleep(0.1)

    def _executor(self):
        """Kill the JVM of the executor: the first process above that is none of Python's."""
        pid = os.getpid()
        while True:
            with open(f"/proc/{pid}/stat") as file:
                pid = int(file.read().rpartition(")")[2].split()[1])
            with open(f"/proc/{pid}/comm") as file:
                if file.read().strip() == "java":
                    break
        os.kill(pid, signal.SIGKILL)
        time.sleep(60)


def fits_that_run(folder, marks="[0-9]*"):
    """Return the processes of the fits with such marks, as far as they are there still."""
    pids = {int(mark.name.rpartition("-")[2]) for mark in Path(folder).glob(marks)}
    return [pid for pid in pids if psutil.pid_exists(pid) and psutil.Process(pid).status() != psutil.STATUS_ZOMBIE]


def fits_marked(folder):
    """Return how often each number was fitted."""
    counts: dict[int, int] = {}
    for name in os.listdir(folder):
        if not name.startswith("first"):
            number = int(name.partition("-")[0])
            counts[number] = counts.get(number, 0) + 1
    return counts
