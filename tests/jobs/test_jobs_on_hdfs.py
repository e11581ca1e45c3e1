"""The jobs where the driver and the executors share nothing but HDFS leave what they leave on a local disk."""

from __future__ import annotations

import io
import json
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pyspark
import pytest
import yaml

from hpt_spark.storage import open_folder
from hpt_spark.storage.hadoop_files import HadoopFiles
from tests.jobs.running import BIN, GRID, SLOW_GRID, contents, fetched, set_words
from tests.waiting import wait_until

JOBS = ("ingest", "build_features", "tune", "predict", "report")


class Jobs:
    """Runs the jobs on a place as a user does: another process each time.

    Parameters
    ----------
    place : str
        Folder or URI with ``raw``, and where ``tables`` and ``run`` go.
    master : str
    folder : Path
        Of the configuration file, and of what Spark leaves.
    """

    def __init__(self, place: str, master: str, folder: Path) -> None:
        self.place = place
        self._conf = folder / "conf.yaml"
        conf = {
            "source": {"uri": f"{place}/raw"},
            "tables": {"uri": f"{place}/tables"},
            "features": {"sets": ["brand_model", "weekday", "category"]},
            "search": {"cv": 2, "param_grid": GRID},
            "run": {"dir": f"{place}/run"},
            "spark": {"master": master, "conf": {"spark.ui.enabled": False, "spark.sql.shuffle.partitions": 2}},
        }
        self._conf.write_text(yaml.safe_dump(conf))
        # Executors of a cluster on this machine are started from there, and work there.
        home = folder / "spark"
        home.mkdir()
        for part in Path(pyspark.__file__).parent.iterdir():
            (home / part.name).symlink_to(part)
        self._environment = {**os.environ, "SPARK_HOME": str(home), "PYSPARK_PYTHON": sys.executable}

    def start(self, job: str, *settings: str) -> subprocess.Popen[str]:
        """Start a job and return its process."""
        words = [str(BIN / "hpt-spark"), job, "--conf", str(self._conf), *set_words(*settings)]
        return subprocess.Popen(
            words,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=self._environment,
            cwd="/",
            start_new_session=True,
        )

    def run(self, job: str, *settings: str) -> str:
        """Run a job that must succeed and return what it printed."""
        with self.start(job, *settings) as process:
            out, err = process.communicate(timeout=250)
        assert process.returncode == 0, out + err
        assert "Traceback" not in err
        return out


def give_design(jobs: Jobs, run: str, folder: Path) -> None:
    """Put the design that is in the place's run into another run."""
    design = fetched(f"{jobs.place}/run/design", folder / "design")
    with open_folder(run).atomic_dir("design") as path:
        shutil.copytree(design, path, dirs_exist_ok=True)
    shutil.rmtree(design)


@pytest.fixture(scope="module")
def on_disk(raw, tmp_path_factory):
    """What the jobs leave on a local disk."""
    place = tmp_path_factory.mktemp("local")
    (place / "raw").symlink_to(raw)
    jobs = Jobs(str(place), "local[2]", tmp_path_factory.mktemp("conf"))
    for job in JOBS:
        jobs.run(job)
    return contents(place)


@pytest.fixture(scope="module")
def source(raw, hdfs, spark):
    """The generated input in HDFS."""
    files = HadoopFiles(hdfs)
    for path in raw.iterdir():
        files.upload(path, f"{hdfs}/jobs/raw/{path.name}")
    return f"{hdfs}/jobs/raw"


@pytest.fixture(scope="module")
def on_hdfs(source, tmp_path_factory):
    """The jobs on HDFS with a local master; all have run."""
    jobs = Jobs(source.removesuffix("/raw"), "local[2]", tmp_path_factory.mktemp("conf"))
    jobs.said = {job: jobs.run(job) for job in JOBS}
    return jobs


def test_the_jobs_leave_on_hdfs_what_they_leave_on_a_disk(on_hdfs, on_disk, tmp_path):
    assert contents(fetched(on_hdfs.place, tmp_path / "all")) == on_disk
    assert f"{on_hdfs.place}/tables/events: " in on_hdfs.said["ingest"]
    assert on_hdfs.said["report"] == f"{on_hdfs.place}/run/report.html\n"


def test_nothing_unfinished_stays_on_hdfs(on_hdfs, tmp_path):
    left = [path.name for path in fetched(on_hdfs.place, tmp_path / "all").rglob("*")]
    assert len(left) > 20
    assert [name for name in left if name.startswith((".", "lock"))] == []


def test_the_jobs_leave_the_same_from_a_cluster(on_hdfs, on_disk, tmp_path):
    jobs = Jobs(on_hdfs.place, "local-cluster[2,1,1024]", tmp_path)
    for job in JOBS:
        jobs.run(job, f"tables.uri={jobs.place}/cluster/tables", f"run.dir={jobs.place}/cluster/run")
    assert contents(fetched(f"{jobs.place}/cluster", tmp_path / "all")) == on_disk


