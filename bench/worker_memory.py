"""Memory of a search's worker processes on a matrix that is large beside everything else.

``python bench/worker_memory.py PEER CORES OUT`` runs a small grid on generated rows and samples the
workers' memory. Of a page that n processes map, each is counted one n-th (PSS): the sum over the
workers is what they take of the machine.
"""

from __future__ import annotations

import json
import re
import sys
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import psutil
from scipy import sparse
from sklearn.model_selection import GridSearchCV, ShuffleSplit
from spark_sklearn_mechanism import MechanismGridSearchCV
from xgboost import XGBClassifier

from hpt_spark import GridSearchCV as OurGridSearchCV
from hpt_spark.config.sections import SparkSection
from hpt_spark.spark.session import spark_session

ROWS, COLUMNS, PER_ROW = 400_000, 2_000, 200
SECONDS_BETWEEN_SAMPLES = 0.1
GRID = {"n_estimators": [2], "max_depth": [2, 3]}
# Small folds of large data: a copy of the matrix weighs more than a training.
SPLITTER = ShuffleSplit(4, train_size=0.1, test_size=0.02, random_state=0)


@dataclass(frozen=True)
class WorkerMemory:
    """What the workers took, in bytes.

    Parameters
    ----------
    peak : int
        The highest sum of their PSS.
    own : int
        The highest growth of one worker's own pages, those that no file backs, over what it began
        with: what one training needs.
    matrix : int
        The arrays of X.
    """

    peak: int
    own: int
    matrix: int

    @classmethod
    def read(cls, file: Path) -> WorkerMemory:
        """Return what the script wrote."""
        return cls(**json.loads(file.read_text(encoding="utf-8")))


class Sampler(threading.Thread):
    """Samples the memory of the worker processes below this one until it is stopped."""

    def __init__(self) -> None:
        super().__init__(daemon=True)
        self.peak = 0
        self._first: dict[int, int] = {}
        self._most: dict[int, int] = {}
        self._ended = threading.Event()

    def run(self) -> None:
        """Sample."""
        while not self._ended.wait(SECONDS_BETWEEN_SAMPLES):
            total = 0
            for worker in workers():
                pss, anonymous = pages_of(worker)
                total += pss
                self._first.setdefault(worker, anonymous)
                self._most[worker] = max(anonymous, self._most.get(worker, 0))
            self.peak = max(self.peak, total)

    def stop(self) -> None:
        """End, and wait for the last sample."""
        self._ended.set()
        self.join()

    @property
    def own(self) -> int:
        """The highest growth of a worker's own pages."""
        return max((most - self._first[worker] for worker, most in self._most.items()), default=0)


def workers() -> list[int]:
    """Return the Python processes that train: all below Spark's daemon, which forks them, or joblib's."""
    found = set()
    for process in psutil.Process().children(recursive=True):
        with suppress(psutil.NoSuchProcess, psutil.ZombieProcess):
            command = process.cmdline()
            if "daemon" in " ".join(command):
                found |= {below.pid for below in process.children(recursive=True)}
            elif "loky" in " ".join(command):
                found.add(process.pid)
    return sorted(found)


def pages_of(pid: int) -> tuple[int, int]:
    """Return a process's PSS, and the part of it that no file backs, in bytes; 0 once it has gone."""
    with suppress(OSError):
        text = Path(f"/proc/{pid}/smaps_rollup").read_text(encoding="ascii")
        sizes = dict(re.findall(r"^(\w+): +(\d+) kB", text, re.MULTILINE))
        return int(sizes["Pss"]) * 1024, int(sizes["Pss_Anon"]) * 1024
    return 0, 0


def generated_rows() -> tuple[sparse.csr_matrix, np.ndarray]:
    """Return a large sparse matrix and a target of two classes."""
    random = np.random.default_rng(0)
    entries = ROWS * PER_ROW
    values = random.random(entries, dtype=np.float32)
    columns = np.sort(random.integers(0, COLUMNS, (ROWS, PER_ROW), dtype=np.int32), axis=1).ravel()
    begins = np.arange(0, entries + 1, PER_ROW, dtype=np.int32)
    X = sparse.csr_matrix((values, columns, begins), shape=(ROWS, COLUMNS))
    return X, (values[::PER_ROW] > 0.5).astype(np.int32)


def main() -> None:
    """Run the search that the command line names."""
    peer, cores, out = sys.argv[1], int(sys.argv[2]), Path(sys.argv[3])
    X, y = generated_rows()
    arguments: dict[str, Any] = {
        "estimator": XGBClassifier(seed=0, n_jobs=1),
        "param_grid": GRID,
        "scoring": "neg_log_loss",
        "cv": SPLITTER,
    }
    searches: dict[str, Callable[[Any], Any]] = {
        "hpt_spark": lambda context: OurGridSearchCV(**arguments, refit=False, sc=context),
        "spark-sklearn's mechanism, re-implemented": lambda context: MechanismGridSearchCV(context, **arguments),
        "scikit-learn, n_jobs": lambda context: GridSearchCV(**arguments, refit=False, n_jobs=cores),
    }
    with spark_session("bench", SparkSection(master=f"local[{cores}]", conf={"spark.driver.memory": "4g"})) as session:
        context = session.sparkContext
        context.parallelize(range(cores), cores).foreach(lambda _: time.sleep(1))  # every worker is there
        sampler = Sampler()
        sampler.start()
        searches[peer](context).fit(X, y)
        sampler.stop()
    matrix = X.data.nbytes + X.indices.nbytes + X.indptr.nbytes
    out.write_text(json.dumps(asdict(WorkerMemory(sampler.peak, sampler.own, matrix))), encoding="utf-8")


if __name__ == "__main__":
    main()
