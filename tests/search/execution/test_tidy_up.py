"""The task that deletes a search's files on a node; tests on a cluster run it where there are nodes."""

from __future__ import annotations

from functools import partial

from hpt_spark.search.execution.spark_job import SparkJob
from hpt_spark.search.execution.spark_task import folder_of_this_node, tidy_up_node


def test_it_deletes_what_the_search_has_shared_and_its_job_succeeds(spark):
    ours, of_others = (folder_of_this_node() / f"{token}.shared" for token in ("ours", "of-others"))
    for file in (ours, of_others):
        file.touch()
    job = SparkJob(spark.sparkContext, range(2), partial(tidy_up_node, tokens={"ours"}), "test")
    job.start()
    job.join()
    assert job.error is None
    assert (ours.exists(), of_others.exists()) == (False, True)
    of_others.unlink()
