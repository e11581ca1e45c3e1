"""The jobs in cluster mode on a real YARN of two nodes, from the bundle; all that they share is an HDFS.

The containers have a HOME that is not there, and a PATH whose Python is not to be started.
"""

from __future__ import annotations

import json
import shlex
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import psutil
import pytest
import yaml

from hpt_spark.artifacts.run_directory import LATER
from hpt_spark.storage.folder import DELETED, REPLACED, UNFINISHED
from tests.artifacts.searches import a_run
from tests.jobs.running import (
    GRID,
    ROOT,
    SPARK,
    contents,
    done_here,
    fetched,
    one_sentence,
    set_words,
    settings,
    split_scores,
)
from tests.jobs.submitted import FEATURES, SECONDS_OF_A_JOB, Submitted, ended
from tests.waiting import wait_until
from tests.yarn import running_yarn

pytestmark = [pytest.mark.yarn, pytest.mark.timeout(7200)]
OWN_TABLE = ROOT / "examples" / "own_table"
QUICK = {"cv": 2, "param_grid": GRID}
# As many trainings as fits, so that a kill comes between two of them; and two closing braces in a row, which YARN would
# take out of a command.
SLOW = {
    "cv": 2,
    "strategy": "random",
    "n_iter": 6,
    "param_grid": {"n_estimators": [120], "learning_rate": {"uniform": [0.05, 0.3]}},
}
DRIVER, EXECUTOR = (
    "org.apache.spark.deploy.yarn.ApplicationMaster",
    "org.apache.spark.executor.YarnCoarseGrainedExecutorBackend",
)
# A user's own estimator, in a module that only travels with the job.
HUNGRY = """
import time
from sklearn.linear_model import LogisticRegression

class Hungry(LogisticRegression):
    def fit(self, X, y, sample_weight=None):
        taken = []
        while self.C == 2 and len(taken) < 80:
            taken.append(b"x" * (50 << 20))  # 4 GB in all, written to, but slowly: YARN looks every half second
            time.sleep(0.1)
        return super().fit(X, y, sample_weight)
"""


def without_counts(found: dict[str, object]) -> dict[str, object]:
    """Return all of a run but how much of it was resumed, and the digests of files that have times in them."""
    found["run/manifest.json"].pop("reuse")
    return {name: content for name, content in found.items() if not name.endswith("pipeline.json")}


def without_later_files(manifest: dict[str, Any]) -> dict[str, Any]:
    """Return a manifest without what is written after the search, by the next attempt too: report and status."""
    return {**manifest, "files": {name: file for name, file in manifest["files"].items() if name not in LATER}}


def without_places(found: dict[str, object]) -> dict[str, object]:
    """Return that without where the table of the user lies."""
    found["run/manifest.json"]["configuration"].pop("features")
    return without_counts(found)


@pytest.fixture(scope="module")
def submitted(raw, spark, tmp_path_factory):
    """A YARN with the bundle and the raw files on its HDFS."""
    with running_yarn(tmp_path_factory.mktemp("yarn")) as yarn:
        jobs = Submitted(yarn, tmp_path_factory.mktemp("submitted"))
        jobs.upload(raw, "raw")
        yield jobs


@pytest.fixture
def cluster(submitted):
    """The same with both nodes, whatever the test before has killed."""
    submitted.yarn.start_nodes()
    return submitted


@pytest.fixture(scope="module")
def on_disk(raw, spark, tmp_path_factory):
    """What a pipeline leaves on a local disk with local[2]: return it by the settings of its search."""

    def left(search: Mapping[str, Any]) -> dict[str, object]:
        place = tmp_path_factory.mktemp("local")
        where = {"source": {"uri": str(raw)}, "tables": {"uri": f"{place}/tables"}, "run": {"dir": f"{place}/run"}}
        conf = {**where, "features": FEATURES, "search": search, "spark": SPARK}
        (place / "conf.yaml").write_text(yaml.safe_dump(conf))
        done_here("pipeline", "--conf", place / "conf.yaml", spark=spark)
        (place / "conf.yaml").unlink()
        return without_counts(contents(place))

    return left


@pytest.fixture(scope="module")
def slow_on_disk(on_disk):
    return on_disk(SLOW)


@pytest.fixture(scope="module")
def quick(submitted):
    """The folder of a pipeline that has run undisturbed."""
    submitted.run("pipeline", "quick", QUICK)
    return "quick"


def test_the_pipeline_leaves_on_yarn_what_it_leaves_on_a_disk(submitted, quick, on_disk, tmp_path):
    assert without_counts(submitted.left_in(quick, tmp_path)) == on_disk(QUICK)


