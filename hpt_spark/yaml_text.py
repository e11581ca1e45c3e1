"""YAML as the configuration reads and writes it: PyYAML's, with the numbers that YAML 1.2 knows."""

from __future__ import annotations

import re
from typing import Any

import yaml

# To PyYAML, which keeps to YAML 1.1, a number without a point, such as 1e-3, is a text. This is the float of YAML
# 1.2's core schema; one without a point and an exponent is left to the rules for whole numbers.
FLOAT = re.compile(r"(?=.*[.eE])[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?\Z")

# What PyYAML's constructors raise where the text of a value is none of its kind, such as the date 2024-02-30.
NO_SUCH_VALUE = (ValueError, LookupError, AttributeError, ArithmeticError)

ONE_LINE = 2**31


class _Reader(yaml.SafeLoader):
    """YAML in which a key that is given twice is an error; plain YAML forgets the first silently."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        seen: set[str] = set()
        for key, _ in node.value:
            if isinstance(key, yaml.ScalarNode) and key.value in seen:
                raise yaml.MarkedYAMLError(problem=f"the key {key.value} is given twice", problem_mark=key.start_mark)
            seen.add(str(key.value))
        return super().construct_mapping(node, deep)

    def construct_object(self, node: yaml.Node, deep: bool = False) -> Any:
        try:
            return super().construct_object(node, deep)
        except NO_SUCH_VALUE:
            kind = node.tag.rpartition(":")[2]
            raise yaml.MarkedYAMLError(
                problem=f"{node.value} is no valid {kind}; if it is a text, put it in quotes",
                problem_mark=node.start_mark,
            ) from None


class _Writer(yaml.SafeDumper):
    """YAML that `_Reader` reads as the same values: a text that looks like a number has quotes."""

    def represent_str(self, data: str) -> yaml.ScalarNode:
        # Only between double quotes are line breaks, and what else has no glyph, written as escapes, on one line.
        style = None if data.isprintable() else '"'
        return self.represent_scalar("tag:yaml.org,2002:str", data, style)


# Each makes a copy of PyYAML's table first: nobody else's YAML changes.
_Writer.add_representer(str, _Writer.represent_str)
_Reader.add_implicit_resolver("tag:yaml.org,2002:float", FLOAT, list("-+.0123456789"))
_Writer.add_implicit_resolver("tag:yaml.org,2002:float", FLOAT, list("-+.0123456789"))


def read_yaml(text: str) -> Any:
    """Return the value that `text` is the YAML of.

    Raises
    ------
    yaml.YAMLError
        When it is none.
    """
    return yaml.load(text, _Reader)


def write_yaml(value: Any) -> str:
    """Return `value` as the content of a file."""
    return yaml.dump(value, Dumper=_Writer, sort_keys=False, allow_unicode=True, default_flow_style=None, width=120)


def as_yaml(value: Any) -> str:
    """Return `value` in one line, as a person would write it in a file; a text always has quotes."""
    text = yaml.dump(
        value,
        Dumper=_Writer,
        sort_keys=False,
        allow_unicode=True,
        default_flow_style=True,
        default_style="'" if isinstance(value, str) else None,
        width=ONE_LINE,
    )
    return text.removesuffix("...\n").strip()
