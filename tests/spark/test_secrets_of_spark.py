"""A secret among Spark's settings reaches Spark, and nobody else."""

from __future__ import annotations

import json

import pytest

from hpt_spark.config.sections import SparkSection
from hpt_spark.errors import InputError
from hpt_spark.spark.session import spark_session
from tests.python_process import run_python

KEY = "spark.hadoop.fs.azure.account.key.me.blob.core.windows.net"


def test_java_is_started_without_the_secrets_among_the_settings(monkeypatch):
    told: dict[str, str] = {}

    def starting(cls, instance=None, gateway=None, conf=None):
        told.update(conf.getAll())
        raise ConnectionRefusedError

    monkeypatch.delenv("PYSPARK_GATEWAY_PORT", raising=False)
    monkeypatch.setattr("pyspark.SparkContext._ensure_initialized", classmethod(starting))
    # A start that fails stops what it has started: that is not the session of the other tests.
    monkeypatch.setattr("pyspark.SparkContext._active_spark_context", None)
    conf = {KEY: "S3CRET", "spark.ssl.keyPassword": "S3CRET", "spark.driver.memory": "600m"}
    with pytest.raises(InputError), spark_session("x", SparkSection(conf=conf)):
        pass
    assert told["spark.driver.memory"] == "600m", "which Java needs when it starts"
    assert "S3CRET" not in told.values()


SHOWING = """
import json, sys
from pathlib import Path
from hpt_spark.config.sections import SparkSection
from hpt_spark.spark.session import spark_session
key, events = sys.argv[1:]
secret = "".join(["S3", "CRET"])  # which this program's own command line does not show
conf = {key: secret, "spark.ui.enabled": False, "spark.eventLog.enabled": True, "spark.eventLog.dir": events}
conf["spark.eventLog.compress"] = False
with spark_session("x", SparkSection(master="local[1]", conf=conf)) as spark:
    found = spark.sparkContext._jsc.hadoopConfiguration().get(key.removeprefix("spark.hadoop."))
    lines = []
    for file in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            lines.append(file.read_bytes())
        except OSError:
            pass
shown = [line.decode(errors="replace") for line in lines if secret.encode() in line]
logs = [file.read_bytes() for file in Path(events).rglob("*") if file.is_file()]
print(json.dumps([found, shown, key.encode() in b"".join(logs), secret.encode() in b"".join(logs)]))
"""


@pytest.mark.process
def test_a_secret_reaches_hadoop_and_no_command_line_and_no_event_log(tmp_path):
    answer = run_python(SHOWING, KEY, tmp_path, timeout=280)
    assert answer.returncode == 0, answer.stderr
    assert json.loads(answer.stdout) == ["S3CRET", [], True, False]
