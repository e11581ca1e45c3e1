"""Write seven zipped CSVs of the TalkingData shape with a planted signal.

usage: spark-submit jobs/generate.py --out FOLDER [--scale S] [--seed N]
   or: hpt-spark generate --out FOLDER [--scale S] [--seed N]
"""

import argparse
import sys

from hpt_spark.cli import path_argument, run_job
from hpt_spark.storage import local_path
from hpt_spark.synthetic.files import generate


def options(parser: argparse.ArgumentParser) -> None:
    """Add the options of this job."""
    parser.add_argument("--out", type=path_argument, metavar="FOLDER", required=True, help="where the seven files go")
    parser.add_argument("--scale", type=float, default=0.01, help="1.0 is the full size (default: %(default)s)")
    parser.add_argument("--seed", type=int, default=0, help="another seed, other data (default: %(default)s)")


def main(arguments: argparse.Namespace) -> None:
    """Generate the files and say how many rows each has."""
    rows = generate(local_path(arguments.out), arguments.scale, arguments.seed)
    for name, count in rows.items():
        print(f"{arguments.out}/{name}.csv.zip: {count:,} rows")


if __name__ == "__main__":
    sys.exit(run_job(main, __doc__, options))
