"""The bundle: made the same each time, imported from another folder, and run with the environment that is packed."""

from __future__ import annotations

import subprocess
import sys
import sysconfig
import tarfile
import zipfile
from pathlib import Path

import py4j
import pyspark
import pytest

from hpt_spark.cli import JOBS, run_job
from hpt_spark.storage import open_folder
from hpt_spark.submit.bundle import ZIP, constraints_of, pack_code, requirements_of
from jobs import bundle as job

ROOT = Path(__file__).parent.parent.parent
CONSTRAINTS = ROOT / "constraints" / "spark4.txt"
ALONE = """
import sys
sys.path[:] = [path for path in sys.path if path.startswith(sys.base_prefix)] + [{dependencies!r}, {archive!r}]
import hpt_spark, hpt_spark_jobs.tune, hpt_spark_conf
from hpt_spark.config.layers import load_config
from hpt_spark.config.presets import presets
from hpt_spark.cli import main
for package in (hpt_spark, hpt_spark_jobs, hpt_spark_conf):
    assert {archive!r} in package.__file__, package.__file__
print(*sorted(presets()), load_config(["distributed_sweep"]).run.dir)
main(["--help"])
"""


@pytest.mark.long
def test_the_zip_brings_package_jobs_and_presets_to_another_folder(bundle, tmp_path):
    code = ALONE.format(dependencies=sysconfig.get_path("purelib"), archive=str(bundle / ZIP))
    answer = subprocess.run(
        [sys.executable, "-I", "-S", "-c", code], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert answer.returncode == 0, answer.stderr
    first, *shown = answer.stdout.splitlines()
    presets = {path.stem for path in (ROOT / "conf").glob("*.yaml")}
    assert first.split() == [*sorted(presets), "runs/distributed_sweep"]
    assert [line.split()[0] for line in shown if line.startswith("  ") and line.split()[0] in JOBS] == list(JOBS)


def test_the_zip_holds_what_a_wheel_holds_and_nothing_else(bundle):
    names = set(zipfile.ZipFile(bundle / ZIP).namelist())
    files = {path.relative_to(ROOT).as_posix() for path in (ROOT / "hpt_spark").rglob("*.py")}
    files |= {"hpt_spark/spark/log4j2.properties", "hpt_spark/py.typed"}
    files |= {"hpt_spark/artifacts/report/page.css", "hpt_spark/artifacts/report/page.js"}
    files |= {f"hpt_spark_jobs/{path.name}" for path in (ROOT / "jobs").glob("*.py")}
    files |= {f"hpt_spark_conf/{path.name}" for path in [*(ROOT / "conf").glob("*.yaml"), ROOT / "conf/__init__.py"]}
    assert names == files
    assert {path.name for path in (bundle / "jobs").iterdir()} == {f"{job}.py" for job in JOBS}


def test_the_same_files_make_the_same_bytes(bundle, tmp_path):
    pack_code(open_folder(tmp_path))
    assert (tmp_path / ZIP).read_bytes() == (bundle / ZIP).read_bytes()


def test_what_is_required_has_the_wanted_xgboost_and_no_spark():
    cpu, gpu = requirements_of("xgboost-cpu"), requirements_of("xgboost")
    assert [line for line in cpu if "xgboost" in line] == ["xgboost-cpu>=2.0"]
    assert [line for line in gpu if "xgboost" in line] == ["xgboost>=2.0"]
    assert not [line for line in cpu if line.startswith(("pyspark", "pytest", "mkdocs"))]
    assert {"azure-storage-blob", "pandas"} <= {line.partition(">")[0] for line in cpu}


@pytest.mark.parametrize("build", ["xgboost", "xgboost-cpu"])
def test_the_release_of_either_build_of_xgboost_holds_for_the_wanted_one(tmp_path, build):
    (tmp_path / "frozen.txt").write_text(f"numpy==2.0.0\n{build}==3.1.2\nxgboost-ray==0.1\n")
    for wanted in ("xgboost", "xgboost-cpu"):
        lines = constraints_of(str(tmp_path / "frozen.txt"), wanted)
        assert lines == ["numpy==2.0.0", f"{wanted}==3.1.2", "xgboost-ray==0.1"]


def made(*argv: str) -> int:
    return run_job(job.main, job.__doc__, job.options, list(argv))


def test_each_file_is_printed_with_its_size(tmp_path, capsys):
    assert made("--out", str(tmp_path / "dist"), "--constraints", str(CONSTRAINTS)) == 0
    printed = [line.split() for line in capsys.readouterr().out.splitlines()]
    files = [path for path in sorted((tmp_path / "dist").rglob("*")) if path.is_file()]
    assert printed == [[f"{file.stat().st_size / 1e6:.3f}", "MB", str(file)] for file in files]
    assert "xgboost-cpu==3" in (tmp_path / "dist" / "constraints.txt").read_text()
    assert made("--out", str(tmp_path / "dist"), "--constraints", str(CONSTRAINTS)) == 0, "an earlier one is replaced"


def test_missing_constraints_are_said_before_anything_is_made(tmp_path, capsys):
    assert made("--out", str(tmp_path / "dist"), "--constraints", "/no.txt") == 2
    assert capsys.readouterr().err == "hpt-spark: --constraints /no.txt cannot be read (No such file or directory).\n"
    assert not (tmp_path / "dist").exists()


@pytest.mark.parametrize("theirs", ["jobs/mine.py", "requirements.txt", "constraints.txt"])
def test_files_of_others_are_not_replaced(tmp_path, capsys, theirs):
    (tmp_path / theirs).parent.mkdir(exist_ok=True)
    (tmp_path / theirs).write_text("mine")
    assert made("--out", str(tmp_path), "--constraints", str(CONSTRAINTS)) == 2
    assert f"{tmp_path} has {theirs.partition('/')[0]} and no {ZIP}, so that it is no bundle" in capsys.readouterr().err
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == [tmp_path / theirs]
    assert (tmp_path / theirs).read_text() == "mine"


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_the_packed_environment_has_all_that_a_job_imports_and_no_more(tmp_path):
    """Made as `make bundle` makes it; unpacked at another place, it imports the zip."""
    out = tmp_path / "dist"
    assert made("--out", str(out), "--constraints", str(CONSTRAINTS), "--environment", "venv-pack") == 0
    with tarfile.open(out / "env.tar.gz") as archive:
        archive.extractall(tmp_path / "env", filter="fully_trusted")
    code = "import hpt_spark_jobs.tune, hpt_spark_jobs.predict, xgboost, pandas, azure.storage.blob, importlib.metadata"
    code += "; print(*sorted(d.metadata['Name'] for d in importlib.metadata.distributions()))"
    of_cluster = tmp_path / "cluster"  # which brings its own PySpark, and does not start the job in a checkout
    of_cluster.mkdir()
    for package in (pyspark, py4j):
        (of_cluster / package.__name__).symlink_to(Path(package.__file__).parent)
    answer = subprocess.run(
        [tmp_path / "env" / "bin" / "python", "-c", code],
        env={"PYTHONPATH": f"{out / ZIP}:{of_cluster}", "PATH": "/usr/bin"},
        cwd=of_cluster,
        capture_output=True,
        text=True,
        check=False,
    )
    assert answer.returncode == 0, answer.stderr
    names = answer.stdout.split()
    assert "xgboost-cpu" in names
    assert not {"pyspark", "pip", "pytest"} & set(names)
    assert not [name for name in names if name.startswith("nvidia")]
