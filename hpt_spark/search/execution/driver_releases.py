"""The releases of the packages that compute the scores: the driver's, which an executor must have as well.

The journal records those of the driver, and so does the manifest of a run: scores of others would be in neither.
"""

from __future__ import annotations

import importlib
import socket
import sys
import types
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from typing import Any

import cloudpickle
import numpy as np

from hpt_spark.errors import HptSparkError
from hpt_spark.search.dataset import Dataset
from hpt_spark.search.evaluation import Evaluation
from hpt_spark.search.installed import installed_release, is_installed_file

ALWAYS = frozenset({"hpt_spark", "numpy", "scipy", "sklearn"})
BOOSTERS = frozenset({"lightgbm", "xgboost"})  # which the user's own code may use inside of its functions
NO_PART = frozenset({"cloudpickle", "joblib", "py4j", "pyspark"})  # they carry what computes
# Packages that are installed under another name than they are imported by.
INSTALLED_AS = {"hpt_spark": "hpt-spark", "imblearn": "imbalanced-learn", "sklearn": "scikit-learn"}

OTHER_RELEASE_BEGINS = "the executor's Python on"  # by which the driver knows the sentence in a failure of Spark's


@dataclass(frozen=True)
class Release:
    """The driver's release of a package."""

    package: str  # the name by which it is imported
    version: str  # its `__version__`; "" if it has none
    installed: str  # its release by the metadata of its installation; "" for a package in a zip or from `--py-files`


def releases_of(data: Dataset, *computing: Any) -> tuple[Release, ...]:
    """Return the releases of the packages that a search computes with, as this process has them.

    The kinds of `data` count; `computing` are estimators, candidates, scorers.
    """
    kinds = [type(value) for value in (data.X, data.y, *data.fit_params.values(), *data.score_params.values())]
    met = _ModulesMet()
    met.dump((kinds, computing))
    packages = {module.partition(".")[0] for module in met.modules} - ALWAYS - NO_PART - sys.stdlib_module_names
    installed = {package for package in packages if _is_installed(package)}
    boosters = BOOSTERS & sys.modules.keys() if packages - installed else frozenset()
    known = (
        Release(package, _own_version(package), _installed_release(package))
        for package in sorted(ALWAYS | installed | boosters)
    )
    return tuple(release for release in known if release.version or release.installed)


def releases_of_fits(evaluation: Evaluation) -> tuple[Release, ...]:
    """Return those of all fits of `evaluation`."""
    computing = (evaluation.fit_and_score, evaluation.estimator, evaluation.candidates, evaluation.common)
    return releases_of(evaluation.data, *computing)


@cache  # once in a process
def check_releases(releases: Sequence[Release]) -> None:
    """Refuse to compute with other releases than the driver's.

    Raises
    ------
    HptSparkError
        Names the packages, their releases here and there, and this machine.
    """
    found = [(INSTALLED_AS.get(one.package, one.package), *other) for one in releases if (other := _differing(one))]
    if found:
        here = " and ".join(f"{name} {version}" for name, version, _ in found)
        there = " and ".join(f"{name} {version}" for name, _, version in found)
        raise HptSparkError(
            f"{OTHER_RELEASE_BEGINS} {socket.gethostname()} ({sys.executable}) has {here}, but the driver {there}, so "
            "that its results may be others: install the driver's releases there, or send the driver's environment "
            "(spark-submit --archives, submit.environment)."
        )


def _differing(driver: Release) -> tuple[str, str] | None:
    """Return the release of a package here and on the driver where they differ; what has none is not compared."""
    if driver.package not in sys.modules:
        if driver.installed and _is_same(_installed_release(driver.package), driver.installed):
            return None  # to import it takes time
        # A zip on the path may come before the installed package.
        with suppress(Exception):  # of its own kinds; what cannot be imported is named where it is needed
            importlib.import_module(driver.package)
    for here, there in (
        (_own_version(driver.package), driver.version),
        (_installed_release(driver.package), driver.installed),
    ):
        if here and there:
            return None if _is_same(here, there) else (here, there)
    return None


def _is_same(one: str, other: str) -> bool:
    """Return whether two are one release; ``+cpu`` and ``+cu118`` are builds of one."""
    return one.partition("+")[0] == other.partition("+")[0]


def _own_version(package: str) -> str:
    version = getattr(sys.modules.get(package), "__version__", "")
    return version if isinstance(version, str) else ""


@cache  # a process knows one release for life
def _installed_release(package: str) -> str:
    return installed_release(INSTALLED_AS.get(package, package))


def _is_installed(package: str) -> bool:
    """Return whether this is an installed package, which has a release, and not the user's own code."""
    file = getattr(sys.modules.get(package), "__file__", None)
    return isinstance(file, str) and is_installed_file(file)


class _Nowhere:
    """A file that keeps nothing."""

    def write(self, content: Any) -> int:
        return len(content)


class _ModulesMet(cloudpickle.Pickler):
    """Meets all classes and functions that an object holds, as they travel with it, and keeps the names of modules."""

    def __init__(self) -> None:
        self.modules: set[str] = set()
        super().__init__(_Nowhere(), protocol=5, buffer_callback=lambda _: None)

    def reducer_override(self, value: Any) -> Any:
        if isinstance(value, types.ModuleType):
            self.modules.add(value.__name__)
        else:
            kinds = value.__mro__ if isinstance(value, type) else (value, *type(value).__mro__)
            names = (getattr(kind, "__module__", None) for kind in kinds)
            self.modules.update(name for name in names if isinstance(name, str))
        if isinstance(value, np.ndarray) and not value.dtype.hasobject:
            return int, ()  # there is nothing to meet in it
        return super().reducer_override(value)
