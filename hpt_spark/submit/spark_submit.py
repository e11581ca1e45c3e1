"""The spark-submit command that starts a job."""

from __future__ import annotations

import os
import shlex
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from hpt_spark.config.layers import Config
from hpt_spark.errors import ConfigError, InputError, JobEndedError, MissingDependencyError
from hpt_spark.masking import REDACTED, REDACTION
from hpt_spark.spark.preflight import utf8_locale_for_java
from hpt_spark.storage.scratch import scratch_folder
from hpt_spark.submit.installation import command_of_spark, spark_home
from hpt_spark.submit.last_words import taken_from, with_failure_file
from hpt_spark.submit.properties import write_properties
from hpt_spark.submit.submission import PYTHON, Submission

SECONDS_TO_END = 30.0
SHOWN_FOR_SECRETS = "FILE-OF-SUBMIT.SECRETS"


def command_of(submission: Submission, config: Config, properties_file: str | None) -> list[str]:
    """Return the command for `submission`; a `properties_file` holds the settings with secret values."""
    master, mode = config.spark.master, config.submit.deploy_mode
    if mode == "cluster" and master is not None and master.startswith(("local", "spark://")):
        raise ConfigError(
            f"submit.deploy_mode=cluster: Spark cannot run a Python driver on spark.master={master} itself; use "
            "submit.deploy_mode=client there, or spark.master=yarn."
        )
    if submission.archives and master is not None and master.startswith("local"):
        raise ConfigError(
            f"submit.environment={config.submit.environment}: with spark.master={master} there is no container to "
            "unpack it; unpack it yourself and let PYSPARK_PYTHON name its bin/python."
        )
    words = [command_of_spark("spark-submit")]
    single = {
        "--master": master,
        "--deploy-mode": mode,
        "--name": submission.name,
        "--queue": config.submit.queue,
        "--properties-file": properties_file,
        "--py-files": ",".join(submission.py_files),
        "--files": ",".join(submission.files),
        "--archives": ",".join(submission.archives),
    }
    words += [word for option, value in single.items() if value for word in (option, value)]
    conf = submission.conf
    if config.submit.secrets:
        conf = {REDACTION: REDACTED} | conf
    words += [word for name, value in conf.items() for word in ("--conf", f"{name}={value}")]
    return [*words, submission.script, *submission.arguments]


def shown(command: Sequence[str]) -> str:
    """Return a command for a shell, one option a line."""
    lines = [shlex.quote(command[0])]
    for word in command[1:]:
        if word.startswith("--") or word.endswith(".py"):
            lines.append(shlex.quote(word))
        else:
            lines[-1] += f" {shlex.quote(word)}"
    return " \\\n  ".join(lines)


def run_with_spark_submit(submission: Submission, config: Config) -> None:
    """Start a job with spark-submit and wait for its end.

    Raises
    ------
    JobEndedError
        With spark-submit's exit code, unless that is 0.
    """
    submission, failure_file = with_failure_file(submission, config)
    with _file_of_secrets(config.submit.secrets) as file:
        command = command_of(submission, config, file)
        try:
            with utf8_locale_for_java():
                process = subprocess.Popen(command, env=_environment(submission, config))
        except (FileNotFoundError, PermissionError):
            raise MissingDependencyError(
                "There is no spark-submit to run: let SPARK_HOME name the folder of a Spark, add its bin to PATH, or "
                "pip install 'hpt-spark[spark]'."
            ) from None
        code = _end_of(process)
    if code < 0:
        name = signal.Signals(-code).name
        raise JobEndedError(f"{submission.name}: spark-submit was ended by {name}.", 128 - code)
    if code > 0:
        ended = f"{submission.name}: spark-submit ended with exit code {code}"
        said = taken_from(failure_file) if failure_file else ""
        if said:
            raise JobEndedError(f"{ended}; the driver's last words:\n{said}", code)
        raise JobEndedError(f"{ended}; above it says why.", code)


def _end_of(process: subprocess.Popen[bytes]) -> int:
    """Return the exit code of a process; a signal that ends this process ends that one, too."""
    try:
        return process.wait()
    except BaseException:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(SECONDS_TO_END)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        raise


def _environment(submission: Submission, config: Config) -> dict[str, str]:
    """Return the environment of spark-submit, in which the right Python is named.

    In cluster mode spark-submit would pass this machine's ``PYSPARK_DRIVER_PYTHON`` on to a node that does not have it.
    """
    environment = dict(os.environ)
    if config.submit.deploy_mode == "cluster":
        environment.pop("PYSPARK_DRIVER_PYTHON", None)
        if submission.archives:
            environment.pop("PYSPARK_PYTHON", None)
    elif submission.archives:
        environment |= {"PYSPARK_DRIVER_PYTHON": sys.executable, "PYSPARK_PYTHON": PYTHON}
    if not submission.archives:
        environment.setdefault("PYSPARK_PYTHON", sys.executable)
    home = spark_home()
    return {**environment, "SPARK_HOME": str(home)} if home else environment


@contextmanager
def _file_of_secrets(secrets: Mapping[str, str]) -> Iterator[str | None]:
    """Write the values of `secrets`, which are in the environment, into a file for spark-submit that only we can read.

    Spark reads such a file in place of ``spark-defaults.conf``, which therefore comes first in it.
    """
    if not secrets:
        yield None
        return
    missing = [variable for variable in secrets.values() if not os.environ.get(variable)]
    if missing:
        raise InputError(
            f"submit.secrets names the environment variable {', '.join(missing)}, which is not set; set it where "
            "hpt-spark submit is started."
        )
    with scratch_folder() as folder:
        file = folder / "secrets.conf"
        write_properties(file, {name: os.environ[variable] for name, variable in secrets.items()}, _defaults())
        yield str(file)


def _defaults() -> str:
    home = spark_home() or Path(shutil.which("spark-submit") or "").resolve().parent.parent
    folder = Path(os.environ.get("SPARK_CONF_DIR") or home / "conf")
    try:
        return (folder / "spark-defaults.conf").read_text(encoding="utf-8", errors="surrogateescape")
    except OSError:
        return ""
