"""Tells the modules of installed libraries, which go by their release, from the user's own code."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import os
import site
import sys
import sysconfig
from collections import defaultdict
from contextlib import suppress
from functools import cache, lru_cache
from pathlib import Path

# These may lie outside of site-packages (SPARK_HOME, an archive, a checkout) and still are no user's code.
ALWAYS_LIBRARIES = frozenset({"hpt_spark", "hpt_spark_jobs", "pyspark", "py4j"})
_FOLDERS = {
    *(sysconfig.get_path(name) for name in ("stdlib", "platstdlib", "purelib", "platlib")),
    *site.getsitepackages(),
    site.getusersitepackages(),
}
_INSTALLED = tuple(f"{folder}{os.sep}" for folder in {*_FOLDERS, *map(os.path.realpath, _FOLDERS)})
_NAMES_OF_FOLDERS = tuple(f"{os.sep}{name}{os.sep}" for name in ("site-packages", "dist-packages"))


def is_library(module: str | None) -> bool:
    """Return whether a module is of the standard library or of an installed one.

    Everything else is the user's: ``__main__``, a notebook's cells, modules beside the script, in a
    zip, in an editable checkout, or made while the program runs.
    """
    if not module or module == "__main__":
        return False
    top = module.partition(".")[0]
    if top in ALWAYS_LIBRARIES:
        return True
    file = _file_of(module)
    if file is None:
        return top in sys.stdlib_module_names
    return is_installed_file(file) and bool(top in sys.stdlib_module_names or releases_of(module))


def is_installed_file(file: str) -> bool:
    """Return whether `file` is of the standard library, in a folder of installed packages, or installed elsewhere."""
    return _is_below_packages(file) or _is_below_packages(os.path.realpath(file)) or _is_recorded(file)


def _is_below_packages(file: str) -> bool:
    return file.startswith(_INSTALLED) or any(name in file for name in _NAMES_OF_FOLDERS)


def _is_recorded(file: str) -> bool:
    """Return whether a distribution has put `file` into a folder of the path: ``pip install --target`` takes any."""
    folders = [os.path.abspath(folder) for folder in sys.path if folder and os.path.isdir(folder)]
    return any(
        os.path.relpath(file, folder).replace(os.sep, "/") in _recorded_in(folder, os.stat(folder).st_mtime_ns)
        for folder in folders
        if file.startswith(os.path.join(folder, ""))
    )


@cache
def _recorded_in(folder: str, _changed: int) -> frozenset[str]:
    """Return the files in a folder that distributions have put there; an editable one records no code of its own."""
    distributions = importlib.metadata.distributions(path=[folder])
    return frozenset(str(file) for one in distributions for file in one.files or ())


def releases_of(module: str) -> dict[str, str]:
    """Return the releases of the distributions that a library's module is of; the standard library is Python's own."""
    top = module.partition(".")[0]
    if top in sys.stdlib_module_names:
        return {}
    own = getattr(sys.modules.get(top), "__version__", None)
    return _distributions().get(top) or ({top: str(own)} if own is not None else {})


def installed_release(distribution: str) -> str:
    """Return the release of a distribution by its metadata, or of another build (``xgboost-cpu``); "" for none."""
    for name in (distribution, f"{distribution}-cpu"):
        with suppress(importlib.metadata.PackageNotFoundError):
            return importlib.metadata.version(name) or ""
    return ""


def compiled_file(module: str) -> Path | None:
    """Return the file of a user's module that is machine code."""
    file = _file_of(module)
    return Path(file) if file is not None and file.endswith((".so", ".pyd", ".dylib")) else None


def _file_of(module: str) -> str | None:
    """Return where a module, or else the package that it is in, was loaded from or would be."""
    loaded = sys.modules.get(module) or sys.modules.get(module.partition(".")[0])
    if loaded is not None:
        spec_of = getattr(loaded, "__spec__", None)
        file = getattr(loaded, "__file__", None) or getattr(spec_of, "origin", None)
        if file is None and hasattr(loaded, "__path__"):  # a namespace package is its folders
            file = next(iter(loaded.__path__), None)
        return None if file in (None, "built-in", "frozen") else str(file)
    try:
        spec = importlib.util.find_spec(module.partition(".")[0])
    except (ImportError, ValueError):
        return None
    return None if spec is None or spec.origin in (None, "built-in", "frozen") else str(spec.origin)


@lru_cache(maxsize=1)
def _distributions() -> dict[str, dict[str, str]]:
    """Return the releases of the distributions that have files in each top-level package.

    ``importlib.metadata.packages_distributions`` knows this from Python 3.11 on only, and takes a second.
    """
    found: dict[str, dict[str, str]] = defaultdict(dict)
    for distribution in importlib.metadata.distributions():
        name = distribution.metadata["Name"]
        listed = distribution.read_text("top_level.txt")
        if listed is None:
            files = (distribution.read_text("RECORD") or distribution.read_text("SOURCES.txt") or "").splitlines()
            listed = "\n".join({line.partition(",")[0].partition("/")[0] for line in files})
        for line in listed.split("\n"):
            top = line.strip().partition(".")[0]  # a module alone is NAME.py or NAME.cpython-311-x86_64-linux-gnu.so
            if top and name:
                found[top].setdefault(name, distribution.version)  # of two, the first on the path is imported
    return dict(found)
