"""Searches on a Spark Connect server without one: what its failures mean, and what a client knows of its slots."""

from __future__ import annotations

import types

import pytest

from hpt_spark.errors import HptSparkError, InputError, SparkEndedError
from hpt_spark.search.execution import connect_runner
from hpt_spark.search.execution.connect_runner import ConnectRunner
from hpt_spark.search.execution.connect_session import translate_connect_error
from hpt_spark.search.execution.spark_job import WorkerDiedError

RUNS = types.SimpleNamespace(is_stopped=False)
LOST = """Job aborted due to stage failure: Task 7 in stage 4.0 failed 1 times, most recent failure: Lost task 7.0 in
 stage 4.0 (TID 8): org.apache.spark.SparkException: Python worker exited unexpectedly (crashed).
\tat org.apache.spark.api.python.BasePythonRunner$ReaderIterator$$anonfun$1.applyOrElse(PythonRunner.scala:678)
Caused by: java.net.SocketException: Connection reset
"""
RAISED = """
  An exception was thrown from the Python worker. Please see the stack trace below.
Traceback (most recent call last):
  File "/a.py", line 28, in bad
    raise HptSparkError(text)
hpt_spark.errors.HptSparkError: {}
"""
OTHER_RELEASE = "the executor's Python on node7 (/bin/python) has numpy 1.0, but the driver numpy 2.0, so that ..."
OTHER_PYTHON = (
    "pyspark.errors.exceptions.base.PySparkRuntimeError: [PYTHON_VERSION_MISMATCH] Python in worker has different "
    "version: 3.12 than that in driver: 3.11, PySpark cannot run with different minor versions."
)


@pytest.mark.parametrize(
    ("text", "kind", "message"),
    [
        (LOST, WorkerDiedError, "Connection reset"),
        (RAISED.format("ModuleNotFoundError: No module named 'late4.a'"), HptSparkError, "session.addArtifacts"),
        (RAISED.format(f"HptSparkError: {OTHER_RELEASE}"), HptSparkError, OTHER_RELEASE),
        (RAISED.format("ValueError: no good"), HptSparkError, "the Spark job of the search failed: "),
        (RAISED.format(OTHER_PYTHON), InputError, "run Python 3.12, and this process Python 3.11: both must be"),
        ("[OPERATION_CANCELED] Operation has been canceled. SQLSTATE: HY008", SparkEndedError, "search was cancelled."),
        ("[INVALID_HANDLE.SESSION_CLOSED] The handle 1 is invalid. Session was closed.", SparkEndedError, "was gone"),
        ('<_Rendezvous: status = StatusCode.UNAVAILABLE details = "failed to connect">', SparkEndedError, "was gone"),
        ("", HptSparkError, "failed: RuntimeError"),
    ],
)
def test_a_failed_operation_is_told_in_a_sentence(text, kind, message):
    told = translate_connect_error(RuntimeError(text), RUNS)
    assert type(told) is kind
    assert message in str(told)
    assert "\n" not in str(told)


def test_whatever_fails_of_a_stopped_session_tells_that():
    told = translate_connect_error(RuntimeError(LOST), types.SimpleNamespace(is_stopped=True))
    assert isinstance(told, SparkEndedError)


def test_our_own_errors_stay_as_they_are():
    error = HptSparkError("a sentence")
    assert translate_connect_error(error, RUNS) is error


def test_with_a_local_master_all_slots_share_the_memory_of_the_server():
    conf = types.SimpleNamespace(getAll={"spark.master": "local[4]", "spark.executor.cores": "1"})
    runner = ConnectRunner(types.SimpleNamespace(conf=conf, is_stopped=False))
    vars(runner)["slots"] = 4
    assert runner.slots_per_executor == 4
    runner.release()


def test_a_client_s_disk_without_room_for_the_model_is_told_in_a_sentence(tmp_path, monkeypatch):
    file = tmp_path / "arriving.model"
    file.symlink_to("/dev/full")
    monkeypatch.setattr(connect_runner, "values_of", lambda session, work, take: take(b"x" * (1 << 20)))
    runner = ConnectRunner(types.SimpleNamespace(conf=types.SimpleNamespace(getAll={}), is_stopped=False))
    with pytest.raises(InputError, match=f"^the disk is full while writing {file}: free some space"):
        runner._refitted_into(file, None)
    runner.release()