def test_a_table_of_ones_own_leaves_on_yarn_what_it_leaves_on_a_disk(submitted, spark, tmp_path):
    """The example, whose table is uploaded as its page says."""
    table = f"{submitted.yarn.hdfs}/own/customers.csv"
    submitted.files.upload(OWN_TABLE / "customers.csv", table)
    here = tmp_path / "local" / "run"
    local = ("--set", f"features.table.uri={OWN_TABLE}/customers.csv", *settings(here))
    done_here("pipeline", "--conf", OWN_TABLE / "own.yaml", *local, spark=spark)
    submitted.run("pipeline", "own", {}, "--conf", OWN_TABLE / "own.yaml", "--set", f"features.table.uri={table}")
    on_yarn, on_disk = (without_places(found) for found in (submitted.left_in("own", tmp_path), contents(here.parent)))
    assert on_yarn.pop("customers.csv") == (OWN_TABLE / "customers.csv").read_bytes()
    assert on_yarn == on_disk
    assert len(on_disk["run/cv_results.csv"]) == 6


# --- what is killed in the middle ---


def containers_of(main_class: str, run: str) -> list[psutil.Process]:
    """Return the JVMs with a main class that YARN has started for the search in `run`; others may still be ending."""
    javas = {}
    for process in psutil.process_iter(["cmdline"]):
        words = process.info["cmdline"] or []
        if words and words[0].endswith("java"):
            javas[process] = words
    (driver,) = [process for process, words in javas.items() if DRIVER in words and f"run.dir={run}" in words]
    if main_class == DRIVER:
        return [driver]
    application = "_".join(["application", *driver.environ()["CONTAINER_ID"].split("_")[-4:-2]])
    return [process for process, words in javas.items() if main_class in words and application in words]


def wait_for_results(cluster: Submitted, place: str, process: subprocess.Popen[str], overwritten: bool = False) -> None:
    def are_there() -> bool:
        names = cluster.files.names(f"{cluster.yarn.hdfs}/{place}/run/journal")
        return any(name.startswith("fits-") for name in names) and (not overwritten or "overwrite.json" in names)

    wait_until(are_there, SECONDS_OF_A_JOB, process=process, said=lambda: process.communicate(timeout=5)[0][-6000:])


def kill(cluster: Submitted, victim: str, place: str, process: subprocess.Popen[str]) -> None:
    run = f"{cluster.yarn.hdfs}/{place}/run"
    (driver,) = containers_of(DRIVER, run)
    if victim == "driver":
        driver.kill()
        return

    def nodes() -> dict[int, psutil.Process]:
        return {cluster.yarn.node_of(executor): executor for executor in containers_of(EXECUTOR, run)}

    wait_until(lambda: len(nodes()) == 2, SECONDS_OF_A_JOB, process=process)  # an executor on each
    if victim == "executor":
        next(iter(nodes().values())).kill()
    elif victim == "node":
        (other,) = nodes().keys() - {cluster.yarn.node_of(driver)}
        cluster.yarn.kill_node(other)
    else:
        cluster.yarn.kill_node(cluster.yarn.node_of(driver))


@pytest.mark.parametrize(
    ("victim", "options"),
    [("driver", ()), ("driver", ("--overwrite",)), ("executor", ()), ("node", ()), ("node of the driver", ())],
)
def test_a_pipeline_that_loses_a_container_or_a_node_ends_as_if_it_had_not(
    cluster, slow_on_disk, tmp_path, request, victim, options
):
    """With --overwrite too, which the second attempt of the driver gets again, beside the results of another search."""
    place = f"lost-{victim.replace(' ', '-')}{len(options)}"
    if options:
        copy = fetched(f"{cluster.yarn.hdfs}/{request.getfixturevalue('quick')}", tmp_path / "copy")
        cluster.upload(copy, place)
    with cluster.start(cluster.command("pipeline", place, SLOW, *options)) as process:
        wait_for_results(cluster, place, process, bool(options))
        kill(cluster, victim, place, process)
        ended(process)
    manifest = cluster.manifest(place)
    loses_driver = "driver" in victim
    assert manifest["reuse"]["fits"] == 12
    assert manifest["attempt"]["number"] == (2 if loses_driver else 1)
    assert bool(manifest["reuse"]["resumed"]) == loses_driver, "the second attempt went on where the first one was"
    found = without_counts(cluster.left_in(place, tmp_path))
    # What a killed driver was just writing, a later run clears away when it is a day old.
    own = (UNFINISHED, REPLACED, DELETED)
    assert {name: one for name, one in found.items() if not Path(name).name.startswith(own)} == slow_on_disk


