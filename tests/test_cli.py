"""The command line: help, exit codes, and what a person sees of a mistake."""

from __future__ import annotations

import logging
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import yaml

from hpt_spark import cli
from hpt_spark.config.layers import Config
from hpt_spark.errors import ConfigError, HptSparkError, InputError, MissingDependencyError
from tests.golden_files import assert_golden
from tests.python_process import ROOT, run_python
from tests.waiting import wait_until

DOC = "Do something.\n\nusage: a line\n"


@pytest.fixture(autouse=True)
def _own_process(monkeypatch):
    """Keep what a job sets for its whole process from the other tests."""
    monkeypatch.setenv("COLUMNS", "100")
    monkeypatch.setattr(sys, "argv", ["hpt-spark"])
    level, handler = logging.getLogger("hpt_spark").level, signal.getsignal(signal.SIGTERM)
    yield
    logging.getLogger("hpt_spark").setLevel(level)
    signal.signal(signal.SIGTERM, handler)


def raising(error: BaseException):
    def main(config: Config) -> None:
        raise error

    return main


# --- help ---


@pytest.mark.parametrize("job", ["", *cli.JOBS])
def test_help_is_the_golden_one(job, capsys):
    with pytest.raises(SystemExit) as end:
        cli.main([job, "--help"] if job else ["--help"])
    assert end.value.code == 0
    assert_golden(capsys.readouterr().out, f"help{'_' * bool(job)}{job}.txt")


def test_help_names_every_job_of_the_folder(capsys):
    files = {path.stem for path in (ROOT / "jobs").glob("*.py")} - {"__init__"}
    assert set(cli.JOBS) == files
    with pytest.raises(SystemExit):
        cli.main(["--help"])
    shown = capsys.readouterr().out.split("jobs:")[1]
    assert [line.split()[0] for line in shown.strip().splitlines()] == list(cli.JOBS)


@pytest.mark.process
def test_help_of_hpt_spark_does_not_import_spark():
    program = "import sys; from hpt_spark import cli\ntry: cli.main(['--help'])\nexcept SystemExit: pass\n"
    program += "sys.exit('pyspark' in sys.modules or 'sklearn' in sys.modules)"
    assert run_python(program).returncode == 0


@pytest.mark.process
@pytest.mark.parametrize("job", ["ingest", "build_features", "runs", "watch", "fetch", "generate", "submit", "export"])
def test_jobs_that_fit_nothing_start_without_scikit_learn(job):
    assert run_python(f"import sys, jobs.{job}; sys.exit('sklearn' in sys.modules)").returncode == 0


# --- arguments ---


