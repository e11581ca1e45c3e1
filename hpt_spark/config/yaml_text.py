"""YAML as the configuration reads and writes it: PyYAML's, with the numbers that YAML 1.2 knows."""

from __future__ import annotations

import re
from collections.abc import Collection
from typing import Any

import yaml

# The float of YAML 1.2's core schema (to PyYAML, which keeps to YAML 1.1, 1e-3 is a text); one without a point and an
# exponent is left to the rules for whole numbers.
FLOAT = re.compile(r"(?=.*[.eE])[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?\Z")

# Only to YAML 1.1 is 017 fifteen and 1:30 ninety.
BY_EIGHTS, BY_SIXTIES = re.compile(r"[-+]?0[0-9_]+"), re.compile(r"[-+]?[0-9][0-9_:.]*:[0-9_:.]*")
OTHER_BASES = {
    BY_EIGHTS: "a number with a leading zero counts by eights; write it without the zero",
    BY_SIXTIES: "numbers with a colon count by sixties; write one number",
}
OR_A_TEXT = "if it is a text, put it in quotes"

# What PyYAML's constructors raise where the text of a value is none of its kind, such as the date 2024-02-30.
NO_SUCH_VALUE = (ValueError, LookupError, AttributeError, ArithmeticError)

Keys = tuple[str, ...]  # from the outermost mapping to a value

TEXT, NULL, MERGE = (f"tag:yaml.org,2002:{kind}" for kind in ("str", "null", "merge"))
ONE_LINE = 2**31

UNFIT = re.compile("[\0\ud800-\udfff]")  # what a text may not have that is passed on: to Java, as a path, in UTF-8

DEEPEST = 50
MOST_VALUES = 1_000_000


class RefusedYamlError(yaml.MarkedYAMLError):
    """YAML that a configuration does not take; `problem` says what to write, without the value: it may be a secret."""


class _Reader(yaml.SafeLoader):
    """YAML in which a key that is given twice is an error; plain YAML forgets the first silently."""

    def compose_mapping_node(self, anchor: Any) -> yaml.MappingNode:
        # As it is written: PyYAML puts the keys of a merge (`<<`), which may be given again, beside the mapping's own.
        node: yaml.MappingNode = super().compose_mapping_node(anchor)
        seen: set[str] = set()
        for key, _ in node.value:
            if isinstance(key, yaml.ScalarNode) and key.value in seen:
                raise RefusedYamlError(problem=f"the key {key.value} is given twice", problem_mark=key.start_mark)
            seen.add(str(key.value))
        return node

    def construct_object(self, node: yaml.Node, deep: bool = False) -> Any:
        try:
            value = super().construct_object(node, deep)
            if isinstance(value, int):
                str(value)  # Python neither reads nor writes thousands of digits; 1:59:59 may be as many
        except NO_SUCH_VALUE:
            kind = node.tag.rpartition(":")[2]
            problem = f"the value is no valid {kind}; {OR_A_TEXT}"
            raise RefusedYamlError(problem=problem, problem_mark=node.start_mark) from None
        for written, problem in OTHER_BASES.items():
            if type(value) in (int, float) and abs(value) > 7 and written.fullmatch(str(node.value)):
                raise RefusedYamlError(problem=f"{problem}; {OR_A_TEXT}", problem_mark=node.start_mark)
        return value


class _Writer(yaml.SafeDumper):
    """YAML that `_Reader` reads as the same values: a text that looks like a number has quotes."""

    def represent_str(self, data: str) -> yaml.ScalarNode:
        # Only between double quotes are line breaks, and what else has no glyph, written as escapes, on one line.
        style = None if data.isprintable() else '"'
        return self.represent_scalar(TEXT, data, style)


# Each makes a copy of PyYAML's table first: nobody else's YAML changes.
_Writer.add_representer(str, _Writer.represent_str)
_Reader.add_implicit_resolver("tag:yaml.org,2002:float", FLOAT, list("-+.0123456789"))
_Writer.add_implicit_resolver("tag:yaml.org,2002:float", FLOAT, list("-+.0123456789"))


