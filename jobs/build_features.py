"""Compute the features of all devices, or of a table's rows, and save the design matrix in RUN/design.

usage: spark-submit jobs/build_features.py --conf FILE [--set key=value ...]
   or: hpt-spark build_features --conf FILE [--set key=value ...]
"""

import sys

from hpt_spark.artifacts.run_directory import RunDirectory
from hpt_spark.cli import run_job
from hpt_spark.config.layers import Config
from hpt_spark.data.tables import Tables
from hpt_spark.errors import listed
from hpt_spark.matrix.collect import collect_blocks
from hpt_spark.spark.session import spark_if_needed, spark_session, stop_jvm
from hpt_spark.tables.design import build_table_design


def main(config: Config) -> None:
    """Read the tables, collect the blocks, save the design whole."""
    with spark_if_needed("build_features", config.spark, config.run.dir):
        run, features = RunDirectory(config.run.dir), config.features
        run.folder.check_writable()  # before the work, which would be lost
        with spark_session("build_features", config.spark) as spark:
            if features.is_from_table:
                design = build_table_design(spark, features)
            else:
                tables = Tables(spark, config.tables.uri)
                collected = collect_blocks(
                    tables, features.sets, features.encoding, features.min_devices, features.blocks
                )
        stop_jvm()
        if not features.is_from_table:
            design = collected.design()
        run.save_design(design, config.run.overwrite)
    empty = [name for name, facts in design.facts["blocks"].items() if not facts["columns"]]
    without = f"; without a column: {listed(empty)}" if empty else ""
    print(f"{run.uri}/design: {design.describe()}{without}")


if __name__ == "__main__":
    sys.exit(run_job(main, __doc__))
