"""Hand a job to spark-submit or to a Livy server, and wait for its end.

usage: hpt-spark submit JOB --conf FILE [--set key=value ...] [--target spark-submit|livy]
"""

import argparse
import sys

from hpt_spark.cli import config_options, run_job
from hpt_spark.config.layers import load_config
from hpt_spark.submit import livy, spark_submit
from hpt_spark.submit.submission import JOBS, submission_of


def options(parser: argparse.ArgumentParser) -> None:
    """Add what is said of the job, and the options of the job itself."""
    parser.add_argument("job", choices=JOBS, metavar="JOB", help=f"the job to hand over: {', '.join(JOBS)}")
    parser.add_argument(
        "--target", choices=("spark-submit", "livy"), help="the same as --set submit.target=...; see docs/clusters.md"
    )
    config_options(parser, shown="the command, or the request to Livy,")
    parser.add_argument(
        "--job-arg",
        metavar="ARGUMENT",
        action="append",
        default=[],
        help="an argument for the job alone, e.g. --job-arg=--from=tune",
    )


def main(arguments: argparse.Namespace) -> None:
    """Resolve the configuration here, hand the job over, and end as it ends."""
    target = [f"submit.target={arguments.target}"] if arguments.target else []
    overwrite = ["run.overwrite=true"] if arguments.overwrite else []
    config = load_config(arguments.conf, [*arguments.set, *overwrite, *target])
    submission = submission_of(arguments.job, config, arguments.job_arg)
    if config.submit.target == "livy":
        if arguments.dry_run:
            print(livy.shown(submission, config))
        else:
            livy.run_with_livy(submission, config)
    elif arguments.dry_run:
        file = spark_submit.SHOWN_FOR_SECRETS if config.submit.secrets else None
        print(spark_submit.shown(spark_submit.command_of(submission, config, file)))
    else:
        spark_submit.run_with_spark_submit(submission, config)


if __name__ == "__main__":
    sys.exit(run_job(main, __doc__, options))
