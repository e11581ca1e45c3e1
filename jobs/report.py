"""Write RUN/report.html again from the results of a finished search.

usage: spark-submit jobs/report.py --conf FILE [--set key=value ...]
   or: hpt-spark report --conf FILE [--set key=value ...]
"""

import sys

from hpt_spark.artifacts.report.page import write_report
from hpt_spark.artifacts.run_directory import RunDirectory
from hpt_spark.cli import run_job
from hpt_spark.config.layers import Config
from hpt_spark.spark.session import spark_if_needed


def main(config: Config) -> None:
    """Write the report and say where it is."""
    with spark_if_needed("report", config.spark, config.run.dir):
        run = RunDirectory(config.run.dir)
        write_report(run)
    print(f"{run.uri}/report.html")


if __name__ == "__main__":
    sys.exit(run_job(main, __doc__))
