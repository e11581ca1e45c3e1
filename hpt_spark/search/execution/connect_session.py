"""The session of Spark Connect that a search runs on, and the meaning of its failures."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pyspark

from hpt_spark.errors import HptSparkError, InputError, MissingDependencyError, SparkEndedError
from hpt_spark.search.execution.spark_job import import_advice, reason_of_failure, worker_death

if TYPE_CHECKING:
    from pyspark.sql.connect.session import SparkSession

OLDEST = 4  # before, PySpark keeps a session's files apart neither on the server nor in its workers
NO_PACKAGES = "Spark Connect needs packages that are not installed; run: pip install 'hpt-spark[connect]'."
NO_SESSION = (
    "there is no active session of Spark Connect; start one (SparkSession.builder.remote(...).getOrCreate()) or give "
    "the search one as sc=."
)
SESSION_STOPPED = (
    "the Spark Connect session of the search is stopped; start a new one and give it to the search "
    "(set_params(sc=...)), or none to take the active one (sc=None)."
)
SESSION_ENDED = "the session of Spark Connect, or its server, was gone before the search had ended."
CANCELLED = re.compile(r"OPERATION_CANCELED|Job \d+ (?:was )?cancelled")
GONE = re.compile(
    r"INVALID_HANDLE|server side session identifier|StatusCode\.UNAVAILABLE|SparkContext was shut ?down|"
    r"stopped SparkContext|closed channel|RETRIES_EXCEEDED",
    re.IGNORECASE,
)
VERSIONS = re.compile(r"Python in worker has different version: ([\d.]+) than that in driver: ([\d.]+)")
SEND = "session.addArtifacts(FILE, pyfile=True) before the search"


def connect_session(given: Any) -> SparkSession:
    """Return the session of Spark Connect that a search was `given`, or for None the active one.

    Raises
    ------
    InputError, MissingDependencyError
        When a search cannot use it; the message says why.
    """
    if int(pyspark.__version__.partition(".")[0]) < OLDEST:
        raise InputError(
            f"a search runs on Spark Connect from PySpark {OLDEST}.0 on, and this is {pyspark.__version__}: use a "
            "SparkContext, e.g. by spark-submit."
        )
    if given is None:
        try:
            from pyspark.sql.connect.session import SparkSession
        except ImportError:
            raise MissingDependencyError(NO_PACKAGES) from None
        try:
            given = SparkSession.active()
        except Exception:  # of several kinds, by release
            raise InputError(NO_SESSION) from None
    if given.is_stopped:
        raise InputError(SESSION_STOPPED)
    session: SparkSession = given
    return session


@contextmanager
def translate_failure(session: SparkSession) -> Iterator[None]:
    """Raise an error of one sentence for a failed request to the server."""
    try:
        yield
    except HptSparkError:
        raise
    except Exception as error:  # of PySpark's and of gRPC's kinds
        raise translate_connect_error(error, session) from None


def translate_connect_error(error: Exception, session: SparkSession) -> Exception:
    """Return the error that the failure of an operation on `session` means to the search."""
    if isinstance(error, HptSparkError):
        return error
    text = str(error)
    if session.is_stopped or GONE.search(text):
        return SparkEndedError(SESSION_ENDED)
    if CANCELLED.search(text):
        return SparkEndedError("the Spark job of the search was cancelled.")
    if versions := VERSIONS.search(text):
        return InputError(
            f"the workers of the Spark Connect server run Python {versions[1]}, and this process Python {versions[2]}: "
            "both must be of the same minor release; name the other one by PYSPARK_PYTHON where the server is started."
        )
    if death := worker_death(text):
        return death
    reason = reason_of_failure(text) or type(error).__name__
    return HptSparkError(import_advice(reason, False, SEND) or f"the Spark job of the search failed: {reason}")