def read_yaml(text: str, at: Keys = (), as_written: Collection[Keys] = ()) -> Any:
    """Return the value that `text` is the YAML of.

    Parameters
    ----------
    text : str
    at : tuple of str
        The keys below which the value stands.
    as_written : collection of tuple of str
        The keys of mappings whose values are texts, as they are written: what reads them knows neither that ``NO`` is
        a boolean of YAML nor that ``1e3`` is 1000.0.

    Raises
    ------
    yaml.YAMLError
        When it is none.
    """
    reader = _Reader(text)
    try:
        node = reader.get_single_node()
        if node is None:
            return None
        _size_of(node, {}, 1)
        return reader.construct_document(_with_texts(node, at, as_written))
    except RecursionError:
        raise _nested_too_deeply(None) from None
    finally:
        reader.dispose()


def _with_texts(node: yaml.Node, at: Keys, as_written: Collection[Keys]) -> yaml.Node:
    """Return `node`, which stands below the keys `at`, with its scalars in `as_written` as texts, but for null."""
    above = [keys for keys in as_written if at[: len(keys)] == keys]
    if isinstance(node, yaml.ScalarNode):
        is_text = node.tag != NULL and any(len(at) > len(keys) for keys in above)
        return yaml.ScalarNode(TEXT, node.value, node.start_mark, node.end_mark, node.style) if is_text else node
    if not above and not any(keys[: len(at)] == at for keys in as_written):
        return node
    if isinstance(node, yaml.SequenceNode):  # of mappings that are merged
        return yaml.SequenceNode(node.tag, [_with_texts(item, at, as_written) for item in node.value], node.start_mark)
    pairs = [
        (key, _with_texts(value, at if key.tag == MERGE else (*at, str(key.value)), as_written))
        for key, value in node.value
    ]
    return yaml.MappingNode(node.tag, pairs, node.start_mark)


def _size_of(node: yaml.Node, known: dict[int, int], depth: int) -> int:
    """Return how many values `node` stands for, with those that its aliases repeat; `known` has those of others.

    An alias to what it lies in, or aliases of aliases, would become values without end.
    """
    if depth > DEEPEST:
        raise _nested_too_deeply(node)
    if isinstance(node, yaml.ScalarNode):
        return 1
    if id(node) not in known:
        known[id(node)] = 0  # until all below it are counted
        items = [item for pair in node.value for item in pair] if isinstance(node, yaml.MappingNode) else node.value
        known[id(node)] = 1 + sum(_size_of(item, known, depth + 1) for item in items)
    elif known[id(node)] == 0:
        raise RefusedYamlError(problem="an alias stands for what it lies in", problem_mark=node.start_mark)
    if known[id(node)] > MOST_VALUES:
        problem = f"its aliases stand for more than {MOST_VALUES:,} values"
        raise RefusedYamlError(problem=problem, problem_mark=node.start_mark)
    return known[id(node)]


def _nested_too_deeply(node: yaml.Node | None) -> RefusedYamlError:
    problem = f"more than {DEEPEST} values lie in each other"
    return RefusedYamlError(problem=problem, problem_mark=node.start_mark if node else None)


def write_yaml(value: Any) -> str:
    """Return `value` as the content of a file."""
    return yaml.dump(value, Dumper=_Writer, sort_keys=False, allow_unicode=True, default_flow_style=None, width=120)


def as_yaml(value: Any) -> str:
    """Return `value` in one line, as a person would write it in a file; a text always has quotes."""
    return _in_one_line(value, "'", allow_unicode=True)


def as_ascii_yaml(value: Any) -> str:
    """Return `value` in one line of ASCII characters, a text in double quotes with escapes."""
    return _in_one_line(value, '"', allow_unicode=False)


def _in_one_line(value: Any, quote: str, allow_unicode: bool) -> str:
    text = yaml.dump(
        value,
        Dumper=_Writer,
        sort_keys=False,
        allow_unicode=allow_unicode,
        default_flow_style=True,
        default_style=quote if isinstance(value, str) else None,
        width=ONE_LINE,
    )
    return text.removesuffix("...\n").strip()
