"""The bundle: the files of this package that a cluster needs."""

from __future__ import annotations

import importlib.metadata
import re
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

from hpt_spark.errors import InputError, JobEndedError, MissingDependencyError
from hpt_spark.storage import Folder, local_path, open_folder
from hpt_spark.storage.scratch import scratch_folder
from hpt_spark.submit.submission import ZIP

PACKAGES = ("hpt_spark", "hpt_spark_jobs", "hpt_spark_conf")
ENVIRONMENT = "env.tar.gz"
EXTRAS = ("azure",)
CPU, GPU = "xgboost-cpu", "xgboost"
EPOCH = (1980, 1, 1, 0, 0, 0)  # the earliest of a zip: the same files make the same bytes


def make_bundle(out: str, constraints: str, environment: str, xgboost: str) -> list[Path]:
    """Make the bundle in the local folder `out` and return its files.

    Parameters
    ----------
    out : str
    constraints : str
        A file with the releases of the environment.
    environment : {"venv-pack", "none"}
        Whether an environment is packed, too.
    xgboost : {"xgboost-cpu", "xgboost"}
        The build of XGBoost.
    """
    lists = {"requirements.txt": requirements_of(xgboost), "constraints.txt": constraints_of(constraints, xgboost)}
    folder = open_folder(local_path(out))
    bundle = Path(local_path(out))
    _refuse_files_of_others(bundle, *lists, "jobs", ENVIRONMENT)
    names = [*lists, *pack_code(folder)]
    for name, lines in lists.items():
        with folder.atomic_write(name) as path:
            path.write_text("\n".join([*lines, ""]), encoding="utf-8")
    if environment == "venv-pack":
        pack_environment(folder, bundle)
        names.append(ENVIRONMENT)
    return sorted(bundle / name for name in names)


def _refuse_files_of_others(bundle: Path, *names: str) -> None:
    """Raise InputError where the bundle would replace files of no earlier bundle, such as a checkout's jobs."""
    found = [name for name in names if (bundle / name).exists()]
    if found and not (bundle / ZIP).exists():
        raise InputError(
            f"{bundle} has {', '.join(found)} and no {ZIP}, so that it is no bundle, and these would be replaced; name "
            "a new or an empty folder, or remove them."
        )


def pack_code(folder: Folder) -> list[str]:
    """Write the zip of the packages, and the jobs beside it; return the names of these files."""
    with folder.atomic_write(ZIP) as path, zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as archive:
        for package in PACKAGES:
            for name, file in _files_of(package):
                info = zipfile.ZipInfo(f"{package}/{name}", EPOCH)
                info.compress_type, info.external_attr = zipfile.ZIP_DEFLATED, 0o644 << 16
                archive.writestr(info, file.read_bytes())
    names = [ZIP]
    with folder.atomic_dir("jobs") as jobs:
        for name, file in _files_of("hpt_spark_jobs"):
            if name != "__init__.py":
                (jobs / name).write_bytes(file.read_bytes())
                names.append(f"jobs/{name}")
    return names


def _files_of(package: str) -> Iterator[tuple[str, Path]]:
    """Yield the files of an installed package: modules, and data where a wheel has them, too."""
    spec = find_spec(package)
    (root,) = map(Path, (spec and spec.submodule_search_locations) or [])
    is_flat = package != "hpt_spark"  # the folders in conf/ are for people, not for the package
    for file in sorted(root.glob("*") if is_flat else root.rglob("*")):
        if file.suffix in (".py", ".yaml", ".properties", ".typed", ".css", ".js"):
            yield file.relative_to(root).as_posix(), file


def requirements_of(xgboost: str) -> list[str]:
    """Return this package's requirements, with the wanted build of XGBoost and without PySpark, which a cluster has."""
    found = []
    for line in importlib.metadata.requires("hpt-spark") or []:
        requirement, _, marker = (part.strip() for part in line.partition(";"))
        extra = re.search(r"extra == ['\"]([\w-]+)['\"]", marker)
        if extra is None or extra[1] in EXTRAS:
            found.append(re.sub(r"^xgboost\b", xgboost, requirement))
    return found


def constraints_of(file: str, xgboost: str) -> list[str]:
    """Return the lines of the constraints file, with the wanted build of XGBoost."""
    try:
        lines = Path(file).read_text(encoding="utf-8").splitlines()
    except OSError as error:
        raise InputError(f"--constraints {file} cannot be read ({error.strerror}).") from None
    return [re.sub(r"^xgboost(-cpu)?(?![\w.-])", xgboost, line) for line in lines]


def pack_environment(folder: Folder, bundle: Path) -> None:
    """Pack a new environment of this Python with the bundle's requirements."""
    if not find_spec("venv_pack"):
        raise MissingDependencyError("venv-pack is not installed: pip install venv-pack==0.2.0")
    with scratch_folder() as temporary:
        environment = temporary / "env"
        _run("making the environment", sys.executable, "-m", "venv", environment)
        listed = ("-r", bundle / "requirements.txt", "-c", bundle / "constraints.txt")
        pip = (environment / "bin" / "python", "-m", "pip", "--quiet", "--disable-pip-version-check")
        _run("installing the packages", *pip, "install", "--only-binary", ":all:", *listed)
        _run("removing pip", *pip, "uninstall", "--yes", "pip", "setuptools")
        with folder.atomic_write(ENVIRONMENT) as path:
            pack = (sys.executable, "-m", "venv_pack", "--quiet", "--force", "--format", "tar.gz")
            _run("packing the environment", *pack, "--prefix", environment, "--output", path)
            path.chmod(0o644)  # venv-pack's own is for this user alone


def _run(doing: str, *command: object) -> None:
    answer = subprocess.run(list(map(str, command)), stdin=subprocess.DEVNULL, stdout=2, check=False)
    if answer.returncode != 0:
        raise JobEndedError(f"{doing} failed with exit code {answer.returncode}; above it says why.")
