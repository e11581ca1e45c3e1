"""List the runs of a folder: state, best score, time.

usage: hpt-spark runs DIR [--json]
"""

import argparse
import json
import sys
from dataclasses import asdict

from hpt_spark.artifacts.json_values import json_safe
from hpt_spark.artifacts.run_list import as_table, find_runs
from hpt_spark.cli import path_argument, run_job
from hpt_spark.config.sections import SparkSection
from hpt_spark.spark.session import spark_if_needed


def options(parser: argparse.ArgumentParser) -> None:
    """Add the options of this job."""
    parser.add_argument(
        "dir", type=path_argument, metavar="DIR", help="the folder in which runs lie, local or any Hadoop path"
    )
    parser.add_argument("--json", action="store_true", help="print JSON")


def main(arguments: argparse.Namespace) -> None:
    """Print a line for each run."""
    with spark_if_needed("runs", SparkSection(), arguments.dir):
        runs = find_runs(arguments.dir)
    if arguments.json:
        print(json.dumps(json_safe([asdict(run) for run in runs]), indent=1))
    else:
        print(as_table(runs))


if __name__ == "__main__":
    sys.exit(run_job(main, __doc__, options))
