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
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any, get_args

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
from hpt_spark.session import JVM_OPTIONS, spark_session

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
        ended = _end_of_java()
    if ended() != 0 or not archive.exists():
        raise HptSparkError("Java has not written the archive of its classes; without it Spark starts as before.")


def _end_of_java() -> Callable[[], int | None]:
    """Return what ends the Java that runs now, waits until it is gone, and returns its exit code."""
    from pyspark import SparkContext

    gateway: Any = SparkContext._gateway

    def end() -> int | None:
        gateway.shutdown()
        SparkContext._gateway = SparkContext._jvm = None
        gateway.proc.stdin.close()
        with suppress(subprocess.TimeoutExpired):
            return gateway.proc.wait(timeout=SECONDS_TO_WRITE)
        gateway.proc.kill()  # what it has written is half an archive
        gateway.proc.wait()
        return None

    return end


if __name__ == "__main__":
    sys.exit(run_job(main, __doc__, options=lambda parser: None))
