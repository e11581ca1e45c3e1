"""Make the archive of Java classes with which Spark starts in about half the time.

usage: python -m hpt_spark.warm_up

It runs features and a search on a little generated data, and keeps the classes that Java has loaded
for them: some 170 MB in the environment's folder share/hpt_spark. Run it again after an upgrade of
Java or PySpark: `make fast-start` runs it only where there is no archive yet.
"""

from __future__ import annotations

import argparse
import logging
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import get_args

from sklearn.dummy import DummyClassifier

from hpt_spark import GridSearchCV, class_archive
from hpt_spark.cli import run_job
from hpt_spark.data.generate.files import generate
from hpt_spark.data.ingest import ingest
from hpt_spark.data.tables import Tables
from hpt_spark.errors import NO_PYSPARK, HptSparkError, MissingDependencyError
from hpt_spark.java import check_java
from hpt_spark.matrix.collect import collect_blocks
from hpt_spark.sections import FeatureSet, SparkSection
from hpt_spark.session import end_java, spark_session
from hpt_spark.spark_defaults import JVM_OPTIONS

SCALE = 0.001
SECONDS_TO_WRITE = 120


def main(_: argparse.Namespace) -> None:
    """Run the work, let Java write the archive, and put it where the jobs look for it."""
    try:
        import pyspark
    except ImportError:
        raise MissingDependencyError(NO_PYSPARK) from None
    java = check_java(pyspark.__version__)
    if java < class_archive.FIRST_JAVA:
        print(f"Java {java} cannot keep its classes (Java {class_archive.FIRST_JAVA} and newer can): nothing is done")
        return
    logging.getLogger("hpt_spark").setLevel(logging.WARNING)
    try:
        class_archive.FOLDER.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=class_archive.FOLDER) as folder:
            unfinished = Path(folder) / "classes.jsa"
            _run_in_java_that_writes(unfinished, Path(folder))
            kept = class_archive.keep(unfinished)
    except OSError as error:
        raise HptSparkError(f"{class_archive.FOLDER} cannot hold the archive: {error.strerror or error}") from error
    print(f"{kept}: {kept.stat().st_size / 1e6:.0f} MB")


def _run_in_java_that_writes(archive: Path, folder: Path) -> None:
    options = " ".join((*JVM_OPTIONS, *class_archive.options_to_make(archive)))
    settings = SparkSection(master="local[2]", conf={"spark.driver.extraJavaOptions": options})
    generate(folder / "raw", SCALE, seed=0)
    ingest(folder / "raw", folder / "tables")
    with spark_session("build_features", settings) as spark:
        collected = collect_blocks(Tables(spark, str(folder / "tables")), get_args(FeatureSet), "fraction", 1)
        design = collected.design()
        search = GridSearchCV(DummyClassifier(), {"random_state": [0, 1]}, sc=spark.sparkContext)
        search.fit(design.X_train, design.y_train)
        java = spark.sparkContext._gateway.proc  # type: ignore[union-attr]
    if not _has_ended_well(java) or not archive.exists():
        raise HptSparkError("Java has not written the archive of its classes; without it Spark starts as before.")


def _has_ended_well(java: subprocess.Popen[bytes]) -> bool:
    """End Java, wait until it has written what it has to write, and return whether it has."""
    end_java()
    try:
        return java.wait(timeout=SECONDS_TO_WRITE) == 0
    except subprocess.TimeoutExpired:
        java.kill()  # what it has written is half an archive
        java.wait()
        return False


if __name__ == "__main__":
    sys.exit(run_job(main, __doc__, options=lambda parser: None))
