"""A fit's threads are those of its task: ``spark.task.cpus`` decides, counted in ``/proc``."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

COUNT = """
import json, os, sys
import cloudpickle, numpy as np
from xgboost import XGBClassifier
from hpt_spark import GridSearchCV
from hpt_spark.config.sections import SparkSection
from hpt_spark.spark.session import spark_session

class Counting(XGBClassifier):
    def fit(self, X, y, **params):
        before = len(os.listdir("/proc/self/task"))
        super().fit(X, y, **params)
        threads = json.loads(self.get_booster().save_config())["learner"]["generic_param"]["nthread"]
        self.counted_ = [os.environ.get("OMP_NUM_THREADS"), len(os.listdir("/proc/self/task")) - before, int(threads)]
        return self

def counted(estimator, X, y):
    return {name: float(value or 0) for name, value in zip(("environment", "started", "nthread"), estimator.counted_)}

cloudpickle.register_pickle_by_value(sys.modules["__main__"])
X = np.random.default_rng(0).random((3000, 30))
y = (X[:, 0] > 0.5).astype(int)
settings = SparkSection(master="local[2]", conf={"spark.ui.enabled": "false", "spark.task.cpus": sys.argv[1]})
with spark_session("threads", settings) as session:
    estimator = Counting(n_estimators=3, n_jobs=int(sys.argv[1]))
    search = GridSearchCV(estimator, {"max_depth": [2, 3]}, cv=2, scoring=counted, refit=False, sc=session).fit(X, y)
    names = ("environment", "started", "nthread")
    print(json.dumps([search.cv_results_[f"mean_test_{name}"].tolist() for name in names]))
"""


@pytest.mark.parametrize("cpus", [1, pytest.param(2, marks=pytest.mark.slow)])
@pytest.mark.process
def test_a_fit_has_the_threads_of_its_task(cpus):
    root = Path(__file__).parent.parent.parent.parent
    environment = {name: value for name, value in os.environ.items() if name != "OMP_NUM_THREADS"}
    answer = subprocess.run(
        [sys.executable, "-c", COUNT, str(cpus)],
        capture_output=True,
        text=True,
        cwd=root,
        env=environment,
        check=False,
        timeout=280,
    )
    assert answer.returncode == 0, answer.stderr
    environment_says, started, nthread = json.loads(answer.stdout.splitlines()[-1])
    assert set(environment_says) <= {cpus, 0}  # Spark 3.3 sets it on a cluster only
    assert set(nthread) == {cpus}
    # OpenMP keeps its threads between fits: the first fit of a process starts them, beside the one it runs in.
    assert max(started) <= cpus - 1
