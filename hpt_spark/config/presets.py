"""The configuration files that come with the package: in a checkout, a wheel, or a zip on the path."""

from __future__ import annotations

from importlib import import_module
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from importlib.resources.abc import Traversable

PACKAGE = "hpt_spark_conf"
CHECKOUT = Path(__file__).resolve().parent.parent.parent


def presets() -> dict[str, Traversable]:
    """Return each preset by its name, e.g. ``distributed_sweep``."""
    folder = _folder()
    found = folder.iterdir() if folder is not None else ()
    return {Path(file.name).stem: file for file in found if file.name.endswith(".yaml")}


def _folder() -> Traversable | None:
    """Return the package's own folder ``conf/``, and no folder of that name that lies beside it by chance."""
    if (CHECKOUT / "setup.py").is_file() and (CHECKOUT / "jobs").is_dir():
        return CHECKOUT / "conf"
    try:
        return files(import_module(PACKAGE))
    except ModuleNotFoundError:
        return None
