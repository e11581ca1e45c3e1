"""Predict the class probabilities of the test devices into RUN/submission.csv.

usage: spark-submit jobs/predict.py --conf FILE [--set key=value ...]
   or: hpt-spark predict --conf FILE [--set key=value ...]
"""

import sys

from hpt_spark.artifacts.run_directory import RunDirectory
from hpt_spark.artifacts.search_results import load_model
from hpt_spark.artifacts.submission import class_probabilities, refuse_other_columns, write_submission
from hpt_spark.cli import run_job
from hpt_spark.config.layers import Config
from hpt_spark.spark.session import spark_if_needed


def main(config: Config) -> None:
    """Load the design and the model of the run, and write the submission."""
    with spark_if_needed("predict", config.spark, config.run.dir):
        run = RunDirectory(config.run.dir)
        design, manifest = run.load_design(), run.finished_manifest()
        refuse_other_columns(design, manifest)
        probabilities = class_probabilities(load_model(run, manifest["plan"]["search"]), design)
        with run.folder.atomic_write("submission.csv") as path:
            write_submission(path, design.test_device_ids, design.classes, probabilities)
        run.record("submission.csv")
    print(f"{run.uri}/submission.csv: {len(probabilities):,} devices")


if __name__ == "__main__":
    sys.exit(run_job(main, __doc__))
