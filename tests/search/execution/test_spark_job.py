"""The Spark jobs of a search, as their driver stops them."""

from __future__ import annotations

import time

from pyspark import SparkContext

from hpt_spark.errors import SparkEndedError
from hpt_spark.search.execution.spark_job import SparkJob


def test_a_job_that_spark_has_not_begun_is_cancelled_all_the_same(spark):
    def sleep(_):
        time.sleep(120)
        return iter(())

    job = SparkJob(spark.sparkContext, [0], sleep, "sleeps")
    job.start()
    assert job.cancel()
    assert job.ended.is_set()
    job.join(10)  # the thread itself lives for a moment longer than the job
    assert not job.is_alive()
    assert isinstance(job.failure(), SparkEndedError)


def test_a_job_that_pyspark_cannot_begin_has_ended(spark, monkeypatch):
    job = SparkJob(spark.sparkContext, [0], iter, "never begins")
    monkeypatch.setattr(SparkContext, "_active_spark_context", None)  # as where another thread stops Spark
    job.run()
    assert job.ended.is_set()
    assert isinstance(job.error, Exception)