def test_the_joblib_backend_searches_on_hdfs_too(on_hdfs, on_disk, tmp_path):
    run = f"{on_hdfs.place}/joblib"
    give_design(on_hdfs, run, tmp_path)
    on_hdfs.run("tune", f"run.dir={run}", "search.backend=joblib")
    on_hdfs.run("predict", f"run.dir={run}")
    found = fetched(run, tmp_path / "run")
    for name in ("best_params.json", "sweeping_results.txt"):
        assert (found / name).read_bytes() == on_disk[f"run/{name}"]
    # Its refit takes all cores of the driver, and sums in another order than one thread of an executor.
    rows, expected = (
        np.loadtxt(io.BytesIO(content), delimiter=",", skiprows=1)
        for content in ((found / "submission.csv").read_bytes(), on_disk["run/submission.csv"])
    )
    np.testing.assert_allclose(rows, expected, rtol=1e-4)


def test_a_tune_killed_on_hdfs_goes_on_where_it_was(on_hdfs, tmp_path):
    files, run = HadoopFiles(on_hdfs.place), f"{on_hdfs.place}/killed"
    settings = (f"run.dir={run}", f"search.param_grid={json.dumps(SLOW_GRID)}", "spark.master=local[1]")
    give_design(on_hdfs, run, tmp_path)

    def locks() -> int:
        return sum(name.startswith("lock") for name in files.names(run))

    with on_hdfs.start("tune", *settings) as process:
        wait_until(
            lambda: any(name.startswith("fits-") for name in files.names(f"{run}/journal")),
            150,
            process=process,
            said=lambda: process.communicate(timeout=1),
        )
        os.killpg(process.pid, signal.SIGKILL)
    assert locks() == 1
    assert not files.exists(f"{run}/manifest.json")
    journal = fetched(f"{run}/journal", tmp_path / "journal")
    finished = sum(len(path.read_text().splitlines()) for path in journal.glob("fits-*.jsonl"))
    assert 0 < finished < 12

    on_hdfs.run("tune", *settings)  # the lock of a process that is gone does not hold it up
    assert locks() == 0
    whole = f"{on_hdfs.place}/whole"
    give_design(on_hdfs, whole, tmp_path)
    on_hdfs.run("tune", f"run.dir={whole}", *settings[1:])
    resumed, unbroken = (contents(fetched(uri, tmp_path / uri[-5:] / "run").parent) for uri in (run, whole))
    reuse = resumed["run/manifest.json"].pop("reuse")
    assert (reuse["fits"], reuse["resumed"], reuse["trainings"]) == (12, finished, 12 - finished)
    unbroken["run/manifest.json"].pop("reuse")
    assert resumed == unbroken


@pytest.mark.parametrize(
    ("job", "number"), [(job, number) for job in ("ingest", "tune") for number in (signal.SIGTERM, signal.SIGINT)]
)
def test_a_job_that_is_told_to_end_leaves_nothing_half_done(on_hdfs, tmp_path, job, number):
    files, place = HadoopFiles(on_hdfs.place), f"{on_hdfs.place}/ended-{job}-{number.value}"
    give_design(on_hdfs, f"{place}/run", tmp_path)
    settings = (f"tables.uri={place}/tables", f"run.dir={place}/run", f"search.param_grid={json.dumps(SLOW_GRID)}")
    folder, begun = (f"{place}/run", "lock") if job == "tune" else (place, ".writing.")
    with on_hdfs.start(job, *settings) as process:
        wait_until(
            lambda: any(name.startswith(begun) for name in files.names(folder)),
            150,
            process=process,
            said=lambda: process.communicate(timeout=1),
        )
        process.send_signal(number)
        err = process.communicate(timeout=100)[1]
    assert process.returncode == (143 if number == signal.SIGTERM else 130), err
    assert "Traceback" not in err
    assert files.names(place) == ["run"]
    assert [name for name in files.names(f"{place}/run") if name not in ("design", "journal")] == []
    assert [
        name
        for name in files.names(f"{place}/run/journal")
        if not name.startswith(("context", "candidates-0", "fits-"))
    ] == []


@pytest.mark.parametrize(
    ("job", "setting", "said"),
    [
        (
            "report",
            "run.dir=hdfs://me:S3CRET@127.0.0.1:1/run",
            "hdfs://me:***@127.0.0.1:1/run cannot be used (ConnectEx",
        ),
        (
            "report",
            "run.dir=abfss://c@a.dfs.core.windows.net/run?sig=S3CRET",
            "abfss://c@a.dfs.core.windows.net/run was",
        ),
        ("ingest", "source.uri=HDFS/nothing", "the source folder HDFS/nothing does not exist: correct source.uri"),
        ("predict", "run.dir=HDFS/nothing", "run.dir=HDFS/nothing has no design; run `hpt-spark build_features`"),
        ("build_features", "tables.uri=HDFS/nothing", "tables.uri=HDFS/nothing has no readable table"),
    ],
)
def test_a_wrong_path_is_told_in_one_sentence(on_hdfs, job, setting, said):
    with on_hdfs.start(job, setting.replace("HDFS", on_hdfs.place)) as process:
        out, err = process.communicate(timeout=200)
    sentences = [line for line in err.splitlines() if line.startswith("hpt-spark: ")]
    assert (process.returncode, out, len(sentences)) == (2, "", 1), err
    assert sentences[0].startswith(f"hpt-spark: {said.replace('HDFS', on_hdfs.place)}")
    assert "Traceback" not in err
    assert "S3CRET" not in err
