"""Functions that the configuration names by their dotted paths."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from typing import Any

from hpt_spark.errors import ConfigError


def find_function(path: str, key: str) -> Callable[..., Any]:
    """Return the function with the dotted path `path`, which the setting `key` names.

    Raises
    ------
    ConfigError
        When it cannot be imported, or is no function.
    """
    module, _, name = path.rpartition(".")
    try:
        found = getattr(importlib.import_module(module), name)
    except (ImportError, AttributeError, ValueError, SyntaxError) as error:
        raise ConfigError(
            f"{key}={path} cannot be imported ({error}); give the dotted path of a function, MODULE.FUNCTION, from a "
            "module that can be imported here."
        ) from None
    if not callable(found):
        raise ConfigError(f"{key}={path} is a {type(found).__name__}; give the dotted path of a function.")
    return found