def test_no_arguments_show_the_help_and_fail(capsys):
    assert cli.main([]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert_golden(err, "help.txt")


@pytest.mark.parametrize(
    ("words", "said"), [(["tunes"], "build_features"), (["--conf", "x"], "the following arguments are required: JOB")]
)
def test_an_unknown_job_is_refused_with_the_known_ones(words, said, capsys):
    with pytest.raises(SystemExit) as end:
        cli.main(words)
    assert end.value.code == 2
    err = capsys.readouterr().err
    assert "Traceback" not in err
    assert said in err


@pytest.mark.parametrize("argv", [["--confg=x"], ["--conf"], ["more"]])
def test_an_unknown_option_is_refused_before_the_job_runs(argv, capsys):
    with pytest.raises(SystemExit) as end:
        cli.run_job(raising(AssertionError("it ran")), DOC, None, argv)
    assert end.value.code == 2
    assert "usage:" in capsys.readouterr().err


@pytest.mark.parametrize(
    "typed", ["spark.conf.spark.x.password=S3CRET", "source.uri=https://me.example/raw?sv=1&sig=S3CRET"]
)
def test_a_complaint_about_a_mistyped_option_shows_no_secret(capsys, typed):
    for call in (lambda: cli.run_job(print, DOC, None, ["--ste", typed]), lambda: cli.main([typed])):
        with pytest.raises(SystemExit):
            call()
        err = capsys.readouterr().err
        assert "S3CRET" not in err
        assert typed.partition("=")[0] in err


@pytest.mark.parametrize(
    "words",
    [
        *(["watch", ""], ["runs", ""], ["track", ""], ["report", ""], ["fetch", "a", ""], ["fetch", "", "a"]),
        *(["generate", "--out", ""], ["bundle", "--out=", "--constraints", "a"], ["export", "a", "--optuna", ""]),
        ["predict", "--input", "a", "--output", ""],
    ],
    ids=" ".join,
)
def test_an_empty_place_is_not_the_working_folder(words, capsys):
    with pytest.raises(SystemExit) as end:
        cli.main(words)
    assert end.value.code == 2
    assert capsys.readouterr().err.splitlines()[-1].endswith(": it is empty; name a folder or a file")


def test_the_configuration_reaches_the_job(tmp_path):
    (tmp_path / "one.yaml").write_text("search: {cv: 3, scoring: accuracy}\n")
    (tmp_path / "two.yaml").write_text("search: {cv: 4}\n")
    seen: list[Config] = []
    argv = ["--conf", f"{tmp_path}/one.yaml", "--conf", f"{tmp_path}/two.yaml", "--set", "run.dir=here", "--overwrite"]
    assert cli.run_job(seen.append, DOC, None, argv) == 0
    (config,) = seen
    assert (config.search.cv, config.search.scoring, config.run.dir) == (4, "accuracy", "here")
    assert config.run.overwrite


def test_a_job_with_options_of_its_own_gets_them_and_no_configuration():
    seen = []
    options = lambda parser: parser.add_argument("--out", required=True)  # noqa: E731
    assert cli.run_job(seen.append, DOC, options, ["--out", "there"]) == 0
    assert seen[0].out == "there"


# --- dry run ---


def test_a_dry_run_prints_the_configuration_with_masked_secrets_and_stops(capsys):
    key = "spark.conf.spark.hadoop.fs.azure.account.key.me.blob.core.windows.net"
    argv = ["--dry-run", "--set", "search.cv=3", "--set", f"{key}=S3CRET"]
    assert cli.run_job(raising(AssertionError("it ran")), DOC, None, argv) == 0
    out, err = capsys.readouterr()
    assert err == ""
    shown = yaml.safe_load(out)
    assert set(shown) == set(Config.model_fields)
    assert shown["search"]["cv"] == 3
    assert shown["spark"]["conf"] == {key.removeprefix("spark.conf."): "***"}


# --- how a job ends ---


@pytest.mark.parametrize(
    ("error", "code", "shown"),
    [
        (InputError("the file x is empty."), 2, "hpt-spark: the file x is empty.\n"),
        (ConfigError("one.\ntwo."), 2, "hpt-spark: the configuration is wrong:\none.\ntwo.\n"),
        (MissingDependencyError("no java."), 1, "hpt-spark: no java.\n"),
        (HptSparkError("the search was ended."), 1, "hpt-spark: the search was ended.\n"),
        (KeyboardInterrupt(), 130, "hpt-spark: interrupted\n"),
    ],
)
def test_a_foreseen_end_is_one_message_and_a_code(error, code, shown, capsys):
    assert cli.run_job(raising(error), DOC, None, []) == code
    assert capsys.readouterr() == ("", shown)


def test_a_wrong_configuration_ends_before_the_job_runs(capsys):
    code = cli.run_job(raising(AssertionError("it ran")), DOC, None, ["--set", "search.cv=1", "--set", "run.x=1"])
    assert code == 2
    heading, *problems = capsys.readouterr().err.splitlines()
    assert heading == "hpt-spark: the configuration is wrong:"
    assert len(problems) == 2


@pytest.mark.process
def test_what_nobody_foresaw_keeps_its_traceback_without_secrets():
    program = "import sys; from hpt_spark.cli import run_job\n"
    program += "def main(config):\n    try: int('https://me:S3CRET@host/x')\n"
    program += "    except ValueError as error: raise ZeroDivisionError('https://host/c?sig=S3CRET') from error\n"
    program += "sys.exit(run_job(main, 'x', None, []))"
    answer = run_python(program)
    assert answer.returncode == 1
    assert answer.stderr.count("Traceback (most recent call last):\n") == 2
    assert "'https://me:***@host/x'\n\nThe above exception was the direct cause" in answer.stderr
    assert answer.stderr.endswith("ZeroDivisionError: https://host/c?***\n")
    assert "S3CRET" not in answer.stderr


@pytest.mark.parametrize("at_the_end", ["raise", "fail", "return"])
@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_a_signal_decides_the_exit_code_whatever_the_job_makes_of_it(at_the_end, number, code, capsys):
    def main(config):
        try:
            signal.raise_signal(number)
        except BaseException:
            if at_the_end == "fail":
                raise ValueError("what a signal cuts short can end in any error") from None
            if at_the_end == "raise":
                raise

    if at_the_end == "raise" and number == signal.SIGTERM:
        with pytest.raises(SystemExit) as end:
            cli.run_job(main, DOC, None, [])
        assert end.value.code == code
    else:
        assert cli.run_job(main, DOC, None, []) == code
    assert capsys.readouterr() == ("", "hpt-spark: interrupted\n" if number == signal.SIGINT else "")


SLEEPING_JOB = """
import sys, time
from pathlib import Path
from hpt_spark.cli import run_job
folder, at_the_end = Path(sys.argv[1]), sys.argv[2]
def main(config):
    try:
        (folder / "started").touch()
        for _ in range(600):
            if (folder / "go on").exists():
                return
            time.sleep(0.1)
    except BaseException:
        if at_the_end == "return":
            return
        if at_the_end == "fail":
            raise ValueError("what a signal cuts short can end in any error")
        raise
    finally:
        (folder / "tidied").touch()
sys.exit(run_job(main, "x", None, []))
"""


@pytest.fixture
def sleeping_job(tmp_path):
    """Start a job that sleeps; `at_the_end` says what it makes of being interrupted."""
    processes = []

    def start(at_the_end: str = "", **options) -> subprocess.Popen[str]:
        command = [sys.executable, "-c", SLEEPING_JOB, str(tmp_path), at_the_end]
        process = subprocess.Popen(command, cwd=ROOT, stderr=subprocess.PIPE, text=True, **options)
        processes.append(process)
        wait_until((tmp_path / "started").exists, process=process)
        return process

    yield start
    for process in processes:
        process.kill()
        process.communicate()


@pytest.mark.parametrize("at_the_end", ["", "fail", "return"])
@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130), (signal.SIGHUP, 129)])
@pytest.mark.process
def test_a_signal_unwinds_the_job_and_is_its_exit_code(sleeping_job, tmp_path, at_the_end, number, code):
    process = sleeping_job(at_the_end, preexec_fn=lambda: signal.signal(signal.SIGHUP, signal.SIG_DFL))
    process.send_signal(number)
    _, err = process.communicate(timeout=50)
    assert process.returncode == code
    assert (tmp_path / "tidied").exists()
    assert err == ("hpt-spark: interrupted\n" if number == signal.SIGINT else "")


