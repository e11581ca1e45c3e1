"""Where the seconds of a run on YARN go, and `pipeline` against five submissions, on the tests' YARN of two nodes.

``make bench-yarn`` writes the tables into docs/benchmarks.md. All of it runs on this machine.
"""

from __future__ import annotations

import json
import os
import re
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent.parent))

from page import page_parser, publish, setting_of_the_run, table

from hpt_spark.config.sections import SparkSection
from hpt_spark.spark.session import spark_session
from hpt_spark.storage import open_folder
from hpt_spark.synthetic.files import generate
from tests.jobs.running import done_here
from tests.jobs.submitted import FEATURES, Submitted, ended
from tests.yarn import running_yarn

JOBS = ("ingest", "build_features", "tune", "predict", "report")
SEARCH = {"cv": 2, "param_grid": {"n_estimators": [20], "max_depth": [2, 3]}}
EVENT_LOG = {"enabled": "true", "compress": "false", "rolling.enabled": "false"}
STEPS = (
    "spark-submit starts, uploads, and YARN accepts the application",
    "the driver's container gets its place and its files; the environment is unpacked",
    "the driver's Java and Python start",
    "Spark starts; an executor gets its place and its files, the environment on its node too",
    "the design is loaded and sent, workers start; the first fit begins",
    "from the first fit's begin to the last one's end",
    "the refit; results are written, Spark stops, spark-submit notices",
)


def moments_of(submitted: Submitted, place: str, events: Path) -> list[float]:
    """Run one search, and return when each of its steps ended, in seconds since its command was started."""
    logged = {**EVENT_LOG, "dir": f"file://{events}"}
    options = [word for name in logged for word in ("--set", f"spark.conf.spark.eventLog.{name}={logged[name]}")]
    started = time.time()
    with submitted.start(submitted.command("tune", place, SEARCH, *options)) as process:
        out = ended(process)
    end = time.time()
    accepted = int(re.findall(r"start time: (\d+)", out)[-1]) / 1000
    (application,) = set(re.findall(r"application_\d+_\d+", out))
    (first,) = submitted.yarn.folder.rglob(f"{application}/container_*_01_000001/prelaunch.out")
    found = list(events_of(events / application))
    of_spark = [
        min(event["Timestamp"] for event in found if event["Event"] == f"SparkListener{name}") / 1000
        for name in ("ApplicationStart", "ExecutorAdded")
    ]
    with open_folder(f"{submitted.yarn.hdfs}/{place}/run").reading("timeline.json") as path:
        trainings = json.loads(path.read_text())["trainings"]
    of_fits = [min(one["began"] for one in trainings), max(one["began"] + one["seconds"] for one in trainings)]
    moments = [accepted, first.stat().st_mtime, *of_spark, *of_fits, end]
    return [moment - started for moment in moments]


def events_of(file: Path) -> Iterator[dict[str, Any]]:
    """Yield what Spark has logged of an application, whose later attempts have files of their own."""
    (log,) = file.parent.glob(f"{file.name}*")
    with log.open(encoding="utf-8") as lines:
        yield from map(json.loads, lines)


def seconds_of(submitted: Submitted, jobs: Sequence[str], place: str) -> float:
    """Return how long jobs take that are submitted one after another."""
    started = time.time()
    for job in jobs:
        submitted.run(job, place, SEARCH)
    return time.time() - started


def as_table(runs: Sequence[Sequence[float]]) -> list[str]:
    """Return the table of the steps, a column for each run."""
    rows = []
    for number, step in enumerate(STEPS):
        lasted = [run[number] - (run[number - 1] if number else 0.0) for run in runs]
        rows.append([step, *(f"{seconds:.1f}" for seconds in lasted)])
    rows.append(["all of it", *(f"{run[-1]:.1f}" for run in runs)])
    return table(["step", ">first run on its nodes, s", ">second run, s"], rows)


def main() -> None:
    out = page_parser(__doc__).parse_args().out
    with tempfile.TemporaryDirectory(prefix="bench-yarn-") as temporary:
        folder = Path(temporary)
        for name in ("yarn", "here", "raw", "events"):
            (folder / name).mkdir()
        generate(folder / "raw", 0.01, 0)
        local = SparkSection(master="local[1]", conf={"spark.ui.enabled": False})
        with running_yarn(folder / "yarn") as yarn, spark_session("bench", local) as spark:
            submitted = Submitted(yarn, folder / "here")
            submitted.upload(folder / "raw", "raw")
            # Places its files on HDFS without a job, so that the first search finds nodes that have run nothing.
            design = folder / "design"
            made_here(folder / "raw", design, spark)
            for place in ("first", "second"):
                submitted.upload(design, f"{place}/run/design")
            runs = [moments_of(submitted, place, folder / "events") for place in ("first", "second")]
            whole = seconds_of(submitted, ["pipeline"], "pipeline")
            one_by_one = seconds_of(submitted, JOBS, "one-by-one")
    size = Path(os.environ["HPT_SPARK_TEST_ENVIRONMENT"]).stat().st_size / 1e6
    lines = [
        "## A run on YARN",
        "",
        "`make bench-yarn`: `tune` of 4 small fits, submitted in cluster mode from the bundle with its packed "
        f"environment ({size:.0f} MB), to a YARN of two nodes on this machine.",
        "",
        *as_table(runs),
        "",
        "All five steps on the same nodes, afterwards:",
        "",
        *table(
            ["how", ">s"],
            [["`pipeline`, one application", f"{whole:.1f}"], ["five submissions", f"{one_by_one:.1f}"]],
        ),
        "",
        setting_of_the_run(["pyspark", "xgboost"]),
    ]
    text = "\n".join(lines)
    publish("yarn", text, out)


def made_here(raw: Path, design: Path, spark: Any) -> None:
    """Make the design matrix that the searches run on."""
    place = design.parent / "made"
    settings = (f"source.uri={raw}", f"tables.uri={place}/tables", f"run.dir={place}/run")
    words = [word for setting in settings for word in ("--set", setting)]
    done_here("ingest", *words)
    done_here("build_features", *words, "--set", f"features={json.dumps(FEATURES)}", spark=spark)
    (place / "run" / "design").rename(design)


if __name__ == "__main__":
    main()
