"""The command line: what every job shares, and ``hpt-spark JOB``.

A job is a module of the folder ``jobs/`` with a docstring and ``main(config)``. A job with options
beside the configuration has ``more_options(parser)`` too, and ``main(config, arguments)``. A job that
has options of its own and no configuration has ``options(parser)``, and ``main(arguments)``.
"""

from __future__ import annotations

import argparse
import ast
import importlib
import logging
import signal
import sys
from collections.abc import Callable, Sequence
from functools import partial
from importlib.resources import files
from traceback import format_exception
from types import TracebackType
from typing import NoReturn

from hpt_spark import __version__
from hpt_spark.config.layers import dump_config, load_config
from hpt_spark.errors import NO_PYSPARK, ConfigError, HptSparkError, MissingDependencyError
from hpt_spark.failure_file import forget_failure, keep_failure
from hpt_spark.masking import mask_secrets
from hpt_spark.signals import unwind_on_signals
from hpt_spark.spark.preflight import check_arguments
from hpt_spark.streams import make_streams_safe, say_what_was_lost

JOBS = (
    *("generate", "upload", "ingest", "build_features", "tune", "predict", "report"),
    *("pipeline", "plan", "bundle", "submit"),
    *("export", "fetch"),
    *("runs", "watch", "track"),
)
JOBS_PACKAGE = "hpt_spark_jobs"

Options = Callable[[argparse.ArgumentParser], None]


class MaskingParser(argparse.ArgumentParser):
    """A parser whose errors, which quote the arguments, show no secret."""

    def error(self, message: str) -> NoReturn:
        """Print the error and end the process."""
        super().error(mask_secrets(message))


class LineFormatter(logging.Formatter):
    """A log line: the time, the level of a warning or an error, the message."""

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802, logging's name
        """Return the line; the level of mere information is left out."""
        level = f"{record.levelname}: " if record.levelno > logging.INFO else ""
        return f"{record.asctime} {level}{record.message}"


def run_job(
    main: Callable[..., None],
    doc: str | None,
    options: Options | None = None,
    argv: Sequence[str] | None = None,
    more_options: Options | None = None,
) -> int:
    """Run one job from its command line and return its exit code.

    Parameters
    ----------
    main : callable
        Receives the `Config`, and with `more_options` the parsed arguments; these alone where the job has
        `options` of its own.
    doc : str
        The job's docstring; the text of ``--help``.
    options : callable, optional
        Adds the job's own options to a parser.
    argv : sequence of str, optional
        The arguments; default: of the process.
    more_options : callable, optional
        Adds options of the job alone.

    Returns
    -------
    int
        0 done; 2 the configuration or the input is wrong; 1 anything else; 130, 143 and 129 after
        an interrupt, a SIGTERM and a SIGHUP. Output that cannot be written changes none of them.
    """
    make_streams_safe()
    parser = MaskingParser(description=doc, formatter_class=argparse.RawDescriptionHelpFormatter)
    (options or config_options)(parser)
    if more_options is not None:
        more_options(parser)
    arguments = parser.parse_args(argv)
    main = main if more_options is None else partial(main, arguments=arguments)
    with unwind_on_signals() as signals:
        try:
            code = _exit_code(lambda: _run(main, arguments, options is not None), signals)
        finally:
            if signals:
                keep_failure(f"hpt-spark: ended by {signal.Signals(signals[0]).name}")
    say_what_was_lost()
    return _interrupted(signals[0]) if signals else code


def _run(main: Callable[..., None], arguments: argparse.Namespace, has_options: bool) -> None:
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(LineFormatter("%(asctime)s %(message)s", datefmt="%H:%M:%S"))
    logging.basicConfig(handlers=[handler])
    logging.getLogger("hpt_spark").setLevel(logging.INFO)
    forget_failure()
    if has_options:
        main(arguments)
        return
    check_arguments([*arguments.conf, *arguments.set])
    config = load_config(arguments.conf, [*arguments.set, *(["run.overwrite=true"] if arguments.overwrite else [])])
    if arguments.dry_run:
        print(dump_config(config), end="")
    else:
        main(config)


