"""The SparkSession of a job."""

from __future__ import annotations

import logging
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hpt_spark.config.sections import SparkSection
from hpt_spark.errors import (
    NO_PYSPARK,
    OUT_OF_MEMORY,
    ConfigError,
    HptSparkError,
    InputError,
    MemoryExhaustedError,
    MissingDependencyError,
    SparkEndedError,
)
from hpt_spark.masking import REDACTED, REDACTION, mask_secrets, masked, names_a_secret
from hpt_spark.signals import before_termination, handled_by, hold_back_signals
from hpt_spark.spark.defaults import APP_NAME, SQL_DEFAULTS, defaults_of_own_jvm, name_of_application
from hpt_spark.spark.interpreter import use_this_python
from hpt_spark.spark.java import check_java
from hpt_spark.spark.preflight import (
    check_master,
    check_python,
    check_spark_home,
    check_submit_arguments,
    utf8_locale_for_java,
)
from hpt_spark.storage import is_local

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

OF_NO_MEMORY = 3  # Java's exit code with ``ExitOnOutOfMemoryError``
WORKER_DIED = (
    "a Python worker of Spark was killed; lack of memory is the usual cause: give the machine more, or Spark fewer "
    "cores, e.g. --set spark.master=local[1], and start the job again."
)

_kept: list[SparkSession] = []  # started by `spark_if_needed`


@contextmanager
def spark_session(job: str, settings: SparkSection) -> Iterator[SparkSession]:
    """Start Spark for `job`, and stop it when the job ends.

    Under spark-submit the cluster, the memory and the log settings are spark-submit's; `settings`
    override them as far as Spark can still change them. A Spark that `spark_if_needed` has started
    is used and goes on.
    """
    if _kept:
        yield _kept[-1]
        return
    try:
        import pyspark
    except ImportError:
        raise MissingDependencyError(NO_PYSPARK) from None
    # It logs the traceback of an interrupt that passes through it, partly in the root logger's name.
    logging.getLogger("py4j").setLevel(logging.CRITICAL)
    logging.getLogger().addFilter(_is_not_from_py4j)
    submitted = started_by_spark_submit()
    if not submitted:
        check_spark_home()
        check_submit_arguments()
        check_master(settings.master, pyspark.__version__)
        check_java(pyspark.__version__)
    given = settings.conf_as_text
    defaults = {APP_NAME: name_of_application(job)} if submitted else defaults_of_own_jvm(job, settings.master, given)
    if settings.master:
        given["spark.master"] = settings.master
    try:
        session = _start(defaults, given)
        session.sparkContext.setLogLevel("ERROR")
        _set_sql_defaults(session)
        with before_termination(_give_up_answer):
            yield session
    except Exception as error:
        if isinstance(error, HptSparkError) and not isinstance(error, SparkEndedError):
            raise
        code = _exit_code_of_java()
        if code == OF_NO_MEMORY:
            raise MemoryExhaustedError(OUT_OF_MEMORY) from None
        if code is None and _says_that_a_worker_died(error):
            raise SparkEndedError(WORKER_DIED) from None
        if code is None or isinstance(error, SparkEndedError):
            raise
        how = f"was ended by {signal.Signals(-code).name}" if code < 0 else f"has ended with exit code {code}"
        raise SparkEndedError(f"Java, which runs Spark, {how}; start the job again.") from None
    finally:
        _stop()


@contextmanager
def spark_if_needed(job: str, settings: SparkSection, *uris: str, required: bool = False) -> Iterator[None]:
    """Start Spark for the whole of `job` if one of `uris` is on a Hadoop file system, which its JVM can reach.

    `required` starts it in any case, and so does cluster mode, where the cluster gives up an application that has not
    started Spark after some time, or at its end.
    """
    if all(map(is_local, uris)) and not required and not is_in_cluster_mode():
        yield
        return
    with spark_session(job, settings) as session:
        _kept.append(session)
        try:
            yield
        finally:
            _kept.pop()


def stop_jvm() -> None:
    """End the JVM of past sessions, if no session needs it any more: it would keep its gigabyte of memory."""
    from pyspark import SparkContext

    gateway: Any = SparkContext._gateway
    if _kept or gateway is None or started_by_spark_submit():
        return
    gateway.shutdown()
    SparkContext._gateway = SparkContext._jvm = None
    gateway.proc.stdin.close()  # the JVM takes it for the end of this process


def started_by_spark_submit() -> bool:
    """Return whether a JVM that spark-submit started waits for this process."""
    return "PYSPARK_GATEWAY_PORT" in os.environ


def is_in_cluster_mode() -> bool:
    """Return whether this process is the driver in a container of a cluster (``--deploy-mode cluster``)."""
    if not started_by_spark_submit():
        return False
    from pyspark import SparkConf, SparkContext

    with hold_back_signals():
        SparkContext._ensure_initialized()
    return SparkConf().get("spark.submit.deployMode") == "cluster"


