"""The configuration and the command that made a run, without secrets."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Sequence
from typing import Any

from hpt_spark.config.layers import Config
from hpt_spark.config.secrets import mask_setting, masked

SET = "--set="


def provenance_of(config: Config) -> dict[str, Any]:
    """Return ``configuration`` and ``command`` of this process."""
    return {"configuration": masked(config.model_dump(mode="json")), "command": command_line(sys.argv)}


def command_line(arguments: Sequence[str]) -> str:
    """Return the command that started a process with `arguments`; the value of a secret's key is masked."""
    program = arguments[0].partition(" ")[0] if arguments[0].startswith("hpt-spark ") else arguments[0]
    return shlex.join([program, *map(_masked_argument, arguments[1:])])


def _masked_argument(argument: str) -> str:
    option = SET if argument.startswith(SET) else ""
    key, equals, value = argument.removeprefix(option).partition("=")
    return f"{option}{key}{equals}{mask_setting(key, value)}" if equals else str(masked(argument))
