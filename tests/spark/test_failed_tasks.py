"""Messages of Spark about a task that fails, above the one sentence of the job."""

from __future__ import annotations

import pytest

from tests.python_process import run_python

FAILING = """
import sys
from contextlib import suppress
from pyspark.sql import functions as F
from hpt_spark.config.sections import SparkSection
from hpt_spark.spark.session import spark_session

def own(number):
    raise KeyError("of the user")

with spark_session("x", SparkSection(master="local[1]", conf={"spark.ui.enabled": False})) as spark:
    with suppress(Exception):
        spark.read.parquet(sys.argv[1])
    with suppress(Exception):
        spark.range(1).select(F.udf(own)("id")).collect()
"""


@pytest.mark.process
def test_a_failed_task_is_told_without_java_but_with_the_traceback_of_a_function_of_the_user(tmp_path):
    path = tmp_path / "table.csv"
    path.write_text("a,b\n1,2\n")
    answer = run_python(FAILING, path, timeout=200)
    assert answer.returncode == 0, answer.stderr
    assert answer.stderr.count("Exception in task") == 2
    assert f"Caused by: java.lang.RuntimeException: file:{path} is not a Parquet file" in answer.stderr
    assert ", in own\n" in answer.stderr
    assert "\nKeyError: 'of the user'\n" in answer.stderr
    assert "\tat " not in answer.stderr
