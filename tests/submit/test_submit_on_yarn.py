"""`hpt-spark submit` in cluster mode on a real YARN, from the bundle."""

from __future__ import annotations

import os
import subprocess
import sys
import tarfile
from pathlib import Path

import pyspark
import pytest
import yaml

from hpt_spark.artifacts.run_directory import RunDirectory
from hpt_spark.storage import open_folder
from hpt_spark.storage.hadoop_files import HadoopFiles
from hpt_spark.submit.bundle import pack_code
from tests.artifacts.searches import a_design
from tests.jobs.running import BIN, done, environment, fetched, split_scores

pytestmark = [pytest.mark.yarn, pytest.mark.timeout(1800)]
# Two closing braces in a row, which YARN would take out of a command.
SEARCH = {
    "strategy": "random",
    "cv": 2,
    "n_iter": 2,
    "param_grid": {"n_estimators": [2], "max_depth": {"randint": [1, 9]}},
}


@pytest.fixture(scope="module")
def place(spark, tmp_path_factory):
    """A YARN, and a folder of its HDFS; with HPT_SPARK_TEST_ENVIRONMENT, a packed environment is tried out on it."""
    from tests.yarn import running_yarn

    folder, here = tmp_path_factory.mktemp("yarn"), tmp_path_factory.mktemp("here")
    with running_yarn(folder) as hdfs:
        pack_code(open_folder(here / "dist"))
        packed = Path(os.environ.get("HPT_SPARK_TEST_ENVIRONMENT", here / "env.tar.gz"))
        if not packed.exists():
            (here / "python").write_text(f'#!/bin/sh\nexec {sys.executable} "$@"\n')  # the whole would be a gigabyte
            (here / "python").chmod(0o755)
            with tarfile.open(packed, "w:gz") as archive:
                archive.add(here / "python", "bin/python")
        files = HadoopFiles(hdfs)
        for file in [path for path in (here / "dist").rglob("*") if path.is_file()]:
            files.upload(file, f"{hdfs}/hpt_spark/{file.relative_to(here / 'dist')}")
        files.upload(packed, f"{hdfs}/hpt_spark/env.tar.gz")
        conf = {
            "search": SEARCH,
            "spark": {
                "master": "yarn",
                "conf": {
                    "spark.yarn.jars": f"local:{Path(pyspark.__file__).parent}/jars/*",
                    "spark.driver.memory": "512m",
                    "spark.executor.memory": "512m",
                    "spark.executor.memoryOverhead": "1g",
                    "spark.executor.instances": 1,
                    "spark.ui.enabled": False,
                },
            },
            "submit": {
                "deploy_mode": "cluster",
                "bundle": f"{hdfs}/hpt_spark",
                "environment": f"{hdfs}/hpt_spark/env.tar.gz",
            },
        }
        (here / "c.yaml").write_text(yaml.safe_dump(conf))
        yield f"{hdfs}/runs", here, folder / "conf"


def submitted(place, run: str) -> subprocess.CompletedProcess[str]:
    _, here, hadoop_conf = place
    return subprocess.run(
        [BIN / "hpt-spark", "submit", "tune", "--conf", here / "c.yaml", "--set", f"run.dir={run}"],
        # A Python that no node has: in cluster mode it must not reach one.
        env={**environment(), "HADOOP_CONF_DIR": str(hadoop_conf), "PYSPARK_DRIVER_PYTHON": "/no/such/python"},
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )


def test_a_search_gives_what_it_gives_on_this_machine(place, tmp_path):
    run = f"{place[0]}/run"
    RunDirectory(run).save_design(a_design())
    RunDirectory(str(tmp_path / "here")).save_design(a_design())
    answer = submitted(place, run)
    assert answer.returncode == 0, answer.stderr[-4000:]
    (tmp_path / "c.yaml").write_text(yaml.safe_dump({"search": SEARCH, "spark": {"master": "local[1]"}}))
    done(BIN / "hpt-spark", "tune", "--conf", tmp_path / "c.yaml", "--set", f"run.dir={tmp_path}/here")
    assert split_scores(fetched(run, tmp_path / "there")) == split_scores(tmp_path / "here")


def test_a_job_that_fails_is_spark_submits_exit_code(place):
    answer = submitted(place, f"{place[0]}/nothing")
    assert answer.returncode == 1
    assert answer.stderr.splitlines()[-1] == (
        "hpt-spark: hpt-spark tune: spark-submit ended with exit code 1; above it says why."
    )
