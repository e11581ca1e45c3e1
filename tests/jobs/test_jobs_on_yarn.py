"""The jobs in cluster mode on a real YARN, where all that lives in between is the HDFS."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tarfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import psutil
import pyspark
import pytest
import yaml

from hpt_spark.storage import open_folder
from hpt_spark.storage.hadoop_files import HadoopFiles
from tests.jobs.running import BIN, GRID, ROOT, SLOW_GRID, contents, fetched
from tests.waiting import wait_until

pytestmark = [pytest.mark.yarn, pytest.mark.timeout(1800)]
JOBS = ("ingest", "build_features", "tune", "predict", "report")
SETTINGS = {
    "features": {"sets": ["brand_model", "weekday", "category"]},
    "search": {"cv": 2, "param_grid": GRID},
}


class Submitted:
    """Submits jobs as the README says: a configuration file, and an environment that travels as an archive.

    Parameters
    ----------
    place : str
        The URI of a folder with ``raw``.
    hadoop_conf : Path
        What HADOOP_CONF_DIR is to be.
    folder : Path
        For the two files.
    """

    def __init__(self, place: str, hadoop_conf: Path, folder: Path) -> None:
        self.place, self._folder, self._servers = place, folder, hadoop_conf.parent
        uris = {"source": {"uri": f"{place}/raw", "via": "hadoop"}, "tables": {"uri": f"{place}/tables"}}
        conf = {**uris, **SETTINGS, "run": {"dir": f"{place}/run"}}
        (folder / "sweep.yaml").write_text(yaml.safe_dump(conf))
        python = folder / "python"
        python.write_text(f'#!/bin/sh\nexec {sys.executable} "$@"\n')  # the whole environment would be a gigabyte
        python.chmod(0o755)
        with tarfile.open(folder / "env.tar.gz", "w:gz") as archive:
            archive.add(python, "bin/python")
        self._environment = {
            **{name: value for name, value in os.environ.items() if name != "SPARK_HOME"},
            "HADOOP_CONF_DIR": str(hadoop_conf),
            "PYSPARK_PYTHON": sys.executable,  # spark-submit itself looks for Spark with it
        }

    def start(self, job: str, *settings: str, options: Sequence[str] = ()) -> subprocess.Popen[str]:
        """Submit a job, with `options` of its own, and return the process that waits for it."""
        spark = {
            "spark.yarn.appMasterEnv.PYSPARK_PYTHON": "./env/bin/python",
            "spark.executorEnv.PYSPARK_PYTHON": "./env/bin/python",
            "spark.yarn.jars": f"local:{Path(pyspark.__file__).parent}/jars/*",  # or 300 MB are uploaded each time
            "spark.driver.memory": "512m",
            "spark.executor.memory": "512m",
            "spark.executor.instances": "2",
            "spark.sql.shuffle.partitions": "2",
            "spark.ui.enabled": "false",
        }
        words = [BIN / "spark-submit", "--master", "yarn", "--deploy-mode", "cluster"]
        words += [word for name, value in spark.items() for word in ("--conf", f"{name}={value}")]
        words += ["--archives", f"{self._folder}/env.tar.gz#env", "--files", f"{self._folder}/sweep.yaml"]
        words += [ROOT / "jobs" / f"{job}.py", "--conf", "sweep.yaml"]
        words += [*options, *(word for setting in settings for word in ("--set", setting))]
        return subprocess.Popen(
            list(map(str, words)),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            env=self._environment,
            cwd=self._folder,
        )

    def attempts_of(self, application: str) -> set[str]:
        """Return the numbers of the attempts of which YARN keeps logs."""
        logs = self._servers.rglob(f"{application}/container_*")
        return {folder.name.split("_")[-2] for folder in logs}

    def run(self, job: str, *settings: str) -> None:
        """Submit a job that must succeed."""
        with self.start(job, *settings) as process:
            out, _ = process.communicate(timeout=600)
        assert process.returncode == 0, out[-4000:]


@pytest.fixture(scope="module")
def yarn(raw, spark, tmp_path_factory):
    """The jobs on a YARN; all have run."""
    from tests.yarn import running_yarn

    folder = tmp_path_factory.mktemp("yarn")
    with running_yarn(folder) as hdfs:
        files = HadoopFiles(hdfs)
        for path in raw.iterdir():
            files.upload(path, f"{hdfs}/jobs/raw/{path.name}")
        jobs = Submitted(f"{hdfs}/jobs", folder / "conf", tmp_path_factory.mktemp("submitted"))
        for job in JOBS:
            jobs.run(job)
        yield jobs


@pytest.fixture(scope="module")
def on_disk(raw, tmp_path_factory):
    """What the jobs leave on a local disk."""
    place = tmp_path_factory.mktemp("local")
    (place / "raw").symlink_to(raw)
    local = {"master": "local[2]", "conf": {"spark.sql.shuffle.partitions": 2}}
    conf = {"source": {"uri": f"{place}/raw"}, "tables": {"uri": f"{place}/tables"}, "run": {"dir": f"{place}/run"}}
    (place / "conf.yaml").write_text(yaml.safe_dump({**conf, **SETTINGS, "spark": local}))
    for job in JOBS:
        subprocess.run([BIN / "hpt-spark", job, "--conf", place / "conf.yaml"], check=True, cwd=place, timeout=300)
    (place / "conf.yaml").unlink()
    return contents(place)


def slow_tune(yarn: Submitted, run: str, tmp_path: Path, *options: str) -> subprocess.Popen[str]:
    """Start a search that takes a while, on a copy of the design; with `options`, beside the results of another one."""
    whole = fetched(f"{yarn.place}/run", tmp_path / f"copy-for-{run.rpartition('/')[2]}")
    for folder in ("design", "journal") if options else ("design",):
        with open_folder(run).atomic_dir(folder) as path:
            for file in (whole / folder).iterdir():
                file.rename(path / file.name)
    for file in [file for file in whole.iterdir() if options and file.is_file()]:
        with open_folder(run).atomic_write(file.name) as path:
            path.write_bytes(file.read_bytes())
    return yarn.start("tune", f"run.dir={run}", f"search.param_grid={json.dumps(SLOW_GRID)}", options=options)


def slow_contents(run: str, tmp_path: Path) -> dict[str, object]:
    """Return what a slow search has left, but how much of it was resumed."""
    found = contents(fetched(run, tmp_path / run.rpartition("/")[2] / "run").parent)
    found["run/manifest.json"].pop("reuse")
    return found


@pytest.fixture(scope="module")
def unbroken(yarn, tmp_path_factory):
    """What a search leaves that has lost nothing."""
    run, folder = f"{yarn.place}/unbroken", tmp_path_factory.mktemp("unbroken")
    with slow_tune(yarn, run, folder) as process:
        out, _ = process.communicate(timeout=600)
    assert process.returncode == 0, out[-4000:]
    return slow_contents(run, folder)


def wait_for_results(files: HadoopFiles, run: str, process: subprocess.Popen[str], overwritten: bool = False) -> None:
    def are_there() -> bool:
        names = files.names(f"{run}/journal")
        return any(name.startswith("evaluation-0-") for name in names) and (
            not overwritten or "overwrite.json" in names
        )

    wait_until(are_there, 300, process=process, said=lambda: process.communicate(timeout=1)[0][-4000:])


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


def test_the_jobs_leave_on_yarn_what_they_leave_on_a_disk(yarn, on_disk, tmp_path):
    assert contents(fetched(yarn.place, tmp_path / "all")) == on_disk


DRIVER, EXECUTOR = (
    "org.apache.spark.deploy.yarn.ApplicationMaster",
    "org.apache.spark.executor.YarnCoarseGrainedExecutorBackend",
)


@pytest.mark.parametrize(
    ("victim", "main_class", "options"),
    [("driver", DRIVER, ()), ("driver", DRIVER, ("--overwrite",)), ("executor", EXECUTOR, ())],
)
def test_a_search_that_loses_a_container_ends_as_if_it_had_not(yarn, unbroken, tmp_path, victim, main_class, options):
    """With --overwrite too, which the second attempt of the driver gets again, beside the results of another search."""
    files, run = HadoopFiles(yarn.place), f"{yarn.place}/lost-{victim}{len(options)}"
    with slow_tune(yarn, run, tmp_path, *options) as process:
        wait_for_results(files, run, process, bool(options))
        containers = containers_of(main_class, run)
        containers[0].send_signal(signal.SIGKILL)
        out, _ = process.communicate(timeout=600)
    assert process.returncode == 0, out[-4000:]
    manifest = manifest_of(run)
    assert len(containers) == (1 if victim == "driver" else 2)
    assert manifest["reuse"]["fits"] == 12
    assert manifest["attempt"]["number"] == (2 if victim == "driver" else 1)
    if victim == "driver":
        assert 0 < manifest["reuse"]["resumed"] < 12, "the second attempt went on where the first one was"
    assert slow_contents(run, tmp_path) == unbroken


def test_a_driver_killed_when_it_has_finished_with_overwrite_has_finished(yarn, unbroken, tmp_path):
    files, run = HadoopFiles(yarn.place), f"{yarn.place}/finished"
    with slow_tune(yarn, run, tmp_path, "--overwrite") as process:
        wait_for_results(files, run, process, overwritten=True)
        (container,) = containers_of(DRIVER, run)
        (driver,) = [child for child in container.children() if "python" in child.name()]
        # The old one went before the first result.
        wait_until(lambda: "manifest.json" in files.names(run), 300, process=process)
        driver.suspend()  # it ends soon
        finished = manifest_of(run)
        container.send_signal(signal.SIGKILL)
        driver.kill()
        out, _ = process.communicate(timeout=600)
    assert process.returncode == 0, out[-4000:]
    attempts = yarn.attempts_of(finished["attempt"]["application"])
    assert attempts == {"01", "02"}, "the kill came too late to say anything"
    assert manifest_of(run) == finished, "the second attempt has changed nothing"
    assert finished["attempt"]["number"] == 1
    assert slow_contents(run, tmp_path) == unbroken


def manifest_of(run: str) -> dict[str, Any]:
    with open_folder(run).reading("manifest.json") as path:
        manifest: dict[str, Any] = json.loads(path.read_text())
    return manifest


def test_a_mistake_in_the_configuration_fails_the_application(yarn):
    with yarn.start("report", "search.cv=1") as process:
        out, _ = process.communicate(timeout=600)
    assert process.returncode == 1
    assert "User application exited with 2" in out
