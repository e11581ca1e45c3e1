"""Follow a search that runs, from another terminal or another machine, until it ends.

usage: hpt-spark watch RUN [--once] [--every SECONDS]
"""

import argparse
import sys
import time

from hpt_spark.artifacts.run_directory import RunDirectory
from hpt_spark.artifacts.run_list import summary_of
from hpt_spark.artifacts.status import (
    CUT_SHORT,
    ENDED_WELL,
    RUNNING,
    SECONDS_TO_BE_SURE,
    SignsOfLife,
    describe,
    read_status,
)
from hpt_spark.cli import path_argument, run_job
from hpt_spark.config.sections import SparkSection
from hpt_spark.errors import ConfigError, HptSparkError, InputError
from hpt_spark.spark.session import spark_if_needed


def options(parser: argparse.ArgumentParser) -> None:
    """Add the options of this job."""
    parser.add_argument(
        "run", type=path_argument, metavar="RUN", help="the run.dir of the search, local or any Hadoop path"
    )
    parser.add_argument("--once", action="store_true", help="say where it stands now, and stop")
    parser.add_argument(
        "--every", metavar="SECONDS", type=float, default=2.0, help="how often to look (default: %(default)s)"
    )


def main(arguments: argparse.Namespace) -> None:
    """Print where the search stands whenever that changes."""
    if not 0.1 <= arguments.every <= 3600:
        raise ConfigError(f"--every {arguments.every:g} must be from 0.1 to 3600 seconds.")
    with spark_if_needed("watch", SparkSection(), arguments.run):
        run = RunDirectory(arguments.run)
        if not run.folder.list():
            raise InputError(f"{run.uri} is no run: it is empty or does not exist; name the run.dir of a search.")
        said, signs = "", SignsOfLife()
        while True:
            state, line = _standing(run, arguments.run, signs)
            if line != said:
                print(f"{run.uri}: {line}", flush=True)
                said = line
            if arguments.once or state in ENDED_WELL:
                return
            may_live = state == CUT_SHORT and signs.seconds_without < SECONDS_TO_BE_SURE
            if state not in (*RUNNING, "no search") and not may_live:
                raise HptSparkError(f"{run.uri}: the search has ended without a result; `hpt-spark tune` goes on.")
            time.sleep(arguments.every)


def _standing(run: RunDirectory, uri: str, signs: SignsOfLife) -> tuple[str, str]:
    """Return the state of the search, and all that is known of it in one line."""
    status = read_status(run.folder, signs)
    if status is not None:
        return str(status["state"]), describe(status)
    summary = summary_of(uri, run.uri)  # of a run without a status, as releases before this one left it
    score = f": best {summary.score:.5f}" if summary.score is not None else ""
    return summary.state, f"{summary.state}{score}"


if __name__ == "__main__":
    sys.exit(run_job(main, __doc__, options))
