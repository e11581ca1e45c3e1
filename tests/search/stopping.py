"""Stops Spark under searches, in every way, and prints what they say: python -m tests.search.stopping FOLDER."""

from __future__ import annotations

import json
import os
import sys
import threading
import warnings
from pathlib import Path

import numpy as np
from pyspark.sql import SparkSession
from sklearn import model_selection
from sklearn.datasets import make_classification

from hpt_spark import GridSearchCV
from tests.search.misbehaving import Misbehaving
from tests.waiting import wait_until

warnings.simplefilter("ignore")
X, y = make_classification(60, 4, random_state=0)
GRID = {"number": list(range(20)), "how": ["naps"]}
folder = Path(sys.argv[1])
told = {}


def started():
    session = SparkSession.builder.master("local[2]").config("spark.ui.enabled", "false").getOrCreate()
    session.sparkContext.setLogLevel("OFF")
    return session


def tell(name, search):
    try:
        search.fit(X, y)
        told[name] = "fitted"
    except Exception as error:
        told[name] = f"{type(error).__name__}: {error}"


def search_of(name, **arguments):
    return GridSearchCV(Misbehaving(), GRID, cv=2, refit=False, journal=str(folder / name), **arguments)


def ended_under(name, search, end):
    """Fit a search, and call `end` when the first results are in its journal."""

    def wait_and_end():
        wait_until(lambda: list((folder / name).glob("*.jsonl")))
        end()

    thread = threading.Thread(target=wait_and_end)
    thread.start()
    tell(name, search)
    thread.join()
    told[f"{name}, journal"] = sum(file.startswith("lock") for file in os.listdir(folder / name))


spark = started()
ended_under("stop", search_of("stop", sc=spark), spark.stop)
tell("stopped context", search_of("untouched", sc=spark.sparkContext))
tell("stopped session", search_of("untouched", sc=spark))
tell("none", search_of("untouched"))
again = started()
tell("stopped context beside an active one", search_of("untouched", sc=spark))
search = search_of("stop").fit(X, y)
told["resumed"], told["fits"] = search.fit_counts_["resumed"], search.fit_counts_["fits"]
theirs = model_selection.GridSearchCV(Misbehaving(), {"number": GRID["number"]}, cv=2, refit=False).fit(X, y)
told["equal"] = bool(np.array_equal(*(one.cv_results_["mean_test_score"] for one in (search, theirs))))
ended_under("java stop", search_of("java stop"), again.sparkContext._jsc.sc().stop)
tell("stopped java stopped, none given", search_of("untouched"))
again.stop()
last = started()
java = last.sparkContext._gateway.proc
ended_under("killed", search_of("killed"), java.kill)
tell("killed before", search_of("untouched"))
told["stopped files"] = [str(path) for path in folder.glob("untouched")]
print(json.dumps(told), flush=True)
os._exit(0)  # PySpark would wait for its Java at the end
