"""A search as a process of its own, to be killed: python -m tests.search.searching PLAN.json.

The plan names the search class, the grid, where Spark runs, the journal, and the file that the results go to.
"""

from __future__ import annotations

import json
import os
import pickle
import signal
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import numpy as np
import psutil
from sklearn import model_selection
from sklearn.datasets import make_classification
from sklearn.experimental import enable_halving_search_cv  # noqa: F401
from xgboost import XGBClassifier

from tests.search import each_strategy
from tests.search.misbehaving import Misbehaving
from tests.search.scores import scores_of
from tests.waiting import wait_until

ROOT = Path(__file__).parent.parent.parent
MARK = "SEARCH_UNDER_TEST"  # a variable by which all processes of a search are known

X, y = make_classification(120, 5, n_informative=4, n_redundant=0, n_classes=3, random_state=0)


def search_of(plan, module, **arguments):
    """Return the search of `plan`, of `module`: scikit-learn's or ours."""
    if plan["how"] == "xgboost":
        grid = {"n_estimators": [3, 6, 9], "max_depth": [2, 3], "subsample": [0.5, 1.0], "colsample_bylevel": [0.6]}
        estimator = XGBClassifier(seed=0, n_jobs=1)
        return getattr(module, plan["kind"])(estimator, grid, cv=3, scoring="neg_log_loss", refit=False, **arguments)
    grid = {"number": list(range(plan["candidates"])), "how": [plan["how"]], "marks": [plan["marks"]]}
    return getattr(module, plan["kind"])(Misbehaving(), grid, cv=3, refit=False, **plan["arguments"], **arguments)


def run(plan, spark):
    """Run the search of `plan` and return it."""
    if plan["how"] == "strategy":
        scoring = each_strategy.Accuracy(nap=0.1)
        search = each_strategy.search_of(plan["kind"], scoring, journal=plan["journal"], sc=spark)
        return search.fit(each_strategy.X, each_strategy.y)
    import hpt_spark

    return search_of(plan, hpt_spark, journal=plan["journal"], sc=spark).fit(X, y)


def plan_of(folder, kind, candidates=8, how="naps", **arguments):
    """Return a plan whose files lie in `folder`."""
    for name in ("marks", "plain"):
        (folder / name).mkdir(exist_ok=True)
    return {
        "kind": kind,
        "candidates": candidates,
        "how": how,
        "marks": str(folder / "marks"),
        "journal": str(folder / "journal"),
        "out": str(folder / "out.pickle"),
        "arguments": arguments,
    }


def assert_same_scores(found, plan):
    """Compare the scores with those of scikit-learn's own search, without the file names of the marks."""
    expected = scores_of(search_of({**plan, "how": "fits"}, model_selection).fit(X, y))
    assert list(found) == list(expected)
    for name, values in expected.items():
        if name in ("params", "param_how"):
            assert [dict(one, how="") if name == "params" else "" for one in found[name]] == [
                dict(one, how="") if name == "params" else "" for one in values
            ]
        else:
            assert found[name].dtype == values.dtype
            np.testing.assert_array_equal(found[name], values, err_msg=name)


def started(plan, master="local[2]", conf=None):
    """Start the search of `plan` as a process."""
    path = Path(plan["out"]).with_name("plan.json")
    path.write_text(json.dumps({**plan, "master": master, "conf": conf or {}}))
    with path.with_suffix(".log").open("a") as log:
        return subprocess.Popen(
            [sys.executable, "-m", "tests.search.searching", str(path)],
            stdout=log,
            stderr=log,
            start_new_session=True,
            cwd="/",
            env={**os.environ, MARK: plan["out"], "PYTHONPATH": str(ROOT)},
        )


def records_in(journal):
    """Return how many fits are in the journal."""
    return sum(len(path.read_text().splitlines()) for path in Path(journal).glob("fits-*.jsonl"))


def wait_for_records(process, plan, at_least=1, seconds=200):
    """Wait until so many fits are in the journal of a process."""
    log = Path(plan["out"]).with_name("plan.log")
    wait_until(lambda: records_in(plan["journal"]) >= at_least, seconds, process=process, said=log.read_text)


def wait_until_gone(plan, seconds=60):
    """Wait until the workers of a killed driver have ended, which may begin one more fit before they notice."""

    def is_of_plan(process):
        with suppress(psutil.Error):
            return process.environ().get(MARK) == plan["out"]
        return False

    wait_until(lambda: not any(map(is_of_plan, psutil.process_iter())), seconds)


def kill_all_of(process):
    """Kill a driver with its JVM and workers, as a machine that goes down does."""
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()


if __name__ == "__main__":
    from hpt_spark.config.sections import SparkSection
    from hpt_spark.spark.session import spark_session

    the_plan = json.loads(Path(sys.argv[1]).read_text())
    signal.signal(signal.SIGINT, signal.default_int_handler)
    with spark_session("killed", SparkSection(master=the_plan["master"], conf=the_plan["conf"])) as session:
        ended = run(the_plan, session)
    Path(the_plan["out"]).write_bytes(pickle.dumps((scores_of(ended), ended.fit_counts_, ended.incomplete_)))