def _exit_code(job: Callable[[], int | None], signals: Sequence[int] = ()) -> int:
    """Run `job` and return its exit code; an unexpected error passes through and shows its traceback."""
    try:
        return job() or 0
    except HptSparkError as error:
        heading = "hpt-spark: the configuration is wrong:\n" if isinstance(error, ConfigError) else "hpt-spark: "
        print(f"{heading}{error}", file=sys.stderr)
        keep_failure(f"{heading}{error}")
        return error.exit_code
    except KeyboardInterrupt:
        return 1 if signals else _interrupted(signal.SIGINT)
    except Exception as error:
        # A signal may end in any error, as it may cut short what PySpark's `with` blocks ask Java on the way out.
        if not signals:
            keep_failure(f"hpt-spark: {type(error).__name__}: {error}")
            sys.excepthook = _show_masked  # Python calls it for an exception that nobody catches
            raise
        return 1


def _show_masked(kind: type[BaseException], error: BaseException, at: TracebackType | None) -> None:
    """Print a traceback as Python does; the error may quote an address with its password, and so may a line of code."""
    print(mask_secrets("".join(format_exception(kind, error, at))), end="", file=sys.stderr)


def _interrupted(number: int) -> int:
    """Return the exit code of a job that a signal has ended; Ctrl-C is answered with a word."""
    if number == signal.SIGINT:
        print("hpt-spark: interrupted", file=sys.stderr)
    return 128 + number


def main(argv: Sequence[str] | None = None) -> int:
    """Run ``hpt-spark JOB ...``; the console script."""
    make_streams_safe()
    words = list(sys.argv[1:] if argv is None else argv)
    parser = MaskingParser(
        prog="hpt-spark",
        description="Tune hyperparameters on Spark, from zipped CSVs to the best model.",
        epilog="jobs:\n" + "\n".join(f"  {name:<16}{_summary(name)}" for name in JOBS),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"%(prog)s {__version__}")
    parser.add_argument("job", choices=JOBS, metavar="JOB", help="the job to run; `hpt-spark JOB --help` explains it")
    if not words:
        parser.print_help(sys.stderr)
        return 2
    job = parser.parse_args(words[:1]).job
    return _exit_code(lambda: _run_installed(job, words[1:]))


def _run_installed(job: str, argv: Sequence[str]) -> int:
    try:
        module = importlib.import_module(f"{JOBS_PACKAGE}.{job}")
    except ModuleNotFoundError as error:
        if str(error.name).partition(".")[0] != "pyspark":
            raise
        raise MissingDependencyError(NO_PYSPARK) from None
    sys.argv[0] = f"hpt-spark {job}"
    options, more_options = (getattr(module, name, None) for name in ("options", "more_options"))
    return run_job(module.main, module.__doc__, options, argv, more_options)


def config_options(parser: argparse.ArgumentParser, shown: str = "the resolved configuration") -> None:
    """Add the options of every job that has a configuration, of which a dry run has `shown` something."""
    parser.add_argument(
        "--conf",
        metavar="FILE",
        action="append",
        default=[],
        help="a YAML file or a preset, e.g. demo; several overlay each other",
    )
    parser.add_argument(
        "--set", metavar="KEY=VALUE", action="append", default=[], help="one setting, e.g. --set search.cv=3"
    )
    parser.add_argument("--overwrite", action="store_true", help="the same as --set run.overwrite=true")
    parser.add_argument("--dry-run", action="store_true", help=f"print {shown} and stop")


def path_argument(text: str) -> str:
    """Return an argument that names a folder or a file; refuse an empty one, as an unset variable gives."""
    if not text:
        raise argparse.ArgumentTypeError("it is empty; name a folder or a file")
    return text


def _summary(job: str) -> str:
    """Return the first line of a job's docstring without importing what the job imports."""
    source = files(JOBS_PACKAGE) / f"{job}.py"  # which may lie in a zip
    doc = ast.get_docstring(ast.parse(source.read_text(encoding="utf-8")))
    return (doc or "").partition("\n")[0]
