"""Checks before Spark starts: Spark itself would fail late, and in many lines."""

from __future__ import annotations

import locale
import os
import re
import shlex
import socket
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from hpt_spark.errors import InputError
from hpt_spark.masking import mask_secrets, without_secrets

SECONDS_TO_CONNECT = 5.0
SECONDS_TO_ANSWER = 60.0
# Prints its release, and the missing ones among the packages that a worker imports first.
ASKED_OF_PYTHON = """
import importlib.util, sys
missing = [name for name in ("hpt_spark", "sklearn") if not importlib.util.find_spec(name)]
print("%d.%d" % sys.version_info[:2], *missing)
"""
PROXIES = ("https_proxy", "HTTPS_PROXY", "http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY")
UTF8_LOCALES = ("C.UTF-8", "C.utf8", "en_US.UTF-8", "UTF-8")


def check_spark_home() -> None:
    """Raise InputError when SPARK_HOME, from which PySpark starts Java, holds no Spark."""
    home = os.environ.get("SPARK_HOME")
    if home is not None and not os.access(Path(home) / "bin" / "spark-submit", os.X_OK):
        raise InputError(
            f"SPARK_HOME={home} has no bin/spark-submit; let it name the folder of a Spark, or unset it, which takes "
            "that of the installed PySpark."
        )


def check_submit_arguments() -> None:
    """Raise InputError when PySpark could not start Java with PYSPARK_SUBMIT_ARGS."""
    arguments = os.environ.get("PYSPARK_SUBMIT_ARGS", "pyspark-shell")
    try:
        fits = shlex.split(arguments)[-1:] == ["pyspark-shell"]
    except ValueError:
        fits = False
    if not fits:
        raise InputError(
            "PYSPARK_SUBMIT_ARGS must be options of spark-submit and end with pyspark-shell, e.g. '--driver-memory 2g "
            "pyspark-shell'; correct it, or unset it."
        )


def check_master(master: str | None, spark_version: str) -> None:
    """Raise InputError when no cluster answers at `master`."""
    if master is not None and master.startswith("mesos://") and int(spark_version.partition(".")[0]) >= 4:
        raise InputError(f"spark.master={without_secrets(master)}: Spark {spark_version} knows Mesos no more.")
    if master == "yarn":
        _check_hadoop_configuration()
    elif master is not None and master.startswith("spark://"):
        _check_reachable(master, master.removeprefix("spark://").split(","))
    elif master is not None and master.startswith("k8s://") and not any(map(os.environ.get, PROXIES)):
        url = re.fullmatch(r"k8s://(?:(https?)://)?([^/]+?)(?::(\d+))?(?:/.*)?", master)
        if url:
            _check_reachable(master, [f"{url[2]}:{url[3] or (80 if url[1] == 'http' else 443)}"])


def check_python(master: str) -> None:
    """Raise InputError when the Python of a local `master`'s workers does not run, or has another release."""
    python = os.environ.get("PYSPARK_PYTHON")
    if python is None or python == sys.executable or not master.startswith("local"):
        return  # elsewhere it is a path on other machines
    what = f"PYSPARK_PYTHON={python}, the Python of Spark's workers,"
    remedy = f"name that of an environment with hpt-spark in, or unset it, which takes {sys.executable}."
    try:
        answer = subprocess.run(
            [python, "-c", ASKED_OF_PYTHON],
            capture_output=True,
            text=True,
            errors="replace",
            timeout=SECONDS_TO_ANSWER,
            check=False,
        )
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise InputError(f"{what} does not run ({reason}); {remedy}") from None
    except subprocess.TimeoutExpired:
        raise InputError(f"PYSPARK_PYTHON={python} gives no answer for {SECONDS_TO_ANSWER:.0f} s; {remedy}") from None
    ours = "{}.{}".format(*sys.version_info[:2])
    release, *missing = answer.stdout.split() or [""]
    if answer.returncode != 0 or not re.fullmatch(r"\d+\.\d+", release):
        said = answer.stderr.strip().splitlines()[-1:]
        how = f"ends with {answer.returncode}" + "".join(f": {line}" for line in said)
        raise InputError(f"{what} is none (it {how}); {remedy}")
    if release != ours:
        raise InputError(f"{what} is Python {release}, but this is Python {ours}, and both must be the same; {remedy}")
    if missing:
        raise InputError(f"{what} does not have {', '.join(missing)}; {remedy}")


