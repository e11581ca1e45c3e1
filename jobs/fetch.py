"""Copy a finished run from any Hadoop or blob path into a local folder, and verify it by its manifest.

usage: spark-submit jobs/fetch.py RUN FOLDER [--conf FILE] [--set key=value ...]
   or: hpt-spark fetch RUN FOLDER [--conf FILE] [--set key=value ...]

A blob container is read as source.via and source.credential say, a Hadoop path with spark.conf. What was fetched before
does not come again; FOLDER appears when all of it is there.
"""

import argparse
import sys

from hpt_spark.artifacts.fetch import fetch
from hpt_spark.cli import path_argument, run_job
from hpt_spark.config.layers import Config
from hpt_spark.data.sources.opening import is_read_by_hadoop
from hpt_spark.masking import without_secrets
from hpt_spark.spark.session import spark_if_needed
from hpt_spark.storage import local_path


def more_options(parser: argparse.ArgumentParser) -> None:
    """Add the options of this job."""
    parser.add_argument(
        "run",
        type=path_argument,
        metavar="RUN",
        help="the run: a local folder, a Hadoop path, or the URL of a blob folder",
    )
    parser.add_argument(
        "folder", type=path_argument, metavar="FOLDER", help="a folder of this machine, new or with an earlier copy"
    )


def main(config: Config, arguments: argparse.Namespace) -> None:
    """Copy the run and say how much had to come."""
    via, folder = config.source.via, local_path(arguments.folder)
    with spark_if_needed("fetch", config.spark, required=is_read_by_hadoop(arguments.run, via)):
        files, size = fetch(arguments.run, folder, via, config.source.credential)
    how = f"{files:,} files fetched, {size:,} bytes" if files else "it has all files already"
    print(f"{folder}: {without_secrets(arguments.run)}, verified; {how}")


if __name__ == "__main__":
    sys.exit(run_job(main, __doc__, more_options=more_options))
