"""The last sentence of a job that fails, kept where whoever scheduled it can read it.

A driver in a YARN container writes to a log that Oozie and cron never see. HPT_SPARK_FAILURE_FILE names a
file of theirs instead.
"""

from __future__ import annotations

import os
import sys

from hpt_spark.config.secrets import mask_secrets, without_secrets
from hpt_spark.storage import is_local, local_path

VARIABLE = "HPT_SPARK_FAILURE_FILE"
MOST_CHARACTERS = 2000


def keep_failure(sentence: str) -> None:
    """Write why the job fails into the file that the environment names, if it names one.

    A local path or any Hadoop path will do. That the file cannot be written is said, and changes nothing else.
    """
    file = os.environ.get(VARIABLE)
    if not file:
        return
    text = mask_secrets(sentence).strip()[:MOST_CHARACTERS] + "\n"
    try:
        if is_local(file):
            local_path(file).write_text(text, encoding="utf-8", errors="replace")
        else:
            _write_by_java(file, text.encode("utf-8", errors="replace"))
    except Exception as error:  # the job's own error is the one that counts
        reason = mask_secrets(str(error).partition("\n")[0])
        print(f"hpt-spark: {VARIABLE}={without_secrets(file)} cannot be written: {reason}", file=sys.stderr)


def _write_by_java(file: str, content: bytes) -> None:
    """Write with the JVM that spark-submit has started: a wrong configuration is noticed before there is a session."""
    from pyspark import SparkContext

    context: type[SparkContext] = SparkContext
    context._ensure_initialized()
    jvm = context._jvm
    if jvm is None:
        raise RuntimeError("Java does not answer")
    configuration = jvm.org.apache.spark.deploy.SparkHadoopUtil.get().newConfiguration(jvm.org.apache.spark.SparkConf())
    path = jvm.org.apache.hadoop.fs.Path(file)
    stream = path.getFileSystem(configuration).create(path, True)
    try:
        stream.write(content)
    finally:
        stream.close()
