"""Write RUN/report.html again from the results of a finished search, or compare several runs in one page.

usage: spark-submit jobs/report.py --conf FILE [--set key=value ...]
   or: hpt-spark report --conf FILE [--set key=value ...]
   or: hpt-spark report RUN [RUN ...] [--out FILE]
"""

import argparse
import sys

from hpt_spark.artifacts.report.comparison import COMPARISON, write_comparison
from hpt_spark.artifacts.report.page import write_report
from hpt_spark.artifacts.run_directory import RunDirectory
from hpt_spark.cli import path_argument, run_job
from hpt_spark.config.layers import Config
from hpt_spark.errors import ConfigError
from hpt_spark.spark.session import spark_if_needed


def more_options(parser: argparse.ArgumentParser) -> None:
    """Add the options of this job."""
    parser.add_argument(
        "runs",
        type=path_argument,
        metavar="RUN",
        nargs="*",
        help="run directories, in place of run.dir; several are compared",
    )
    parser.add_argument(
        "--out",
        type=path_argument,
        metavar="FILE",
        help=f"where the comparison of several runs is written (default: {COMPARISON})",
    )


def main(config: Config, arguments: argparse.Namespace | None = None) -> None:
    """Write the report or the comparison, and say where it is."""
    uris = (arguments.runs if arguments else None) or [config.run.dir]
    out = arguments.out if arguments else None
    if out is not None and len(uris) < 2:
        raise ConfigError("--out is for a comparison: name two RUNs or more, or leave --out away.")
    with spark_if_needed("report", config.spark, *uris, *([out] if out else [])):
        runs = [RunDirectory(uri) for uri in uris]
        if len(runs) == 1:
            write_report(runs[0])
        else:
            write_comparison(runs, out or COMPARISON)
    print(f"{runs[0].uri}/report.html" if len(runs) == 1 else out or COMPARISON)


if __name__ == "__main__":
    sys.exit(run_job(main, __doc__, more_options=more_options))
