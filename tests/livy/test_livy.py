"""`hpt-spark submit --target livy` on a real Livy 0.5."""

from __future__ import annotations

import json
import re
import signal
import subprocess
import urllib.error
import urllib.request
from pathlib import Path

import psutil
import pytest
import yaml

from hpt_spark.config.layers import load_config
from hpt_spark.storage import open_folder
from hpt_spark.submit.bundle import pack_code
from hpt_spark.submit.livy import batch_of
from hpt_spark.submit.submission import submission_of
from tests.artifacts.searches import a_run
from tests.jobs.running import BIN, done, environment, one_sentence, split_scores
from tests.livy.server import running_livy
from tests.waiting import wait_until

pytestmark = [pytest.mark.livy, pytest.mark.timeout(1800)]
SECONDS_OF_A_JOB = 900.0  # on a machine that is busy with other things
GRID = {"n_estimators": [2, 4], "max_depth": [2]}
# It waits for Spark, as our jobs do: a Python that asks Spark for nothing outlives the kill of a local Java.
SLEEPING = """import sys, time
from pathlib import Path
from pyspark.sql import SparkSession
context = SparkSession.builder.getOrCreate().sparkContext
Path(sys.argv[0] + ".runs").touch()
context.parallelize([0], 1).foreach(lambda _: time.sleep(3000))
"""


@pytest.fixture(scope="module")
def allowed(tmp_path_factory):
    """The folder of which Livy takes files: a bundle, and one whose job sleeps."""
    folder = tmp_path_factory.mktemp("allowed")
    pack_code(open_folder(folder / "bundle"))
    pack_code(open_folder(folder / "sleeping"))
    (folder / "sleeping" / "jobs" / "report.py").write_text(SLEEPING)
    return folder


@pytest.fixture(scope="module")
def livy(allowed, tmp_path_factory):
    with running_livy(tmp_path_factory.mktemp("server"), allowed) as url:
        yield url


@pytest.fixture
def submit(livy, allowed, tmp_path):
    """Start `hpt-spark submit JOB` with a configuration of its own."""

    def start(job: str, bundle: Path | None = None, run: Path | None = None) -> subprocess.Popen[str]:
        conf = {
            "run": {"dir": str(run or tmp_path / "run")},
            "search": {"cv": 2, "param_grid": GRID},
            "spark": {"conf": {"spark.ui.enabled": False}},
            "submit": {"livy_url": livy, "livy_poll": 0.3, "bundle": str(bundle or allowed / "bundle")},
        }
        (tmp_path / "c.yaml").write_text(yaml.safe_dump(conf))
        words = [BIN / "hpt-spark", "submit", job, "--target", "livy", "--conf", tmp_path / "c.yaml"]
        pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
        return subprocess.Popen(list(map(str, words)), **pipes, env=environment(), cwd=tmp_path)

    return start


def ended(process: subprocess.Popen[str]) -> tuple[int, str, str]:
    out, err = process.communicate(timeout=SECONDS_OF_A_JOB)
    return process.returncode, out, err


def batches(livy: str) -> dict[int, str]:
    with urllib.request.urlopen(f"{livy}/batches") as answer:
        return {batch["id"]: batch["state"] for batch in json.load(answer)["sessions"]}


def test_a_search_gives_what_it_gives_without_livy(submit, livy, tmp_path):
    a_run(tmp_path / "run")
    a_run(tmp_path / "here")
    code, out, err = ended(submit("tune"))
    assert code == 0, err
    number = max(batches(livy))
    assert out == f"hpt-spark tune: batch {number} of Livy at {livy} ended as success\n"
    assert f"batch {number}: running" in err
    here = {"run": {"dir": str(tmp_path / "here")}, "spark": {"master": "local[1]"}}
    with_both = yaml.safe_load((tmp_path / "c.yaml").read_text()) | here
    (tmp_path / "here.yaml").write_text(yaml.safe_dump(with_both))
    done(BIN / "hpt-spark", "tune", "--conf", tmp_path / "here.yaml")
    assert split_scores(tmp_path / "run") == split_scores(tmp_path / "here")


def test_a_job_that_fails_shows_the_end_of_its_log(submit, tmp_path):
    code, out, err = ended(submit("tune"))
    assert (code, out) == (1, "")
    assert "Traceback" not in err
    assert f"hpt-spark: run.dir={tmp_path / 'run'} has no design" in err, "the job's own sentence"
    assert err.splitlines()[-1].startswith("hpt-spark: hpt-spark tune: batch ")
    assert "ended as dead" in err.splitlines()[-1]


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_who_gives_up_waiting_ends_the_job(submit, livy, allowed, number, code):
    runs = allowed / "sleeping" / "jobs" / "report.py.runs"
    runs.unlink(missing_ok=True)
    process = submit("report", bundle=allowed / "sleeping")
    wait_until(runs.exists, SECONDS_OF_A_JOB, process=process, said=lambda: process.communicate(timeout=5))

    def running() -> list[int]:
        return [batch for batch, state in batches(livy).items() if state == "running"]

    wait_until(running, SECONDS_OF_A_JOB, process=process, said=lambda: process.communicate(timeout=5))
    (batch,) = running()
    process.send_signal(number)
    out, err = process.communicate(timeout=SECONDS_OF_A_JOB)
    assert (process.returncode, out) == (code, "")
    assert f"batch {batch} is deleted, which ends its job" in err
    assert "Traceback" not in err
    assert batch not in batches(livy)

    def sleeping() -> list[psutil.Process]:
        job = f"{runs}".removesuffix(".runs")
        return [one for one in psutil.process_iter(["cmdline"]) if job in (one.info["cmdline"] or [])]

    wait_until(lambda: not sleeping(), SECONDS_OF_A_JOB, said=sleeping)


def test_a_file_of_livys_own_machine_is_refused_in_one_sentence(submit, livy, tmp_path):
    before = batches(livy)
    code, out, err = ended(submit("tune", bundle=tmp_path / "elsewhere"))
    assert (code, out) == (2, "")
    assert one_sentence(err).startswith(f"Livy refuses {tmp_path}/elsewhere/")
    assert "wasbs:///hpt_spark" in err
    assert batches(livy) == before


def test_livy_names_what_it_knows_of_a_batch(livy, allowed):
    """The fields are those that Livy 0.5 takes, and no others."""
    config = load_config([], ["submit.bundle=/b", "submit.queue=q", "submit.target=livy", "submit.files=[/f]"])
    body = batch_of(submission_of("tune", config), config)
    request = urllib.request.Request(
        f"{livy}/batches", json.dumps({**body, "unknown": 1}).encode(), {"Content-Type": "application/json"}
    )
    with pytest.raises(urllib.error.HTTPError) as refused:
        urllib.request.urlopen(request)
    known = re.search(r"known properties: (.*?)\]", refused.value.read().decode())[1]
    assert set(body) <= set(re.findall(r"\w+", known))
