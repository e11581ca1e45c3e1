"""The parts of a submission, for spark-submit and for Livy."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from hpt_spark.config.layers import Config
from hpt_spark.errors import ConfigError, InputError
from hpt_spark.masking import mask_secrets, secret_keys
from hpt_spark.search.planning.executors import LOST_EXECUTORS
from hpt_spark.storage import is_local, local_path
from hpt_spark.submit.arguments import job_arguments
from hpt_spark.submit.properties import read_properties

# The others read or write folders of the machine that they are started on.
JOBS = ("pipeline", "ingest", "build_features", "tune", "predict", "report")
ZIP = "hpt_spark.zip"
PYTHON = "./env/bin/python"
UPLOAD = "upload what `make bundle` made to the cluster's storage and name that folder, e.g. wasbs:///hpt_spark"


@dataclass(frozen=True)
class Submission:
    """The script, the arguments, the files and the settings that start a job; none of them holds a secret."""

    name: str
    script: str
    arguments: list[str]
    py_files: list[str]
    files: list[str]
    archives: list[str]
    conf: dict[str, str]  # Spark's settings


def submission_of(job: str, config: Config, extra: Sequence[str] = ()) -> Submission:
    """Return the submission of `job` with `config` and with `extra` arguments.

    Raises
    ------
    ConfigError
        When a setting holds a secret, or results would be lost.
    InputError
        When a local file is missing.
    """
    submit = config.submit
    pythons = ("yarn.appMasterEnv", "executorEnv") if submit.environment else ()
    conf = {f"spark.{of}.PYSPARK_PYTHON": PYTHON for of in pythons}
    if config.spark.master == "yarn" or (submit.target == "livy" and config.spark.master is None):
        name, value, _ = LOST_EXECUTORS
        conf[name] = value
    if submit.properties is not None:
        conf |= read_properties(submit.properties)
    conf |= config.spark.conf_as_text
    _refuse_secrets(config, conf, extra)
    _refuse_places_in_a_container(job, config)
    reach = _for_livy if submit.target == "livy" else _on_this_machine
    bundle = None if submit.bundle is None else submit.bundle.rstrip("/")
    if bundle is None and submit.target == "livy":
        raise InputError(f"submit.bundle=null: Livy takes no file of this machine; {UPLOAD}.")
    return Submission(
        name=submit.name or f"hpt-spark {job}",
        script=reach("submit.bundle", f"{bundle}/jobs/{job}.py") if bundle is not None else _installed_script(job),
        arguments=[*job_arguments(config), *extra],
        py_files=[
            *([reach("submit.bundle", f"{bundle}/{ZIP}")] if bundle is not None else []),
            *(reach("submit.py_files", path) for path in submit.py_files),
        ],
        files=[reach("submit.files", path) for path in submit.files],
        archives=[f"{reach('submit.environment', submit.environment)}#env"] if submit.environment else [],
        conf=conf,
    )


def _refuse_secrets(config: Config, conf: dict[str, str], extra: Sequence[str]) -> None:
    """Raise ConfigError for a secret that others could read: in the list of processes, Livy's log or Spark's pages."""
    of_spark = {name: value for name, value in conf.items() if name not in config.spark.conf}
    found = [*secret_keys(config.model_dump()), *secret_keys(of_spark)]
    if any(mask_secrets(word) != word for word in extra):
        found.append("--job-arg")
    if found:
        raise ConfigError(
            f"`{'`, `'.join(dict.fromkeys(found))}` would show a secret to everybody who can list processes or read "
            "the logs; leave it out, put it into an environment variable, and name that: in submit.secrets for a "
            "setting of Spark, in source.credential for a container. Best is a secret that the cluster keeps itself "
            "(docs/clusters.md)."
        )


def _refuse_places_in_a_container(job: str, config: Config) -> None:
    """Raise ConfigError for a path in the driver's container: the job would succeed and its results would vanish."""
    submit = config.submit
    if config.spark.master != "yarn" or submit.deploy_mode != "cluster" or submit.target == "livy":
        return
    places = {} if job == "ingest" else {"run.dir": config.run.dir}
    if job in ("ingest", "pipeline") and not config.features.is_from_table:
        places["tables.uri"] = config.tables.uri
    for key, uri in places.items():
        if is_local(uri) and not uri.lower().startswith(("/", "file:")):
            raise ConfigError(
                f"{key}={uri} is of the driver's working folder, which YARN removes at its end; name a Hadoop path, "
                f"such as hdfs:///{uri}, or submit with submit.deploy_mode=client."
            )


def _installed_script(job: str) -> str:
    package = find_spec("hpt_spark_jobs")
    script = Path(next(iter(package.submodule_search_locations or [])) if package else "") / f"{job}.py"
    if not script.is_file():
        raise InputError(
            f"submit.bundle=null takes the jobs of the installed package, but there is no file {script}; name a "
            "folder that `make bundle` made."
        )
    return str(script)


def _on_this_machine(key: str, path: str) -> str:
    """Return a path for spark-submit, which uploads local files."""
    if not is_local(path):
        return path
    local = local_path(path)
    if not local.is_file():
        remedy = "make it: make bundle" if key == "submit.bundle" else "correct the path"
        raise InputError(f"{key}: there is no file {local}; {remedy}.")
    if re.search("[,#]", str(local)):
        raise InputError(f"{key}: spark-submit cannot take {local}, whose name has a comma or a #; rename it.")
    return str(local)


def _for_livy(key: str, path: str) -> str:
    """Return a path for Livy, which looks for a path without a scheme on the cluster's default file system."""
    if is_local(path) and not path.lower().startswith(("/", "file:")):
        raise InputError(f"{key}: {path} is of this machine's working folder, which Livy cannot read; {UPLOAD}.")
    return path
