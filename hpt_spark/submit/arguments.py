"""A resolved configuration as the ``--set`` arguments of a job that starts somewhere else.

The files of ``--conf`` are on this machine. Their settings travel in the arguments, so that nothing has to be uploaded
and every target gets the same.
"""

from __future__ import annotations

import re
from typing import Any

from pydantic import BaseModel

from hpt_spark.config.layers import Config, load_config
from hpt_spark.config.yaml_text import as_ascii_yaml, read_yaml

# Sections that are handed to Spark itself, before the job starts.
SAID_TO_SPARK = ("spark", "submit")
PLAIN = re.compile(r"[A-Za-z/][\w./:@-]*", re.ASCII)


def job_arguments(config: Config) -> list[str]:
    """Return the arguments by which a job resolves to `config`, without the sections that are handed to Spark."""
    below, words = load_config(), []
    for section in (name for name in Config.model_fields if name not in SAID_TO_SPARK):
        words += _differences(section, getattr(config, section), getattr(below, section))
    return words


def _differences(name: str, ours: BaseModel, theirs: BaseModel) -> list[str]:
    """Return the arguments for the keys of a section and its subsections that differ from `theirs`."""
    words: list[str] = []
    for key in type(ours).model_fields:
        value, other = getattr(ours, key), getattr(theirs, key)
        if isinstance(value, BaseModel) and isinstance(other, BaseModel):
            words += _differences(f"{name}.{key}", value, other)
        elif not _same(value, other):
            words += ["--set", f"{name}.{key}={_plain(value) or _for_a_command_line(value)}"]
    return words


def _same(one: Any, other: Any) -> bool:
    return as_ascii_yaml(one) == as_ascii_yaml(other)  # where nan equals nan, and 1 is not true


def _plain(value: Any) -> str | None:
    """Return `value` if it is a text without need of quotes, such as most paths, else None."""
    is_plain = isinstance(value, str) and PLAIN.fullmatch(value) and read_yaml(value) == value
    return value if is_plain else None


def _for_a_command_line(value: Any) -> str:
    """Return `value` as YAML of ASCII characters, without two braces in a row and without question marks.

    YARN takes ``{{`` and ``}}`` in a container's command for marks of its own and removes them; a Java with another
    locale loses what is not ASCII, and a ``?`` would be taken for a letter that was lost so (`check_arguments`).
    """
    if isinstance(value, dict):
        pairs = (f"{_for_a_command_line(name)}: {_for_a_command_line(item)}" for name, item in value.items())
        items = ", ".join(pairs)
        return f"{{{items} }}" if items.endswith("}") else f"{{{items}}}"
    if isinstance(value, (list, tuple)):
        return "[" + ", ".join(map(_for_a_command_line, value)) + "]"
    return as_ascii_yaml(value).replace("{{", r"{\x7b").replace("}}", r"}\x7d").replace("?", r"\x3f")
