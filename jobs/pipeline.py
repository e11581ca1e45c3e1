"""Run ingest, build_features, tune, predict and report in one application; what is unchanged is passed over.

usage: spark-submit jobs/pipeline.py --conf FILE [--set key=value ...] [--from STEP] [--until STEP]
   or: hpt-spark pipeline --conf FILE [--set key=value ...] [--from STEP] [--until STEP]
"""

import argparse
import sys

from hpt_spark.cli import run_job
from hpt_spark.config.layers import Config
from hpt_spark.pipeline.run import run_pipeline
from hpt_spark.pipeline.steps import STEPS
from hpt_spark_jobs import build_features, ingest, predict, report, tune

JOBS = {
    "ingest": ingest.main,
    "build_features": build_features.main,
    "tune": tune.main,
    "predict": predict.main,
    "report": report.main,
}


def more_options(parser: argparse.ArgumentParser) -> None:
    """Add the options of this job."""
    add = parser.add_argument
    add("--from", choices=STEPS, metavar="STEP", default=STEPS[0], dest="first", help="begin there (default: ingest)")
    add("--until", choices=STEPS, metavar="STEP", default=STEPS[-1], dest="last", help="end there (default: report)")


def main(config: Config, arguments: argparse.Namespace) -> None:
    """Run the steps."""
    run_pipeline(config, JOBS, arguments.first, arguments.last)


if __name__ == "__main__":
    sys.exit(run_job(main, __doc__, more_options=more_options))