def test_a_driver_killed_when_it_has_finished_with_overwrite_has_finished(cluster, quick, slow_on_disk, tmp_path):
    place = "finished"
    cluster.upload(fetched(f"{cluster.yarn.hdfs}/{quick}", tmp_path / "copy"), place)
    run = f"{cluster.yarn.hdfs}/{place}/run"
    with cluster.start(cluster.command("tune", place, SLOW, "--overwrite")) as process:
        wait_for_results(cluster, place, process, overwritten=True)
        (container,) = containers_of(DRIVER, run)
        (driver,) = [child for child in container.children() if "python" in child.name()]
        # The old one went before the first result.
        wait_until(lambda: "manifest.json" in cluster.files.names(run), SECONDS_OF_A_JOB, process=process)
        driver.suspend()  # it ends soon
        finished = cluster.manifest(place)
        container.kill()
        driver.kill()
        ended(process)
    logs = cluster.yarn.folder.rglob(f"{finished['attempt']['application']}/container_*")
    attempts = {folder.name.split("_")[-2] for folder in logs}
    assert attempts == {"01", "02"}, "the kill came too late to say anything"
    assert without_later_files(cluster.manifest(place)) == without_later_files(finished), "the second changed nothing"
    assert finished["attempt"]["number"] == 1
    of_the_search = ("run/cv_results.csv", "run/best_params.json", "run/model.ubj", "run/manifest.json")
    found, expected = (
        {name: left[name] for name in of_the_search}
        for left in (without_counts(cluster.left_in(place, tmp_path)), slow_on_disk)
    )
    manifest = expected["run/manifest.json"]
    of_tune = [name for name in manifest["files"] if name != "submission.csv"]  # which predict writes
    assert found == {**expected, "run/manifest.json": {**manifest, "files": of_tune}}


# --- what fails ---


def test_what_is_wrong_with_a_configuration_is_in_yarns_diagnostics(submitted):
    """Told to spark-submit itself, as `hpt-spark submit` refuses it before anything starts."""
    with submitted.start([*submitted.command("report", "wrong", QUICK), "--dry-run"]) as process:
        words = shlex.split(ended(process).replace("\\\n", ""))
    # Which spark-submit itself passes on.
    with submitted.start([*words, "--set", "search.cv=1"], driver_python="./env/bin/python") as process:
        out = ended(process, code=1)
    diagnostics = out.rpartition("diagnostics: ")[2]
    assert "hpt-spark: the configuration is wrong:\n`search.cv`=1 in --set search.cv=1: must be" in diagnostics


def test_the_last_words_of_a_driver_reach_who_has_submitted_it(submitted):
    with submitted.start(submitted.command("report", "nothing", QUICK)) as process:
        out = ended(process, code=1)
    heading, *words = out.splitlines()[-2:]
    assert heading == "hpt-spark: hpt-spark report: spark-submit ended with exit code 1; the driver's last words:"
    assert "nothing/run" in one_sentence("\n".join(words)), "which has no results"
    names = submitted.files.names(f"{submitted.yarn.hdfs}/nothing")
    assert not [name for name in names if "failure" in name], "they have been taken"


def test_a_fit_that_yarn_kills_for_its_memory_is_a_failed_fit_that_the_report_names(cluster, tmp_path):
    a_run(f"{cluster.yarn.hdfs}/hungry/run")
    (tmp_path / "hungry.py").write_text(HUNGRY)
    search = {
        "cv": 2,
        "estimator": "hungry.Hungry",
        "estimator_params": {"max_iter": 5},
        "param_grid": {"C": [1, 2, 3]},
        "refit_on": "executor",
    }
    options = (
        f"submit.py_files=[{tmp_path}/hungry.py]",
        "spark.conf.spark.executor.memoryOverhead=1g",  # a container of 1.5 GB
        "spark.conf.spark.task.maxFailures=1",  # without a second try of Spark's own, which costs an executor each time
    )
    cluster.run("tune", "hungry", search, *set_words(*options))
    run = fetched(f"{cluster.yarn.hdfs}/hungry/run", tmp_path / "hungry-run")
    trainings = json.loads((run / "timeline.json").read_text())["trainings"]
    failures = [training["failed"] for training in trainings if "failed" in training]
    assert len(failures) == 2, "a fit on each fold"
    for failure in failures:
        assert "exceeding physical memory limits" in failure or "beyond the 'PHYSICAL' memory limit" in failure, failure
        assert "on YARN raise spark.executor.memoryOverhead" in failure
    scores = [[row[f"split{fold}_test_score"] for fold in range(2)] for row in split_scores(run)]
    assert [["nan" in score for score in of_one] for of_one in scores] == [[False] * 2, [True] * 2, [False] * 2]
    done_here("report", *settings(run))
    page = (run / "report.html").read_text()
    assert "raise spark.executor.memoryOverhead" in page
    assert "physical memory" in page.lower()
