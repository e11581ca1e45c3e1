"""Make the bundle: a zip, the jobs and a Python environment, which a cluster needs to run the jobs.

usage: hpt-spark bundle --constraints FILE [--out dist] [--environment venv-pack] [--xgboost xgboost]
"""

import argparse
import sys

from hpt_spark.cli import path_argument, run_job
from hpt_spark.submit.bundle import CPU, ENVIRONMENT, GPU, make_bundle


def options(parser: argparse.ArgumentParser) -> None:
    """Add what the bundle is made of."""
    parser.add_argument("--out", type=path_argument, default="dist", help="the folder of the bundle (default: dist)")
    parser.add_argument(
        "--constraints", type=path_argument, required=True, help="its releases, one NAME==RELEASE a line"
    )
    parser.add_argument(
        "--environment",
        choices=("venv-pack", "none"),
        default="none",
        help=f"pack an environment of this Python as {ENVIRONMENT}; every node needs this Python at the same path",
    )
    parser.add_argument(
        "--xgboost",
        choices=(CPU, GPU),
        default=CPU,
        help="without or with what a GPU needs (default: without)",
    )


def main(arguments: argparse.Namespace) -> None:
    """Make the bundle and print its files with their sizes."""
    for file in make_bundle(arguments.out, arguments.constraints, arguments.environment, arguments.xgboost):
        print(f"{file.stat().st_size / 1e6:10.3f} MB  {file}")


if __name__ == "__main__":
    sys.exit(run_job(main, __doc__, options))
