"""The plan of a search, on which its results depend, and the configuration and the command that made a run."""

from __future__ import annotations

import platform
import shlex
import sys
from collections.abc import Sequence
from typing import Any

from hpt_spark.artifacts.json_values import json_safe
from hpt_spark.config.layers import Config
from hpt_spark.config.search_rules import unused_settings
from hpt_spark.config.search_section import SearchSection
from hpt_spark.masking import mask_setting, masked
from hpt_spark.matrix.design import DesignMatrix, searched_files
from hpt_spark.search.installed import installed_release

SET = "--set="


def plan_of(settings: SearchSection, design: DesignMatrix) -> dict[str, Any]:
    """Return the identity of a search: its settings and the digests of its data.

    Settings that change no score are left out: place and time limits of fits, settings without effect here.
    """
    data = {name: design.facts["files"][name] for name in searched_files(design.facts["files"])}
    return {"search": json_safe(searched_settings(settings)), "design": data}


def searched_settings(settings: SearchSection) -> dict[str, Any]:
    """Return the settings that the scores of a search depend on."""
    of_the_run = {"backend", "n_jobs", "max_time", "max_fit_time", "refit_on", "keep_oof", "warm_start"}
    not_wanted = {name for name in ("rounds", "race", "outer_cv", "no_improvement") if getattr(settings, name) is None}
    apart = {*of_the_run, *not_wanted, *unused_settings(settings)}
    searched = settings.model_dump(exclude=apart)
    searched["param_grid"] = settings.grids  # one grid, or a list of that one: the same search
    return searched


def versions() -> dict[str, str]:
    """Return the releases of the libraries that computed the results."""
    packages = ("hpt-spark", "scikit-learn", "xgboost", "numpy", "scipy", "pyspark")
    found = {package: _version(package) for package in packages}
    return {"python": platform.python_version(), **{name: one for name, one in found.items() if one}}


def _version(package: str) -> str:
    """Return the release of an installed package, or of one that a cluster has from a zip or as another build."""
    return installed_release(package) or str(getattr(sys.modules.get(package.replace("-", "_")), "__version__", ""))


def provenance_of(config: Config) -> dict[str, Any]:
    """Return ``configuration`` and ``command`` of this process, without secrets."""
    return {"configuration": masked(config.model_dump(mode="json")), "command": command_line(sys.argv)}


def command_line(arguments: Sequence[str]) -> str:
    """Return the command that started a process with `arguments`; the value of a secret's key is masked."""
    program = arguments[0].partition(" ")[0] if arguments[0].startswith("hpt-spark ") else arguments[0]
    return shlex.join([program, *map(_masked_argument, arguments[1:])])


def _masked_argument(argument: str) -> str:
    option = SET if argument.startswith(SET) else ""
    key, equals, value = argument.removeprefix(option).partition("=")
    return f"{option}{key}{equals}{mask_setting(key, value)}" if equals else str(masked(argument))
