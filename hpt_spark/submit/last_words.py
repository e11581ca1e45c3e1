"""The last words of a driver in a container of YARN, whose log the submitting machine does not see.

The driver writes them into a file beside its run directory (`hpt_spark.failure_file`). Hadoop's shell, which each Spark
has, reads the file and removes it.
"""

from __future__ import annotations

import subprocess
import uuid
from dataclasses import replace

from hpt_spark.config.layers import Config
from hpt_spark.failure_file import VARIABLE
from hpt_spark.storage import is_local
from hpt_spark.submit.installation import command_of_spark
from hpt_spark.submit.submission import Submission

PROPERTY = f"spark.yarn.appMasterEnv.{VARIABLE}"
SHELL = "org.apache.hadoop.fs.FsShell"
SECONDS_TO_READ = 120.0


def with_failure_file(submission: Submission, config: Config) -> tuple[Submission, str | None]:
    """Return `submission` with a file for its driver's last words, and that file.

    There is no file when the driver runs on this machine, when only the driver's machine can reach its run directory,
    or when the settings name another file.
    """
    elsewhere = config.spark.master == "yarn" and config.submit.deploy_mode == "cluster"
    if not elsewhere or is_local(config.run.dir) or PROPERTY in submission.conf:
        return submission, None
    # A new name each time, so that no file of another submission is read.
    file = f"{config.run.dir.rstrip('/')}.failure-{uuid.uuid4().hex[:12]}.txt"
    return replace(submission, conf={**submission.conf, PROPERTY: file}), file


def taken_from(file: str) -> str:
    """Return the text that a driver has written, and remove the file; empty when there is none."""
    words = _of_hadoops_shell("-cat", file)
    if words:
        _of_hadoops_shell("-rm", "-f", "-skipTrash", file)
    return words


def _of_hadoops_shell(*arguments: str) -> str:
    command = [command_of_spark("spark-class"), SHELL, *arguments]
    try:
        answer = subprocess.run(command, capture_output=True, timeout=SECONDS_TO_READ, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return answer.stdout.decode("utf-8", errors="replace").strip() if answer.returncode == 0 else ""
