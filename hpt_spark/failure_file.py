"""The last sentence of a job that fails, kept where whoever scheduled it can read it.

A driver in a YARN container writes to a log that Oozie and cron never see. HPT_SPARK_FAILURE_FILE names a
file of theirs instead. Beside that, YARN's own diagnostics get the sentence where they show what a container has said.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from hpt_spark.masking import mask_secrets, without_secrets
from hpt_spark.spark.session import is_in_cluster_mode, started_by_spark_submit
from hpt_spark.storage import is_local, local_path

VARIABLE = "HPT_SPARK_FAILURE_FILE"
MOST_CHARACTERS = 2000


def keep_failure(sentence: str) -> None:
    """Write why the job fails into the file that the environment names, if it names one.

    A local path or any Hadoop path will do. That the file cannot be written is said, and changes nothing else.
    """
    text = mask_secrets(sentence).strip()[:MOST_CHARACTERS] + "\n"
    with suppress(Exception):  # the job's own error is the one that counts
        _tell_yarn(text)

    def write(file: str) -> None:
        if is_local(file):
            local_path(file).write_text(text, encoding="utf-8", errors="replace")
        else:
            _write_by_java(file, text.encode("utf-8", errors="replace"))

    _with_file(write)


def forget_failure() -> None:
    """Remove the sentence of an earlier attempt of this job, if the file can be reached already."""

    def remove(file: str) -> None:
        if is_local(file):
            local_path(file).unlink(missing_ok=True)
        elif started_by_spark_submit():
            files, path = _of_java(file)
            files.delete(path, False)

    _with_file(remove)


def _with_file(change: Callable[[str], None]) -> None:
    file = os.environ.get(VARIABLE)
    if not file:
        return
    try:
        change(file)
    except Exception as error:  # the job's own error is the one that counts
        reason = mask_secrets(str(error).partition("\n")[0])
        print(f"hpt-spark: {VARIABLE}={without_secrets(file)} cannot be written: {reason}", file=sys.stderr)


def _tell_yarn(text: str) -> None:
    """Write into stderr of the driver's container, whose end is in the diagnostics of an attempt that has failed.

    What Python writes goes to the container's stdout.
    """
    if is_in_cluster_mode():
        _jvm().java.lang.System.err.print(text)


def _write_by_java(file: str, content: bytes) -> None:
    files, path = _of_java(file)
    stream = files.create(path, True)
    try:
        stream.write(content)
    finally:
        stream.close()


def _of_java(file: str) -> tuple[Any, Any]:
    """Return Hadoop's file system and path of a file."""
    jvm = _jvm()
    configuration = jvm.org.apache.spark.deploy.SparkHadoopUtil.get().newConfiguration(jvm.org.apache.spark.SparkConf())
    path = jvm.org.apache.hadoop.fs.Path(file)
    return path.getFileSystem(configuration), path


def _jvm() -> Any:
    """Return the JVM that spark-submit has started: a wrong configuration is noticed before there is a session."""
    from pyspark import SparkContext

    context: type[SparkContext] = SparkContext
    context._ensure_initialized()
    if context._jvm is None:
        raise RuntimeError("Java does not answer")
    return context._jvm
