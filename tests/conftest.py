"""One Spark session for all tests, and test data made once."""

from __future__ import annotations

import os
import signal
import sys
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path

import pytest

# The tests decide about Spark, not what happens to be set where they run.
for name in ("SPARK_HOME", "SPARK_CONF_DIR", "PYSPARK_SUBMIT_ARGS", "PYSPARK_PYTHON", "HADOOP_CONF_DIR"):
    os.environ.pop(name, None)
# A thread of OpenMP that spins while it waits takes the core from the other process of pytest, and from the workers.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
os.environ["MLFLOW_TRACKING_URI"] = "none"  # but where the history itself is tested
ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT))
sys.path.append(str(ROOT / "bench"))  # whose scripts import their neighbours by name
# By the names under which they are installed, or another checkout that is installed would be tested.
for package, folder in {"hpt_spark_jobs": ROOT / "jobs", "hpt_spark_conf": ROOT / "conf"}.items():
    spec = spec_from_file_location(package, folder / "__init__.py", submodule_search_locations=[str(folder)])
    sys.modules[package] = module_from_spec(spec)
    spec.loader.exec_module(sys.modules[package])

# Started in the background of a shell, a process ignores Ctrl-C, and so do those that it starts.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

import tests.property_settings  # noqa: E402, F401, it registers the profiles

QUICK = {"spark.ui.enabled": "false", "spark.sql.shuffle.partitions": "2", "spark.default.parallelism": "2"}
# Java's first compiler alone: the second takes half of the processor's time, and short queries end before it pays. The
# first alone has a fifth of the usual room for code, which the queries of all tests would fill.
SHORT_LIVED = ("-XX:TieredStopAtLevel=1", "-XX:ReservedCodeCacheSize=240m")


def pytest_collection_modifyitems(items):
    # What needs Spark takes longest. Where it comes first, the many short files fill what is left of two processes.
    of_spark = {item.path for item in items if "spark" in getattr(item, "fixturenames", ())}
    items.sort(key=lambda item: item.path not in of_spark)
    for item in items:
        if "spark" in getattr(item, "fixturenames", ()):
            item.add_marker(pytest.mark.spark)
        if "hdfs" in getattr(item, "fixturenames", ()):
            item.add_marker(pytest.mark.hdfs)
        if item.get_closest_marker("hdfs"):
            item.add_marker(pytest.mark.timeout(900))  # starts servers, and each job is a process with a JVM


@pytest.fixture
def write(tmp_path):
    """Write a YAML file and return its path."""

    def to_file(text: str, name: str = "my.yaml") -> str:
        (tmp_path / name).write_text(text, encoding="utf-8")
        return str(tmp_path / name)

    return to_file


@pytest.fixture(scope="session")
def spark(tmp_path_factory):
    """A local session with two cores; its warehouse and working files lie in a temporary folder."""
    from hpt_spark.config.sections import SparkSection
    from hpt_spark.spark.defaults import JVM_OPTIONS
    from hpt_spark.spark.session import spark_session

    conf = {
        **QUICK,
        "spark.driver.extraJavaOptions": " ".join((*JVM_OPTIONS, *SHORT_LIVED)),
        "spark.sql.warehouse.dir": str(tmp_path_factory.mktemp("warehouse")),
    }
    settings = SparkSection(master="local[2]", conf=conf)
    with spark_session("tests", settings) as session:
        yield session


@pytest.fixture(scope="session")
def raw(tmp_path_factory):
    """A folder of generated input, small enough for every test."""
    from hpt_spark.synthetic.files import generate

    folder = tmp_path_factory.mktemp("raw")
    generate(folder, 0.01, 0)
    return folder


@pytest.fixture(scope="session")
def tables(raw, tmp_path_factory):
    """The tables of `raw`."""
    from hpt_spark.data.ingest import ingest

    folder = tmp_path_factory.mktemp("run") / "tables"
    ingest(raw, folder)
    return folder


@pytest.fixture(scope="session")
def hdfs(tmp_path_factory):
    """The URI of a real HDFS."""
    from tests.hdfs import running_hdfs

    with running_hdfs(tmp_path_factory.mktemp("hdfs")) as uri:
        yield uri
