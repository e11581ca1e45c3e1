"""What a search says when its job is cancelled, or its Spark is gone."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pytest
from py4j.protocol import Py4JJavaError, Py4JNetworkError
from sklearn import model_selection

from hpt_spark import GridSearchCV
from hpt_spark.errors import HptSparkError, SparkEndedError
from hpt_spark.search.execution import spark_context
from hpt_spark.search.execution.spark_context import translate_stop
from hpt_spark.search.execution.spark_job import WorkerDiedError, translate_job_error
from tests.search.misbehaving import Misbehaving
from tests.search.small_search import X, y
from tests.waiting import wait_until

ROOT = Path(__file__).parent.parent.parent
pytestmark = [
    pytest.mark.filterwarnings("ignore::sklearn.exceptions.FitFailedWarning"),
    pytest.mark.filterwarnings("ignore:One or more"),
]


@pytest.mark.long
@pytest.mark.parametrize(
    ("how", "with_journal"), [("all jobs", True), ("all jobs", False), ("job", True), ("stage", False)]
)
def test_a_job_that_somebody_cancels_is_told_and_the_search_goes_on_later(spark, tmp_path, how, with_journal):
    context, marks, journal = spark.sparkContext, tmp_path / "marks", str(tmp_path / "journal")
    marks.mkdir()

    def cancel():
        wait_until(lambda: len(list(marks.iterdir())) >= 3)
        tracker = context.statusTracker()
        job = max(tracker.getActiveJobsIds())  # jobs of one search may overlap
        if how == "all jobs":
            context.cancelAllJobs()
        elif how == "job":
            context._jsc.sc().cancelJob(job, "killed via the Web UI")
        else:
            context._jsc.sc().cancelStage(tracker.getJobInfo(job).stageIds[0], "killed via the Web UI")

    grid = {"number": list(range(40)), "how": ["naps"], "marks": [str(marks)]}
    arguments = {"cv": 2, "refit": False, "sc": spark, **({"journal": journal} if with_journal else {})}
    thread = threading.Thread(target=cancel)
    thread.start()
    way_on = f"goes on from the journal {re.escape(journal)}" if with_journal else "With a folder as journal="
    try:
        with pytest.raises(HptSparkError, match=rf"the search was cancelled( \([^()]*\))?\. .*{way_on}") as error:
            GridSearchCV(Misbehaving(), grid, **arguments).fit(X, y)
    finally:
        thread.join()
    assert not re.search(r"\n|\.java|SQLSTATE|Exception", str(error.value))
    if how == "all jobs" and with_journal:
        search = GridSearchCV(Misbehaving(), {**grid, "how": ["naps"]}, **arguments).fit(X, y)
        assert search.fit_counts_["resumed"] + search.fit_counts_["trainings"] == 80
        theirs = model_selection.GridSearchCV(Misbehaving(), {"number": list(range(40))}, cv=2, refit=False).fit(X, y)
        np.testing.assert_array_equal(search.cv_results_["mean_test_score"], theirs.cv_results_["mean_test_score"])


class ToldError(Py4JJavaError):
    """A failure of the JVM whose text is known."""

    def __init__(self, text):
        Exception.__init__(self, text)

    def __str__(self):
        return (
            f"An error occurred while calling o1.x.\n: org.apache.spark.SparkException: {self.args[0]}\n\tat A.b(C:1)"
        )


@pytest.mark.parametrize(
    ("error", "kind", "message"),
    [
        (ToldError("Job 3 cancelled as part of cancellation of all jobs"), SparkEndedError, "cancelled (as part of"),
        (ToldError("[SPARK_JOB_CANCELLED] Job 3 cancelled  SQLSTATE: XXKDA"), SparkEndedError, "search was cancelled."),
        (
            ToldError("Job 3 cancelled because killed via the Web UI"),
            SparkEndedError,
            "(because killed via the Web UI).",
        ),
        (ToldError("Job 3 cancelled because SparkContext was shut down"), SparkEndedError, "Spark was stopped"),
        (
            ToldError("Job aborted due to stage failure: Master removed our application: KILLED"),
            SparkEndedError,
            "stopped",
        ),
        (Py4JNetworkError("Answer from Java side is empty"), SparkEndedError, "Spark was stopped"),
        (ConnectionRefusedError(111, "Connection refused"), SparkEndedError, "Spark was stopped"),
        (ToldError("Task 7 in stage 1.0 failed: Python worker exited unexpectedly"), WorkerDiedError, "exited"),
        (
            ToldError("Task 7 in stage 1.0 failed: Lost task 7.0: java.nio.channels.ClosedChannelException"),
            WorkerDiedError,
            "ClosedChannelException",
        ),
        (
            ToldError("Total size is bigger than allowed"),
            HptSparkError,
            "failed: org.apache.spark.SparkException: Total size",
        ),
        (
            ToldError("x\nModuleNotFoundError: No module named 'late4.a'"),
            HptSparkError,
            "late4.a: send it with spark-submit",
        ),
        (
            ToldError("x\nAttributeError: Can't get attribute 'E' on <module 'm' from '/x.py'>"),
            HptSparkError,
            "m than the dr",
        ),
        (
            ToldError("x\nAttributeError: Can't get attribute 'f' on <module '__main__' (built-in)>"),
            HptSparkError,
            "define it in a module beside your script",
        ),
    ],
)
def test_a_failed_job_is_told_in_a_sentence(error, kind, message):
    told = translate_job_error(error, is_local=False)
    assert type(told) is kind
    assert message in str(told)
    assert "\n" not in str(told)
    assert "at A.b" not in str(told)


def test_of_an_executor_that_was_killed_only_the_reason_is_told():
    reason = "Container killed by YARN for exceeding physical memory limits. 1.7 GB of 1.5 GB physical memory used."
    lost = "ExecutorLostFailure (executor 4 exited caused by one of the running tasks)"
    failed = "Task 3 in stage 2.0 failed 1 times, most recent failure: Lost task 3.0 in stage 2.0 (TID 7)"
    told = translate_job_error(ToldError(f"Job aborted: {failed}: {lost} Reason: {reason}\nDriver stacktrace:"), False)
    assert isinstance(told, WorkerDiedError)
    assert (told.task, str(told)) == (3, reason)


def test_what_a_fit_has_raised_is_told_as_it_is_also_where_spark_was_stopped_meanwhile(no_spark, monkeypatch):
    monkeypatch.setattr(spark_context, "translate_stop", translate_stop)
    monkeypatch.setattr(spark_context, "is_stopped", lambda spark: True)
    search = GridSearchCV(Misbehaving(), {"how": ["fails"]}, cv=2, error_score="raise")
    with pytest.raises(ValueError, match="no good"):
        search.fit(X, y)


@pytest.mark.process
def test_spark_that_is_stopped_or_killed_is_told_and_a_new_one_goes_on(tmp_path):
    answer = subprocess.run(
        [sys.executable, "-m", "tests.search.stopping", tmp_path],
        capture_output=True,
        text=True,
        timeout=280,
        check=False,
        cwd="/",
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    assert answer.returncode == 0, answer.stderr
    told = json.loads(answer.stdout.splitlines()[-1])
    stopped = "Spark was stopped before the search had ended. The same search, started again, goes on from the journal"
    for how in ("stop", "java stop"):
        assert told[how].startswith(f"SparkEndedError: {stopped}")
        assert told[f"{how}, journal"] == 0, "nothing is left of the lock"
    unusable = "InputError: the SparkContext of the search is stopped; start Spark again"
    for how in ("context", "session", "context beside an active one", "java stopped, none given"):
        assert told[f"stopped {how}"].startswith(unusable), told
    assert told["stopped files"] == []
    assert told["none"].startswith("InputError: there is no active SparkContext")
    assert 0 < told["resumed"] < told["fits"]
    assert told["equal"]
    assert told["killed"].startswith(f"SparkEndedError: {stopped}")
    assert told["killed before"].startswith(unusable)
    assert os.listdir(tmp_path)
