"""Functions and classes that the configuration names by their dotted paths."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from traceback import extract_tb, format_exception_only
from typing import Any

from hpt_spark.errors import ConfigError
from hpt_spark.masking import mask_secrets
from hpt_spark.signals import signal_has_come


class NotThereError(Exception):
    """No module has such a name."""


def imported(path: str, key: str) -> Any:
    """Return the object with the dotted path `path`, which the setting `key` names.

    Raises
    ------
    NotThereError
        When there is none.
    ConfigError
        When the module is there, but its own code fails.
    """
    name, _, attribute = path.rpartition(".")
    if not all(part.isidentifier() for part in (*name.split("."), attribute)):
        raise NotThereError(path)  # importlib's own errors are of many kinds here, and a leading dot means "relative"
    try:
        module = importlib.import_module(name)
        found = getattr(module, attribute, None)  # some packages import their classes when asked
    except ModuleNotFoundError as error:
        if f"{name}.".startswith(f"{error.name}."):
            raise NotThereError(path) from None
        raise _failed_import(path, key, name, error) from error
    except (Exception, SystemExit) as error:
        if isinstance(error, SystemExit) and signal_has_come():
            raise  # SIGTERM, which the module has no part in
        raise _failed_import(path, key, name, error) from error
    if found is None:
        raise NotThereError(path)
    return found


def find_function(path: str, key: str) -> Callable[..., Any]:
    """Return the function with the dotted path `path`, which the setting `key` names.

    Raises
    ------
    ConfigError
        When it cannot be imported, or is no function.
    """
    try:
        found = imported(path, key)
    except NotThereError:
        raise ConfigError(
            f"{key}={path} cannot be imported; give the dotted path of a function, MODULE.FUNCTION, from a module that "
            "can be imported here."
        ) from None
    if not callable(found):
        raise ConfigError(f"{key}={path} is a {type(found).__name__}; give the dotted path of a function.")
    return found


def _failed_import(path: str, key: str, module: str, error: BaseException) -> ConfigError:
    """Return the error for a module whose own code fails at import; it names the last line that ran."""
    frames = [frame for frame in extract_tb(error.__traceback__) if "importlib" not in frame.filename]
    last = error if isinstance(error, SyntaxError) else frames[-1] if frames else None
    where = f" ({last.filename}, line {last.lineno})" if last is not None else ""
    lines = [line.rstrip() for part in format_exception_only(error) for line in part.splitlines()]
    told = [line for line in lines if line and not line.startswith(" ")]  # without the text of the line that failed
    # XGBoost and NumPy begin with an empty line.
    reason = mask_secrets(" ".join(told[: 2 if told[0].endswith(":") else 1])).rstrip(".")
    return ConfigError(f"{key}={path}: the module {module} is there, but its import fails{where}: {reason}.")
