"""The command line: what every job shares, and ``hpt-spark JOB``.

A job is a module of the folder ``jobs/`` with a docstring and ``main(config)``. A job with
options of its own has ``options(parser)`` too, and its main receives the parsed arguments.
"""

from __future__ import annotations

import argparse
import ast
import importlib
import importlib.util
import logging
import signal
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from hpt_spark import __version__
from hpt_spark.config.layers import dump_config, load_config
from hpt_spark.errors import NO_PYSPARK, ConfigError, HptSparkError, MissingDependencyError
from hpt_spark.failure_file import keep_failure
from hpt_spark.signals import unwind_on_signals
from hpt_spark.spark.surroundings import check_arguments
from hpt_spark.streams import make_streams_safe, say_what_was_lost

JOBS = ("generate", "upload", "ingest", "build_features", "tune", "predict", "report")
JOBS_PACKAGE = "hpt_spark_jobs"

Options = Callable[[argparse.ArgumentParser], None]


def run_job(
    main: Callable[[Any], None], doc: str | None, options: Options | None = None, argv: Sequence[str] | None = None
) -> int:
    """Run one job from its command line and return its exit code.

    Parameters
    ----------
    main : callable
        Receives the `Config`, or the parsed arguments where the job has `options` of its own.
    doc : str
        The job's docstring; the text of ``--help``.
    options : callable, optional
        Adds the job's own options to a parser.
    argv : sequence of str, optional
        The arguments; by default those of the process.

    Returns
    -------
    int
        0 done; 2 the configuration or the input is wrong; 1 anything else; 130 and 143 after
        an interrupt and a SIGTERM. Output that cannot be written changes none of them.
    """
    make_streams_safe()
    parser = argparse.ArgumentParser(description=doc, formatter_class=argparse.RawDescriptionHelpFormatter)
    (options or _config_options)(parser)
    arguments = parser.parse_args(argv)
    with unwind_on_signals() as signals:
        try:
            code = _exit_code(lambda: _run(main, arguments, options is not None), signals)
        finally:
            if signals:
                keep_failure(f"hpt-spark: ended by {signal.Signals(signals[0]).name}")
    say_what_was_lost()
    return _interrupted(signals[0]) if signals else code


def _run(main: Callable[[Any], None], arguments: argparse.Namespace, has_options: bool) -> None:
    logging.basicConfig(stream=sys.stderr, format="%(asctime)s %(message)s", datefmt="%H:%M:%S")
    logging.getLogger("hpt_spark").setLevel(logging.INFO)
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
    """Run `job` and return how it ended; what is not the user's mistake passes through and shows its traceback."""
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
        # What a signal cuts short can end in any error: PySpark's `with` blocks talk to Java on the way
        # out, and that answer may be cut short as well. The signal says how the job ended, not the error.
        if not signals:
            keep_failure(f"hpt-spark: {type(error).__name__}: {error}")
            raise
        return 1


def _interrupted(number: int) -> int:
    """Return the exit code of a job that a signal has ended; Ctrl-C is answered with a word."""
    if number == signal.SIGINT:
        print("hpt-spark: interrupted", file=sys.stderr)
    return 128 + number


def main(argv: Sequence[str] | None = None) -> int:
    """Run ``hpt-spark JOB ...``; the console script."""
    make_streams_safe()
    words = list(sys.argv[1:] if argv is None else argv)
    parser = argparse.ArgumentParser(
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
    return run_job(module.main, module.__doc__, getattr(module, "options", None), argv)


def _config_options(parser: argparse.ArgumentParser) -> None:
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
    parser.add_argument("--dry-run", action="store_true", help="print the resolved configuration and stop")


def _summary(job: str) -> str:
    """Return the first line of a job's docstring without importing what the job imports."""
    package = importlib.util.find_spec(JOBS_PACKAGE)
    folder = Path(next(iter(package.submodule_search_locations or [])) if package else "")
    doc = ast.get_docstring(ast.parse((folder / f"{job}.py").read_text(encoding="utf-8")))
    return (doc or "").partition("\n")[0]
