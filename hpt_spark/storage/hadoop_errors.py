"""Java's exceptions about files as Python's, or as messages for a person."""

from __future__ import annotations

import errno
import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from hpt_spark.errors import HptSparkError, InputError
from hpt_spark.masking import mask_secrets, without_secrets

# The simple names of the exceptions, and what the user can do.
_REMEDIES = {
    r"AccessControlException|AccessDeniedException": "ask for the right to use it, or name another place",
    r".*Quota.*": "free some space there, have the quota raised, or name another place",
    r"UnknownHostException|ConnectException|NoRouteToHostException|.*TimeoutException": (
        "correct the host and port, or start that server"
    ),
    r"UnsupportedFileSystemException|ClassNotFoundException|NoClassDefFoundError": (
        "a cluster has the driver of its own file systems; elsewhere name it in spark.conf, e.g. spark.jars.packages: "
        "org.apache.hadoop:hadoop-azure:VERSION, with Spark's version of Hadoop"
    ),
    r"ParentNotDirectoryException|PathIsNotDirectoryException|IllegalArgumentException|InvalidPathException": (
        "correct the path"
    ),
}

_WRAPPERS = ("RuntimeException", "IllegalArgumentException", "InvocationTargetException", "UncheckedIOException")


class TakenError(InputError, FileExistsError):
    """There is a file or a folder where a new one was to be."""


@contextmanager
def translate_java_errors(path: str) -> Iterator[None]:
    """Raise Python's own errors where a file is missing or there already, else one that says what to do."""
    from py4j.protocol import Py4JJavaError
    from pyspark.sql.utils import CapturedException

    try:
        yield
    except (Py4JJavaError, CapturedException) as error:  # PySpark has its own class for some of Java's
        thrown: Any = getattr(error, "java_exception", None) or getattr(error, "_origin", None)
        # The JVM's traceback says nothing to a user, and may quote a URI with a password.
        raise _meaning(_root(thrown), without_secrets(path)) from None


def _meaning(thrown: Any, path: str) -> Exception:
    kind = str(thrown.getClass().getSimpleName())
    reason = mask_secrets(str(thrown.getMessage() or "").partition("\n")[0])
    if kind in ("FileNotFoundException", "NoSuchFileException"):
        return FileNotFoundError(errno.ENOENT, f"no such file or folder ({reason})", path)
    if kind == "FileAlreadyExistsException":
        return TakenError(f"{path} cannot be written, there is something else already ({reason}): name another place.")
    said = f"{kind}: {reason}" if reason else kind
    for kinds, remedy in _REMEDIES.items():
        if re.fullmatch(kinds, kind):
            return InputError(f"{path} cannot be used ({said}): {remedy}.")
    return HptSparkError(f"{path} cannot be used ({said})")


def _root(thrown: Any) -> Any:
    """Return the innermost cause of an exception that only wraps it."""
    while thrown.getClass().getSimpleName() in _WRAPPERS and thrown.getCause() is not None:
        thrown = thrown.getCause()
    return thrown
