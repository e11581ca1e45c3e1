"""conf/oozie on a real Oozie 5.2.1 with a real YARN and HDFS, installed and started as its README says."""

from __future__ import annotations

import datetime
import json
import os
import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from py4j.java_gateway import GatewayParameters, JavaGateway, launch_gateway

from hpt_spark.storage import open_folder
from hpt_spark.submit.bundle import pack_code
from tests.conf.bundled import bash_blocks, properties
from tests.hdfs import SPARK_JARS
from tests.jobs.running import BIN, GRID, ROOT, SPARK, done, set_words, split_scores
from tests.oozie.jars import SERVER_JARS
from tests.oozie.server import Oozie, running_oozie

pytestmark = [pytest.mark.oozie, pytest.mark.timeout(7200)]
OOZIE_FILES = ROOT / "conf" / "oozie"
INSTALL, CHECK, START = range(3)  # the README's blocks
SETTINGS = {
    "features": {"sets": ["brand_model", "weekday"]},
    "search": {"cv": 2, "param_grid": GRID},
    "spark": {"conf": {"spark.ui.enabled": False, "spark.sql.shuffle.partitions": 2}},
}
MEMORY = "--driver-memory 512m --executor-memory 512m --num-executors 1 --executor-cores 1 " + " ".join(
    f"--conf spark.{name}"
    for name in (
        *("driver.memoryOverhead=1g", "executor.memoryOverhead=1g"),
        *("yarn.am.waitTime=900s", "network.timeout=900s"),  # on a machine that is busy with other things
    )
)
WORKFLOWS = ("workflow.xml", "workflow-shell.xml")


def bundle(folder: Path) -> None:
    """Make what `make bundle` makes; its environment is made once."""
    packed = os.environ.get("HPT_SPARK_TEST_ENVIRONMENT")
    assert packed, "HPT_SPARK_TEST_ENVIRONMENT names a bundle's environment; `make test-oozie` makes and names it"
    pack_code(open_folder(folder))
    shutil.copy(packed, folder / "env.tar.gz")


class Installed:
    """The application in HDFS, installed from a checkout by the README's own lines."""

    def __init__(self, oozie: Oozie, checkout: Path, raw: Path) -> None:
        self.oozie, self.checkout = oozie, checkout
        for name in ("jobs", "conf/oozie"):
            shutil.copytree(ROOT / name, checkout / name, ignore=shutil.ignore_patterns("__pycache__"))
        bundle(checkout / "dist")
        app = f"{oozie.hdfs}/apps/hpt_spark"
        self.properties = properties(
            OOZIE_FILES / "job.properties",
            nameNode=oozie.hdfs,
            resourceManager=oozie.resource_manager,
            appDir=app,
            runsDir=f"{oozie.hdfs}/runs",
            sourceUri=f"{oozie.hdfs}/raw",
            tablesUri=f"{oozie.hdfs}/tables",
            configuration="small.yaml",
            sparkOptions=f"{MEMORY} --files {app}/small.yaml --conf spark.yarn.jars=local:{SPARK_JARS}/*",
            retries="0",
        )
        lines = "".join(f"{name}={value}\n" for name, value in self.properties.items())
        (checkout / "conf/oozie/job.properties").write_text(lines)
        (checkout / "small.yaml").write_text(yaml.safe_dump(SETTINGS))
        (checkout / "wrong.yaml").write_text(yaml.safe_dump({**SETTINGS, "search": {"cv": 1}}))
        self.said = self.readme(INSTALL) + self.readme(CHECK)
        self.shell(f"hdfs dfs -put small.yaml wrong.yaml {app}/; hdfs dfs -put {raw} {oozie.hdfs}/raw")

    def readme(self, block: int) -> str:
        """Run one block of the README, after the line that sets APP."""
        blocks = bash_blocks(OOZIE_FILES / "README.md")
        return self.shell(blocks[block] if block == INSTALL else blocks[INSTALL].splitlines()[0] + "\n" + blocks[block])

    def shell(self, script: str) -> str:
        return self.oozie.shell(script, self.checkout)

    def start(self, workflow: str, run: str, **more: str) -> str:
        path = f"oozie.wf.application.path={self.properties['appDir']}/{workflow}"
        return self.oozie.start({**self.properties, "runDir": run, **more}, "-D", path, "-run")

    def ended(self, job: str, status: str) -> dict:
        info = self.oozie.wait(job)
        assert info["status"] == status, json.dumps(info, indent=1) + self.oozie.logs()
        return info

    def scores_in(self, run: str, tmp_path: Path) -> list[dict[str, str]]:
        self.shell(f"hdfs dfs -get {run} {tmp_path}/run")
        return split_scores(tmp_path / "run")


@pytest.fixture(scope="module")
def installed(raw, tmp_path_factory) -> Iterator[Installed]:
    with running_oozie(tmp_path_factory.mktemp("oozie")) as oozie:
        yield Installed(oozie, tmp_path_factory.mktemp("checkout"), raw)


@pytest.fixture(scope="module")
def local_scores(raw, tmp_path_factory) -> list[dict[str, str]]:
    """The oracle: the same pipeline as a process of this machine with local[2]."""
    place = tmp_path_factory.mktemp("local")
    (place / "small.yaml").write_text(yaml.safe_dump({**SETTINGS, "spark": SPARK}))
    where = (f"source.uri={raw}", f"tables.uri={place}/tables", f"run.dir={place}/run")
    settings = set_words(*where)
    done(BIN / "hpt-spark", "pipeline", "--conf", place / "small.yaml", *settings)
    return split_scores(place / "run")


