"""`hpt-spark submit` on a standalone cluster whose Workers do not see the folder of the driver."""

from __future__ import annotations

import sys
import tarfile

import pytest
import yaml

from hpt_spark.storage import open_folder
from hpt_spark.submit.bundle import pack_code
from tests.artifacts.searches import a_run
from tests.jobs.running import BIN, done, split_scores
from tests.search.standalone import Cluster

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(1800)]
SEARCH = {"cv": 2, "param_grid": {"n_estimators": [2], "max_depth": [2, 3, 4]}}


def test_the_bundle_and_its_environment_reach_workers_that_do_not_see_them(tmp_path):
    (tmp_path / "python").write_text(f'#!/bin/sh\n: > used-the-packed-one\nexec {sys.executable} "$@"\n')
    (tmp_path / "python").chmod(0o755)
    with Cluster(tmp_path) as cluster:
        pack_code(open_folder(cluster.hidden / "dist"))
        with tarfile.open(cluster.hidden / "dist" / "env.tar.gz", "w:gz") as archive:
            archive.add(tmp_path / "python", "bin/python")
        dist, run = cluster.hidden / "dist", cluster.hidden / "run"
        for place in (run, tmp_path / "here"):
            a_run(place)
        conf = {"search": SEARCH, "run": {"dir": str(run)}, "spark": cluster.settings()}
        conf["submit"] = {"bundle": str(dist), "environment": str(dist / "env.tar.gz")}
        (tmp_path / "c.yaml").write_text(yaml.safe_dump(conf))
        done(BIN / "hpt-spark", "submit", "tune", "--conf", tmp_path / "c.yaml")
        for node in (1, 0):
            assert list(cluster.node(node).glob("work/*/*/used-the-packed-one")), node
        (tmp_path / "here.yaml").write_text(yaml.safe_dump({"search": SEARCH, "spark": {"master": "local[1]"}}))
        done(BIN / "hpt-spark", "tune", "--conf", tmp_path / "here.yaml", "--set", f"run.dir={tmp_path}/here")
        assert split_scores(run) == split_scores(tmp_path / "here")
