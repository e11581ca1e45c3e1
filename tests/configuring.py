"""Configurations that are refused."""

from __future__ import annotations

import pytest

from hpt_spark.config.layers import load_config
from hpt_spark.errors import ConfigError


def problems(*settings: str, files: tuple[str, ...] = ()) -> list[str]:
    """Return the problems of a configuration that must have some, one per line."""
    with pytest.raises(ConfigError) as refusal:
        load_config(files, settings)
    return str(refusal.value).splitlines()


def problem(*settings: str, files: tuple[str, ...] = ()) -> str:
    (only,) = problems(*settings, files=files)
    return only
