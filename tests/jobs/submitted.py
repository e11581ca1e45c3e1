"""Jobs submitted from a bundle to the tests' YARN, as docs/clusters.md says."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pyspark
import yaml

from hpt_spark.storage import open_folder
from hpt_spark.storage.hadoop_files import HadoopFiles
from hpt_spark.submit.bundle import pack_code
from tests.jobs.running import BIN, contents, environment, fetched, set_words
from tests.yarn import Yarn

SECONDS_OF_A_JOB = 3000.0  # on a machine that is busy with other things
FEATURES = {"sets": ["brand_model", "weekday", "category"]}
# A node of 6 GB has room for one executor, with the driver and without it.
ON_YARN = {
    "spark.yarn.jars": f"local:{Path(pyspark.__file__).parent}/jars/*",  # or 300 MB are uploaded each time
    "spark.driver.memory": "512m",
    "spark.driver.memoryOverhead": "1g",
    "spark.executor.memory": "512m",
    "spark.executor.memoryOverhead": "2600m",
    "spark.executor.instances": 2,
    "spark.sql.shuffle.partitions": 2,
    "spark.ui.enabled": False,
    # A machine that is busy with other things may take minutes where Spark allows one or two.
    "spark.yarn.am.waitTime": "900s",
    "spark.network.timeout": "900s",
}


class Submitted:
    """Submits jobs from a bundle on HDFS, as docs/clusters.md says.

    Parameters
    ----------
    yarn : Yarn
    folder : Path
        For the bundle and the configuration.
    """

    def __init__(self, yarn: Yarn, folder: Path) -> None:
        self.yarn, self._folder, self.files = yarn, folder, HadoopFiles(yarn.hdfs)
        packed = os.environ.get("HPT_SPARK_TEST_ENVIRONMENT")
        assert packed, (
            "HPT_SPARK_TEST_ENVIRONMENT names the environment of a bundle; `make test-yarn` makes and names it"
        )
        pack_code(open_folder(folder / "dist"))
        shutil.copy(packed, folder / "dist" / "env.tar.gz")
        self.upload(folder / "dist", "hpt_spark")
        conf = {
            "source": {"uri": f"{yarn.hdfs}/raw", "via": "hadoop"},
            "features": FEATURES,
            "spark": {"master": "yarn", "conf": ON_YARN},
            "submit": {
                "deploy_mode": "cluster",
                "bundle": f"{yarn.hdfs}/hpt_spark",
                "environment": f"{yarn.hdfs}/hpt_spark/env.tar.gz",
            },
        }
        (folder / "conf.yaml").write_text(yaml.safe_dump(conf))

    def upload(self, folder: Path, name: str) -> None:
        for file in [path for path in folder.rglob("*") if path.is_file()]:
            self.files.upload(file, f"{self.yarn.hdfs}/{name}/{file.relative_to(folder)}")

    def start(self, words: Sequence[str | Path], driver_python: str = "/no/such/python") -> subprocess.Popen[str]:
        """Start a command of the machine that jobs are submitted on, whose `driver_python` must not reach a node."""
        variables = {"HADOOP_CONF_DIR": str(self.yarn.conf), "PYSPARK_DRIVER_PYTHON": driver_python}
        return subprocess.Popen(
            list(map(str, words)),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            env={**environment(), **variables},
            cwd=self._folder,
        )

    def command(self, job: str, place: str, search: Mapping[str, Any], *options: str) -> list[str | Path]:
        """Return the command that submits a job whose tables and run are in a folder of HDFS."""
        settings = [f"tables.uri={self.yarn.hdfs}/{place}/tables", f"run.dir={self.yarn.hdfs}/{place}/run"]
        settings += [f"search.{name}={json.dumps(value)}" for name, value in search.items()]
        words: list[str | Path] = [BIN / "hpt-spark", "submit", job, "--conf", self._folder / "conf.yaml"]
        return [*words, *set_words(*settings), *options]

    def run(self, *arguments: Any) -> str:
        """Submit a job that must succeed; return what was said."""
        with self.start(self.command(*arguments)) as process:
            return ended(process)

    def left_in(self, place: str, tmp_path: Path) -> dict[str, object]:
        """Return what lies in a folder of HDFS, as `contents` does."""
        return contents(fetched(f"{self.yarn.hdfs}/{place}", tmp_path / place))

    def manifest(self, place: str) -> dict[str, Any]:
        with open_folder(f"{self.yarn.hdfs}/{place}/run").reading("manifest.json") as path:
            manifest: dict[str, Any] = json.loads(path.read_text())
        return manifest


def ended(process: subprocess.Popen[str], code: int = 0) -> str:
    out, _ = process.communicate(timeout=SECONDS_OF_A_JOB)
    assert process.returncode == code, out[-6000:]
    return out
