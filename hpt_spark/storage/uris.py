"""Paths of the configuration: on this machine or on a Hadoop file system."""

from __future__ import annotations

import os
import re
from contextlib import suppress
from pathlib import Path
from urllib.parse import unquote

from hpt_spark.errors import InputError
from hpt_spark.masking import without_secrets

MOST_SHOWN = 200
_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]+):/")


def is_local(uri: str | os.PathLike[str]) -> bool:
    """Return whether `uri` is a place on this machine: a plain path or a ``file:`` URI."""
    scheme = _SCHEME.match(os.fspath(uri))
    return scheme is None or scheme[1].lower() == "file"


def is_blob(uri: str | os.PathLike[str]) -> bool:
    """Return whether `uri` is a place in Azure's blob storage, which can be read without Hadoop."""
    return re.match("(https?|wasbs?|abfss?)://", os.fspath(uri), re.IGNORECASE) is not None


def local_path(uri: str | os.PathLike[str]) -> Path:
    """Return the path that a plain path or a ``file:`` URI means on this machine.

    Parameters
    ----------
    uri : str or path
        ``data/raw``, ``~/data``, ``file:/data`` or ``file:///data``.

    Raises
    ------
    InputError
        If `uri` has another scheme.
    """
    text = os.fspath(uri)
    if not is_local(text):
        raise InputError(
            f"{without_secrets(text)} cannot be used here: only a local folder is supported, "
            "as a plain path or file:///PATH"
        )
    if _SCHEME.match(text):
        text = unquote(re.sub("(?i)^file:(//(localhost)?(?=/))?", "", text))
        if text.startswith("//"):
            raise InputError(f"{uri} names a file of another host; only this machine's files can be read: file:///PATH")
    try:
        path = Path(text).expanduser()
    except RuntimeError as error:  # ~name of nobody
        raise InputError(f"{text} names the home folder of an unknown user: write the whole path") from error
    try:
        path = path.resolve()
        with suppress(FileNotFoundError, NotADirectoryError, PermissionError):  # shown by the first use
            path.stat()
    except (OSError, RuntimeError, ValueError) as error:  # too long, a loop of links, a NUL
        shown = text if len(text) <= MOST_SHOWN else f"{text[:MOST_SHOWN]}..."
        reason = getattr(error, "strerror", None) or error
        raise InputError(f"{shown} cannot be a path on this machine ({reason}): choose another") from error
    return path


def escape_glob(path: str) -> str:
    """Return `path` escaped for Spark's readers, which take a path for a pattern, like `glob.escape`."""
    return re.sub(r"[][{}*?\\]", r"\\\g<0>", path)


def hadoop_uri(uri: str) -> str:
    """Return `uri` as Hadoop writes it; the URL of a blob container becomes ``wasbs://`` or ``abfss://``.

    Parameters
    ----------
    uri : str
        Any Hadoop path, or ``https://ACCOUNT.blob.core.windows.net/CONTAINER[/PREFIX]`` (``dfs`` for ``blob``
        where the account is meant to be reached by the newer driver, ABFS).

    Raises
    ------
    InputError
        If it is another web address, or carries a query: a Hadoop file system has its own credentials.
    """
    shown = without_secrets(uri)
    if "?" in uri and not is_local(uri):
        raise InputError(
            f"{shown} was given with a query behind it (?...), which a Hadoop file system does not take: leave it out, "
            "the credentials are those of the cluster's configuration (or of spark.conf: spark.hadoop.fs...)."
        )
    if not re.match("https?:", uri, re.IGNORECASE):
        return uri
    blob = re.fullmatch(r"https://([a-z0-9]+)\.(blob|dfs)\.([^/:@]+)/([^/]+)(/.*)?", uri)
    if not blob:
        raise InputError(
            f"{shown} is not a Hadoop path: write hdfs://HOST/PATH, "
            "abfss://CONTAINER@ACCOUNT.dfs.core.windows.net/PATH or https://ACCOUNT.blob.core.windows.net/CONTAINER/PATH"
        )
    account, endpoint, domain, container, path = blob.groups()
    scheme = {"blob": "wasbs", "dfs": "abfss"}[endpoint]
    return f"{scheme}://{container}@{account}.{endpoint}.{domain}{path or '/'}"