def _start(defaults: dict[str, str], given: dict[str, str]) -> SparkSession:
    """Start Spark with `defaults`, overlaid by the `given` settings."""
    import pyspark
    from py4j.protocol import Py4JError, Py4JJavaError
    from pyspark import SparkConf, SparkContext
    from pyspark.sql import SparkSession

    on_interrupt = signal.getsignal(signal.SIGINT)
    try:
        settings = {**defaults, **given}
        secrets = {name for name in settings if names_a_secret(name)}
        # All users can read Java's command line: it gets the secrets when it runs.
        at_start = SparkConf().setAll([one for one in settings.items() if one[0] not in secrets])
        conf = SparkConf().setAll(list(settings.items()))
        # PySpark, cut short while Java starts, leaves one behind that never ends. Java inherits that a hangup of the
        # terminal is ignored, or it would stop Spark before the job has kept what it has.
        with hold_back_signals(), handled_by(signal.SIG_IGN, signal.SIGHUP), utf8_locale_for_java():
            SparkContext._ensure_initialized(conf=at_start)
        if secrets and not SparkConf().contains(REDACTION):
            conf.set(REDACTION, REDACTED)
        # By now the settings of spark-submit, spark-defaults.conf and PYSPARK_SUBMIT_ARGS are known, too.
        name = SparkConf().get(APP_NAME)
        if started_by_spark_submit() and name and name != Path(sys.argv[0]).name:  # which is spark-submit's own choice
            conf.set(APP_NAME, given.get(APP_NAME, name))
        master = given.get("spark.master") or SparkConf().get("spark.master") or "local"
        if master != "yarn":  # whose configuration spark-submit has looked for
            check_master(master, pyspark.__version__)
        check_python(master)
        context = SparkContext.getOrCreate(conf)
        if threading.current_thread() is threading.main_thread():
            # Spark's own handler asks the JVM to cancel the jobs before it raises KeyboardInterrupt, which fails
            # where the signal cuts another answer of the JVM short; stopping Spark cancels the jobs as well.
            signal.signal(signal.SIGINT, on_interrupt)
        # A wrong value would show only where the session is used, and PySpark 4 then calls itself without end.
        jvm: Any = context._jvm
        checked = jvm.org.apache.spark.sql.internal.SQLConf()
        for key, value in given.items():
            checked.setConfString(key, value)
        if context._jsc.sc().isStopped():
            raise InputError(f"Spark has stopped as it started with {_as_settings(given)}; above it says why.")
        return SparkSession.builder.config(conf=conf).getOrCreate()
    except Py4JJavaError as error:
        kind, reason = error.java_exception.getClass().getSimpleName(), error.java_exception.getMessage() or ""
        if kind.endswith(("IllegalArgumentException", "NumberFormatException")) or "Master URL" in reason:
            raise ConfigError(f"Spark does not start with {_as_settings(given)}: {mask_secrets(reason)}") from None
        said, *_ = [line.strip() for line in reason.splitlines() if line.strip()] or [kind]
        raise InputError(f"Spark does not start with {_as_settings(given)}: {mask_secrets(said)} ({kind})") from error
    except (Py4JError, ConnectionError) as error:  # the second where Java has not been asked before
        if _exit_code_of_java() == OF_NO_MEMORY:
            raise
        raise InputError(f"Java ends while Spark starts with {_as_settings(given)}; above it says why.") from error
    except RuntimeError as error:
        if "gateway" not in str(error):
            raise
        raise ConfigError(f"Java does not start with {_as_settings(given)}; above it says why.") from None


def _give_up_answer() -> None:
    """Close the connection on which an answer of the JVM may be awaited, like py4j on Ctrl-C.

    Otherwise the next command of this thread, in some `finally` on the way out, waits for that
    answer, which may be the end of a long job.
    """
    from pyspark import SparkContext

    gateway: Any = SparkContext._gateway
    with suppress(Exception):
        gateway._gateway_client.get_thread_connection().close()


def _says_that_a_worker_died(error: Exception) -> bool:
    with suppress(Exception):  # Java is asked for the text
        return "Python worker exited unexpectedly" in str(error)
    return False


def _exit_code_of_java() -> int | None:
    """Return how the JVM that we started has ended; None if it has not."""
    from pyspark import SparkContext

    java = getattr(SparkContext._gateway, "proc", None)
    with suppress(subprocess.TimeoutExpired):  # a lost connection is noticed before the process is gone
        return None if java is None else int(java.wait(timeout=1))
    return None


def _stop() -> None:
    """Stop Spark, also after a signal that has cut an answer of the JVM short.

    The rest of that answer waits on this thread's connection to the JVM; another thread has
    another connection.
    """
    from pyspark import SparkContext
    from pyspark.sql import SparkSession

    def stop() -> None:
        context = SparkContext._active_spark_context
        with suppress(Exception):  # the JVM may be gone already
            if context:
                context.setLogLevel("OFF")  # tasks that lose their Spark complain
                (SparkSession._instantiatedSession or context).stop()

    thread = threading.Thread(target=stop)
    thread.start()
    thread.join()


def _set_sql_defaults(session: SparkSession) -> None:
    context = session.sparkContext
    defaults = dict(SQL_DEFAULTS)
    if str(context.master).startswith("local"):
        # Spark's own 200 partitions are for clusters; here many of them cost more than the work in them.
        defaults["spark.sql.shuffle.partitions"] = str(max(32, context.defaultParallelism))
        use_this_python(context)
    for key, value in defaults.items():
        if not context.getConf().contains(key):
            session.conf.set(key, value)


def _is_not_from_py4j(record: logging.LogRecord) -> bool:
    return record.module != "java_gateway"


def _as_settings(given: dict[str, str]) -> str:
    texts = [f"{key}={value}" for key, value in masked(given).items()]
    return ", ".join(texts) or "its own settings"
