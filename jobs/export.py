"""Write a finished or running search as an Optuna study, which Optuna's dashboard and plots open.

usage: spark-submit jobs/export.py RUN --optuna STUDY [--conf FILE] [--set key=value ...]
   or: hpt-spark export RUN --optuna STUDY [--conf FILE] [--set key=value ...]

Then `optuna-dashboard STUDY` shows it. A study that was exported before is replaced.
"""

import argparse
import sys

from hpt_spark.artifacts.optuna_study import export_study
from hpt_spark.artifacts.run_directory import RunDirectory
from hpt_spark.cli import path_argument, run_job
from hpt_spark.config.layers import Config
from hpt_spark.spark.session import spark_if_needed
from hpt_spark.storage import local_path


def more_options(parser: argparse.ArgumentParser) -> None:
    """Add the options of this job."""
    parser.add_argument("run", type=path_argument, metavar="RUN", help="the run: a local folder or any Hadoop path")
    parser.add_argument(
        "--optuna",
        type=path_argument,
        metavar="STUDY",
        required=True,
        help="the file of Optuna's journal storage to write",
    )


def main(config: Config, arguments: argparse.Namespace) -> None:
    """Write the study and say how many trials it has."""
    path = local_path(arguments.optuna)
    with spark_if_needed("export", config.spark, arguments.run):
        states = export_study(RunDirectory(arguments.run), path)
    print(f"{path}: {sum(states.values()):,} trials, " + ", ".join(f"{n:,} {state}" for state, n in states.items()))


if __name__ == "__main__":
    sys.exit(run_job(main, __doc__, more_options=more_options))