def check_arguments(arguments: Sequence[str]) -> None:
    """Raise InputError when spark-submit's Java, under a locale without UTF-8, has made ``?`` of an argument's letters.

    The letters are lost, and a message about the remaining path would name another one.
    """
    if "PYSPARK_GATEWAY_PORT" not in os.environ or _is_utf8_outside():
        return
    for argument in arguments:
        if re.search("[?\ufffd]", argument):
            raise InputError(
                f"the argument {mask_secrets(argument)} has lost its letters outside ASCII on the way through Java, "
                "whose locale is not UTF-8: start spark-submit with LC_ALL=C.UTF-8, or write the setting into a file "
                "for --conf."
            )


@contextmanager
def utf8_locale_for_java() -> Iterator[None]:
    """Start Java with a UTF-8 locale where this Python has UTF-8 file names.

    Python takes UTF-8 for them under ``LC_ALL=C`` too; to Java the rest of Unicode would then be question marks.
    """
    needed = _utf8_locale()
    before = {name: os.environ.get(name) for name in ("LC_ALL", "LC_CTYPE")}
    if needed is not None:
        os.environ["LC_ALL" if before["LC_ALL"] else "LC_CTYPE"] = needed
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


def _utf8_locale() -> str | None:
    """Return a locale in which Java decodes file names like Python; None where the present one does."""
    if sys.getfilesystemencoding().lower().replace("-", "") != "utf8" or sys.platform == "darwin":
        return None
    if _is_utf8_outside():
        return None
    current = locale.setlocale(locale.LC_CTYPE)
    try:
        for name in UTF8_LOCALES:
            with suppress(locale.Error):
                locale.setlocale(locale.LC_CTYPE, name)
                if _is_utf8():
                    return name
        return None
    finally:
        locale.setlocale(locale.LC_CTYPE, current)


def _is_utf8_outside() -> bool:
    """Return whether the environment's locale is UTF-8 to other programs."""
    current = locale.setlocale(locale.LC_CTYPE)
    try:
        with suppress(locale.Error):
            locale.setlocale(locale.LC_CTYPE, "")
            return _is_utf8()
        return False
    finally:
        locale.setlocale(locale.LC_CTYPE, current)


def _is_utf8() -> bool:
    return locale.nl_langinfo(locale.CODESET).upper().replace("-", "") == "UTF8"


def _check_hadoop_configuration() -> None:
    names = ("HADOOP_CONF_DIR", "YARN_CONF_DIR")
    given = {name: os.environ[name] for name in names if os.environ.get(name)}
    if any((Path(folder) / "yarn-site.xml").is_file() for folder in given.values()):
        return
    found = " and ".join(f"{name}={folder}" for name, folder in given.items())
    said = f"{found} has no yarn-site.xml" if found else "neither HADOOP_CONF_DIR nor YARN_CONF_DIR is set"
    raise InputError(
        f"spark.master=yarn needs the cluster's configuration, but {said}; let HADOOP_CONF_DIR name the folder with "
        "core-site.xml and yarn-site.xml."
    )


def _check_reachable(master: str, addresses: Sequence[str]) -> None:
    """Raise InputError when nothing listens at any of the `addresses` of `master`."""
    reasons = []
    for address in addresses:
        host, _, port = address.rpartition(":")
        try:
            socket.create_connection((host.strip("[]"), int(port)), SECONDS_TO_CONNECT).close()
            return
        except (OSError, OverflowError, ValueError) as error:  # the latter two for a number that is no port
            reasons.append(f"{address}: {getattr(error, 'strerror', None) or error}")
    raise InputError(
        f"spark.master={without_secrets(master)} cannot be reached ({'; '.join(reasons)}); start it, or name another "
        "one: local[*], yarn, spark://HOST:PORT."
    )
