"""Write the history of a finished search into MLflow, where that was not done while it ran.

usage: hpt-spark track RUN [--conf FILE] [--set tracking.mlflow.uri=URI]
"""

import argparse
import sys

from hpt_spark.artifacts.run_directory import RunDirectory
from hpt_spark.artifacts.run_history import track_finished
from hpt_spark.cli import path_argument, run_job
from hpt_spark.config.layers import Config
from hpt_spark.spark.session import spark_if_needed


def more_options(parser: argparse.ArgumentParser) -> None:
    """Add the options of this job."""
    parser.add_argument(
        "run", type=path_argument, metavar="RUN", help="the run.dir of the search, local or any Hadoop path"
    )


def main(config: Config, arguments: argparse.Namespace) -> None:
    """Write the history and say where it is."""
    with spark_if_needed("track", config.spark, arguments.run):
        run = RunDirectory(arguments.run)
        store, run_id = track_finished(run, config.tracking.mlflow, arguments.run)
    print(f"{run.uri}: run {run_id} of {store}")


if __name__ == "__main__":
    sys.exit(run_job(main, __doc__, more_options=more_options))
