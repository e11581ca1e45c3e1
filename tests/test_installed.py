"""What a user installs: a wheel in an environment of its own, used from an empty folder."""

from __future__ import annotations

import csv
import os
import re
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

import hpt_spark

ROOT = Path(__file__).parent.parent
OF_THE_WHEEL = ("hpt_spark", "jobs", "conf", "setup.py", "pyproject.toml", "README.md", "LICENSE", "NOTICE")

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1200)]


def run(*words: str | Path, cwd: Path) -> str:
    """Run a command as in a user's shell, with nothing of this checkout in its environment; return its output."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    done = subprocess.run(list(map(str, words)), cwd=cwd, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, f"{words}\n{done.stdout}\n{done.stderr}"
    return done.stdout


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    """The wheel, built of a copy: setuptools writes beside what it packs."""
    source, built = tmp_path_factory.mktemp("source"), tmp_path_factory.mktemp("wheel")
    for name in OF_THE_WHEEL:
        if (ROOT / name).is_dir():
            shutil.copytree(ROOT / name, source / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(ROOT / name, source / name)
    run(sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--wheel-dir", built, source, cwd=source)
    (file,) = built.glob("*.whl")
    return file


@pytest.fixture(scope="module")
def fresh(wheel, tmp_path_factory):
    """The folder of the commands of a fresh environment with the wheel and PySpark in it, and nothing else."""
    place = tmp_path_factory.mktemp("environment")
    run(sys.executable, "-m", "venv", place, cwd=place)
    install = ("-m", "pip", "install", "--quiet", "--constraint", ROOT / "constraints" / "spark4.txt")
    run(place / "bin" / "python", *install, f"{wheel}[spark]", cwd=place)
    return place / "bin"


def test_a_wheel_holds_the_jobs_the_presets_and_the_mark_of_its_types(wheel):
    names = set(zipfile.ZipFile(wheel).namelist())
    jobs = {f"hpt_spark_jobs/{path.name}" for path in (ROOT / "jobs").glob("*.py")}
    presets = {f"hpt_spark_conf/{path.name}" for path in (ROOT / "conf").glob("*.yaml")}
    assert jobs
    assert presets
    page = {"hpt_spark/artifacts/report/page.css", "hpt_spark/artifacts/report/page.js"}
    assert jobs | presets | page | {"hpt_spark/py.typed", "hpt_spark/spark/log4j2.properties"} <= names
    assert not [name for name in names if name.startswith(("tests", "bench", "docs"))]


def test_the_demos_jobs_run_from_an_empty_folder(fresh, tmp_path):
    def hpt_spark_job(*words):
        return run(fresh / "hpt-spark", *words, cwd=tmp_path)

    assert hpt_spark_job("--version") == f"hpt-spark {hpt_spark.__version__}\n"
    hpt_spark_job("generate", "--out", "data/demo/raw", "--scale", "0.01", "--seed", "0")
    for job in ("ingest", "build_features", "tune", "predict", "report"):
        hpt_spark_job(job, "--conf", "demo", "--set", "search.cv=2")

    run_folder = tmp_path / "runs" / "demo"
    with (run_folder / "submission.csv").open(newline="", encoding="utf-8") as file:
        heading, *rows = csv.reader(file)
    assert heading[0] == "device_id"
    assert len(heading) == 13
    assert len(rows) == 1121
    with (run_folder / "cv_results.csv").open(newline="", encoding="utf-8") as file:
        assert len(list(csv.reader(file))) == 1 + 4
    assert (run_folder / "model.ubj").stat().st_size > 0
    assert "<html" in (run_folder / "report.html").read_text(encoding="utf-8")
    assert {path.name for path in tmp_path.iterdir()} == {"data", "runs"}


USER_S_SCRIPT = """
from sklearn.tree import DecisionTreeClassifier

from hpt_spark import GridSearchCV, HalvingGridSearchCV, HalvingRandomSearchCV, RandomizedSearchCV
from hpt_spark import spark_sklearn

tree, grid = DecisionTreeClassifier(), {"max_depth": [1, 2]}
reveal_type(GridSearchCV(tree, grid, cv=3).fit([[0]], [0]))
reveal_type(GridSearchCV(tree, grid).fit([[0]], [0]).best_params_)
reveal_type(RandomizedSearchCV(tree, grid, n_iter=3).fit([[0]], [0]).best_score_)
reveal_type(HalvingGridSearchCV(tree, grid, factor=2).fit([[0]], [0]).cv_results_)
reveal_type(HalvingRandomSearchCV(tree, grid).fit([[0]], [0]).fit_counts_)
reveal_type(spark_sklearn.GridSearchCV(None, tree, grid).fit([[0]], [0]).best_params_)
GridSearchCV(tree, grid, journall="x")
RandomizedSearchCV(tree)
from hpt_spark import GridSearch
"""

SEEN_BY_MYPY = [
    'note: Revealed type is "hpt_spark.search.search_cv.GridSearchCV"',
    'note: Revealed type is "dict[str, Any]"',
    'note: Revealed type is "float"',
    'note: Revealed type is "dict[str, Any]"',
    'note: Revealed type is "dict[str, int]"',
    'note: Revealed type is "dict[str, Any]"',
    'error: Unexpected keyword argument "journall" for "GridSearchCV"; did you mean "journal"?',
    'error: Missing positional argument "param_distributions" in call to "RandomizedSearchCV"',
    'error: Module "hpt_spark" has no attribute "GridSearch"; maybe "GridSearchCV"?',
]


def test_a_users_mypy_sees_the_searches_and_their_attributes(wheel, tmp_path):
    environment, script = tmp_path / "environment", tmp_path / "script.py"
    run(sys.executable, "-m", "venv", "--without-pip", environment, cwd=tmp_path)
    (packages,) = environment.glob("lib/python*/site-packages")
    zipfile.ZipFile(wheel).extractall(packages)
    installed = Path(pytest.__file__).parent.parent
    (packages / "others.pth").write_text(f"{installed}\n")
    script.write_text(USER_S_SCRIPT)

    options = (
        "--python-executable",
        environment / "bin" / "python",
        "--cache-dir",
        tmp_path / "cache",
        "--config-file=",
    )
    command = [sys.executable, "-m", "mypy", *map(str, options), "--ignore-missing-imports", script.name]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    said = [line.partition(": ")[2] for line in done.stdout.splitlines() if re.search(r"error:|Revealed", line)]
    plain = [line.replace("builtins.", "").partition("  [")[0] for line in said]
    assert plain == SEEN_BY_MYPY, done.stdout + done.stderr
