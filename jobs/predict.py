"""Predict the test rows into RUN/submission.csv, or a new table with --input and --output.

usage: spark-submit jobs/predict.py --conf FILE [--set key=value ...] [--input URI --output URI]
   or: hpt-spark predict --conf FILE [--set key=value ...] [--input URI --output URI]
"""

import argparse
import sys

import pyarrow as pa

from hpt_spark.artifacts.run_directory import SUBMISSION, RunDirectory
from hpt_spark.artifacts.scoring import predict_table
from hpt_spark.artifacts.search_results import load_model
from hpt_spark.artifacts.submission import class_probabilities, refuse_other_columns, write_predictions
from hpt_spark.artifacts.table_model import open_model
from hpt_spark.cli import path_argument, run_job
from hpt_spark.config.layers import Config
from hpt_spark.errors import ConfigError
from hpt_spark.masking import without_secrets
from hpt_spark.matrix.design import DEVICES
from hpt_spark.spark.session import spark_if_needed, spark_session


def more_options(parser: argparse.ArgumentParser) -> None:
    """Add the options of this job."""
    add = parser.add_argument
    add(
        "--input",
        type=path_argument,
        metavar="URI",
        help="a table of the columns that the model was trained on; any path that Spark reads",
    )
    add(
        "--output",
        type=path_argument,
        metavar="URI",
        help="a folder for its predictions: CSV if it ends with .csv, else Parquet",
    )


def main(config: Config, arguments: argparse.Namespace | None = None) -> None:
    """Load the model of the run, and predict the test rows of its design or a new table."""
    source, target = (getattr(arguments, name, None) for name in ("input", "output"))
    if (source is None) != (target is None):
        raise ConfigError("--input and --output go together: a table, and a folder for its predictions.")
    if source is not None and target is not None:
        _predict_input(config, source, target)
    else:
        _predict_test_rows(config)


def _predict_input(config: Config, source: str, target: str) -> None:
    with spark_if_needed("predict", config.spark, config.run.dir, target):
        model = open_model(RunDirectory(config.run.dir))
        with spark_session("predict", config.spark) as spark:
            rows = predict_table(spark, model, config.features.table, source, target, config.run.overwrite)
    print(f"{without_secrets(target)}: {rows:,} rows")


def _predict_test_rows(config: Config) -> None:
    with spark_if_needed("predict", config.spark, config.run.dir):
        run = RunDirectory(config.run.dir)
        results = run.manifest_digest()
        design, manifest = run.load_design(), run.finished_manifest()
        refuse_other_columns(design, manifest)
        if design.rows_are == DEVICES:
            probabilities = class_probabilities(load_model(run, manifest), design)
            id_name, predicted = "device_id", pa.table(dict(zip(design.classes, probabilities.T)))
        elif design.X_test.shape[0]:
            id_name, predicted = design.facts["table"]["id"], open_model(run).outputs_of(design.X_test)
        else:
            run.forget(SUBMISSION)  # of test rows that the design no longer has
            run.folder.delete(SUBMISSION)
            print(
                f"{run.uri}: there are no test rows; --input and --output predict a table, features.table.test_uri too"
            )
            return
        with run.replacing(SUBMISSION) as path:
            write_predictions(path, id_name, design.test_device_ids, predicted)
            run.refuse_replaced_results(results, SUBMISSION)
    print(f"{run.uri}/{SUBMISSION}: {design.X_test.shape[0]:,} {design.rows_are}")


if __name__ == "__main__":
    sys.exit(run_job(main, __doc__, more_options=more_options))
