"""Write docs/configuration.md from the models of the configuration's sections.

usage: python docs/configuration_page.py
"""

from __future__ import annotations

import types
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal, Union, get_args, get_origin

import annotated_types
from pydantic.fields import FieldInfo

from hpt_spark.config.layers import Config
from hpt_spark.config.section import Section
from hpt_spark.config.yaml_text import as_yaml

PAGE = Path(__file__).with_name("configuration.md")

HEAD = """# Configuration

`docs/configuration_page.py` writes this page from the code; `make docs` runs it.

`conf/default.yaml` holds every key. Each `--conf FILE` is laid over it, left to right, then each `--set key=value`.
Sections merge key by key; `search.param_grid`, `search.estimator_params`, `search.cv` and `search.outer_cv` of a
file replace those below whole.

```bash
.venv/bin/hpt-spark tune --conf conf/demo.yaml --set search.cv=3 --dry-run
```

prints the resolved configuration, secrets masked, and stops.

Values are YAML 1.1: `yes`, `no`, `on` and `off` are `true` and `false`, `1_000` is 1000, `0b11` is 3, `2024-01-31` is a
date; a text that looks so needs quotes. `1e-3` is a number, as in YAML 1.2. `017` and `1:30`, to YAML 1.1 fifteen and
ninety, are refused. Values of `spark.conf` and `features.table.options` are passed on as they are written.

Presets in `conf/`: `demo.yaml`, `single_vm_small.yaml` (first four feature sets), `single_vm.yaml` (joblib,
8 processes, 4 candidates), `distributed_sweep.yaml` (Spark, 16 candidates).

Exit codes: 0 done; 2 the configuration or the input is wrong; 1 anything else; 130 Ctrl-C; 143 SIGTERM; 129 SIGHUP.
"""
TYPES = {
    int: "whole number",
    float: "number",
    str: "text",
    bool: "`true`, `false`",
    dict: "mapping",
    type(None): "`null`",
}


def page() -> str:
    """Return the page: a table for each section."""
    sections = (_section(name, field.annotation) for name, field in Config.model_fields.items())
    return "\n".join([HEAD, *sections])


def _section(name: str, model: Any) -> str:
    lines = [f"## `{name}`", "", model.__doc__.strip().replace("``", "`"), ""]
    lines += ["| key | default | allowed | meaning |", "|---|---|---|---|"]
    within = {key: field.annotation for key, field in model.model_fields.items() if _is_section(field.annotation)}
    lines += [_row(name, key, field) for key, field in model.model_fields.items() if key not in within]
    sections = (_section(f"{name}.{key}", inner) for key, inner in within.items())
    return "\n".join([*lines, "", *sections])


def _is_section(annotation: Any) -> bool:
    return isinstance(annotation, type) and issubclass(annotation, Section)


def _row(section: str, key: str, field: FieldInfo) -> str:
    if not field.description:
        raise ValueError(f"{section}.{key} has no description in its section")
    default = field.get_default(call_default_factory=True)
    shown = default if isinstance(default, str) else as_yaml(default)
    cells = (f"`{section}.{key}`", f"`{shown}`", _allowed(field.annotation, *_bounds(field)), field.description)
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


def _allowed(annotation: Any, *bounds: str) -> str:
    kind, inner = get_origin(annotation), get_args(annotation)
    if kind in (Union, types.UnionType):
        first, *others = inner  # the bounds are of the first one
        return " or ".join([_allowed(first, *bounds), *map(_allowed, others)])
    if kind is Literal:
        allowed = ", ".join(f"`{value}`" for value in inner)
    elif kind is list:
        allowed = f"list of {_allowed(inner[0])}"
    else:
        allowed = TYPES[kind or annotation]
    return ", ".join([allowed, *bounds])


def _bounds(field: FieldInfo) -> Iterator[str]:
    for bound in field.metadata:
        if isinstance(bound, annotated_types.Ge):
            yield f"at least {bound.ge:,}"
        elif isinstance(bound, annotated_types.Gt):
            yield f"above {bound.gt}"
        elif isinstance(bound, annotated_types.Le):
            yield f"at most {bound.le:,.0f}"
        elif isinstance(bound, annotated_types.MaxLen):
            yield f"at most {bound.max_length:,} letters"
        elif isinstance(bound, annotated_types.MinLen):
            yield "not empty"


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