@pytest.mark.process
def test_a_job_in_the_background_of_a_shell_is_deaf_to_ctrl_c(sleeping_job, tmp_path):
    process = sleeping_job(preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_IGN))
    process.send_signal(signal.SIGINT)
    (tmp_path / "go on").touch()
    assert process.wait(50) == 0


def test_after_a_job_signals_mean_what_they_meant_before():
    before = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)]
    during = []
    cli.run_job(lambda _: during.append(signal.getsignal(signal.SIGTERM)), DOC, None, [])
    assert during != before[1:]
    assert [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)] == before


@pytest.mark.parametrize("missing", ["pyspark", "sklearn"])
@pytest.mark.process
def test_only_a_missing_pyspark_is_a_sentence_about_pyspark(missing):
    program = f"import sys; sys.modules[{missing!r}] = None\n"
    program += "from hpt_spark.cli import main; sys.exit(main(['build_features' if not sys.argv[1:] else sys.argv[1]]))"
    job = "build_features" if missing == "pyspark" else "tune"
    answer = run_python(program, job)
    assert answer.returncode == 1
    if missing == "pyspark":
        assert answer.stderr.startswith("hpt-spark: PySpark is not installed;")
        assert answer.stderr.endswith("pip install 'hpt-spark[spark]'.\n")
    else:
        assert "Traceback" in answer.stderr


@pytest.mark.process
def test_the_installed_command_passes_a_jobs_code_on(tmp_path):
    command = [str(Path(sys.executable).parent / "hpt-spark"), "report", "--set", f"run.dir={tmp_path}/none"]
    answer = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert (answer.returncode, answer.stdout) == (2, "")
    assert answer.stderr.startswith(f"hpt-spark: run.dir={tmp_path}/none has no finished search")


def test_a_warning_in_the_log_is_known_by_its_level(monkeypatch, capsys):
    monkeypatch.setattr(logging.root, "handlers", [])

    def main(config: Config) -> None:
        log = logging.getLogger("hpt_spark.somewhere")
        log.debug("this is not shown")
        log.info("going on: %d %%", 5)
        log.warning("%s is odd", "this")
        log.error("all is lost")
        logging.getLogger("py4j").info("nor is this")

    assert cli.run_job(main, DOC, argv=[]) == 0
    lines = capsys.readouterr().err.splitlines()
    assert [line[8:] for line in lines] == [" going on: 5 %", " WARNING: this is odd", " ERROR: all is lost"]
    assert all(time.strptime(line[:8], "%H:%M:%S") for line in lines)