def message_of(info: dict) -> str:
    """Return what the kill node says."""
    (kill,) = [action for action in info["actions"] if action["type"] == ":KILL:"]
    return str(kill["errorMessage"])


def test_the_server_finds_the_files_valid(installed):
    assert installed.said.count("Valid") == 3, installed.said


def test_both_workflows_give_the_scores_of_a_local_pipeline(installed, local_scores, tmp_path):
    runs = {workflow: f"{installed.oozie.hdfs}/runs/{workflow}" for workflow in WORKFLOWS}
    jobs = {}
    for workflow, run in runs.items():
        jobs[workflow] = installed.start(workflow, run, tablesUri=f"{run}.tables")
    for workflow, run in runs.items():
        info = installed.ended(jobs[workflow], "SUCCEEDED")
        assert [action["name"] for action in info["actions"]] == [":start:", "job", "end"]
        (tmp_path / workflow).mkdir()
        assert installed.scores_in(run, tmp_path / workflow) == local_scores


def test_a_failing_job_ends_killed_with_its_own_sentence(installed):
    runs = f"{installed.oozie.hdfs}/runs/wrong"
    options = installed.properties["sparkOptions"].replace("small.yaml", "wrong.yaml")
    wrong = {"configuration": "wrong.yaml", "sparkOptions": options}
    jobs = [installed.start(workflow, runs, **wrong) for workflow in WORKFLOWS]
    for job, code in zip(jobs, ("JA018", "1")):  # of which only the first is among those that Oozie retries by itself
        message = message_of(installed.ended(job, "KILLED"))
        assert message.startswith("hpt-spark: the configuration is wrong: `search.cv`=1 in wrong.yaml: must be"), (
            message
        )
        assert f"(run {runs}; {code}: " in message


def test_the_coordinator_makes_a_run_of_its_minute(installed, local_scores, tmp_path):
    now = datetime.datetime.now(datetime.timezone.utc).replace(second=0, microsecond=0)
    run = f"{installed.properties['runsDir']}/{now:%Y-%m-%d_%H%M}"
    minutes = {name: f"{now + datetime.timedelta(minutes=n):%Y-%m-%dT%H:%MZ}" for name, n in (("start", 0), ("end", 1))}
    schedule = {**installed.properties, "frequency": "* * * * *", **minutes}
    path = f"oozie.coord.application.path={installed.properties['appDir']}/coordinator.xml"
    coordinator = installed.ended(installed.oozie.start(schedule, "-D", path, "-run"), "SUCCEEDED")
    (action,) = coordinator["actions"]
    workflow = installed.oozie.ask(f"job/{action['externalId']}?show=info")
    assert f"<name>runDir</name><value>{run}</value>" in re.sub(r"\s*\n\s*", "", workflow["conf"])
    assert installed.scores_in(run, tmp_path) == local_scores
    sla = installed.oozie.ask(f"sla?timezone=GMT&filter=app_name={coordinator['coordJobName'].replace(' ', '%20')}")
    assert [int(entry["expectedDuration"]) for entry in sla["slaSummaryList"]] == [6 * 60 * 60 * 1000]


def test_the_readme_starts_a_run_and_the_schedule(installed):
    said = installed.readme(START)
    run, schedule = re.findall(r"job: (\S+)", said)
    try:
        assert installed.oozie.ask(f"job/{schedule}?show=info")["frequency"] == "0 2 * * *"
        workflow = installed.oozie.ask(f"job/{run}?show=info")
        assert workflow["appPath"] == f"{installed.properties['appDir']}/workflow.xml"
    finally:
        installed.shell(f"oozie job -kill {schedule}; oozie job -kill {run} || true  # unless it has ended")


def test_a_missing_property_is_named_before_anything_runs(installed):
    some = {name: value for name, value in installed.properties.items() if name != "tablesUri"}
    path = f"oozie.wf.application.path={installed.properties['appDir']}/workflow.xml"
    with pytest.raises(AssertionError, match=r"E0738.*tablesUri"):
        installed.oozie.start(some, "-D", path, "-run")


@pytest.fixture(scope="module")
def server_classes() -> Iterator[JavaGateway]:
    port = launch_gateway(classpath=f"{SERVER_JARS}/*", die_on_exit=True, javaopts=["-Xmx128m"])
    gateway = JavaGateway(gateway_parameters=GatewayParameters(port=port))
    yield gateway
    gateway.shutdown()


def next_times(java: JavaGateway, frequency: str, start: str, count: int) -> list[str]:
    """Return when a coordinator with this frequency runs, as the server computes it."""
    oozie = java.jvm.org.apache.oozie
    job = oozie.CoordinatorJobBean()
    job.setFrequency(frequency)
    job.setTimeZone("UTC")
    time, times = oozie.util.DateUtils.parseDateUTC(start), []
    for _ in range(count):
        time = oozie.command.coord.CoordCommandUtils.getNextValidActionTimeForCronFrequency(time, job)
        times.append(str(oozie.util.DateUtils.formatDateOozieTZ(time)))
    return times


def test_the_servers_own_classes_compute_the_frequency(server_classes):
    given = properties(OOZIE_FILES / "job.properties")
    times = next_times(server_classes, given["frequency"], given["start"], 3)
    assert times == ["2026-12-01T02:00Z", "2026-12-02T02:00Z", "2026-12-03T02:00Z"]
    assert next_times(server_classes, "0 2 * * 1", given["start"], 1) == ["2026-12-06T02:00Z"], "1 is Sunday"
    with pytest.raises(Exception, match="Day-of-Week values must be between 1 and 7"):
        next_times(server_classes, "0 2 * * 0", given["start"], 1)
