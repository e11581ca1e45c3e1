"""The behaviour of a code object and the names that it uses, without its place: no file names, no line numbers."""

from __future__ import annotations

import dis
import importlib.util
import re
import sys
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import pairwise
from types import CodeType
from typing import Any

from hpt_spark.search.installed import is_library

# A class body stores these: lines of the source, texts for people, and a tuple made from a set.
NOT_BEHAVIOUR = frozenset({"__firstlineno__", "__doc__", "__static_attributes__"})


def behaviour(code: CodeType) -> tuple[Any, ...]:
    """Return what a code object does, as plain values and, among them, the code objects inside it.

    Constants are told by value where they are loaded, so that neither their order nor a docstring,
    which nothing loads, counts.
    """
    return (
        code.co_name,
        (code.co_argcount, code.co_posonlyargcount, code.co_kwonlyargcount, code.co_flags),
        (code.co_varnames, code.co_cellvars, code.co_freevars),
        getattr(code, "co_exceptiontable", b""),
        [_describe_instruction(instruction) for instruction in _instructions(code)],
    )


# Instructions that may stand between a global name and its use.
NOTHING_DONE = frozenset({"CACHE", "EXTENDED_ARG", "PUSH_NULL", "NOP", "RESUME", "PRECALL"})
OF_AN_ATTRIBUTE = frozenset({"LOAD_ATTR", "LOAD_METHOD", "STORE_ATTR", "DELETE_ATTR"})
# Code that uses one of these may find an object by a text.
ASKS_BY_TEXT = frozenset({"getattr", "globals", "vars", "attrgetter", "methodcaller", "import_module", "__import__"})
# Code that uses one of these may take a text for an expression: a frame's ``query`` finds ``@limit`` among the globals.
EVALUATES_TEXT = frozenset({"eval", "exec", "query"})
IDENTIFIER = re.compile(r"[^\W\d]\w*")


@dataclass
class Used:
    """The names that a code object and those inside it use."""

    names: set[str] = field(default_factory=set)  # global names
    # Names of attributes; where `getattr` is used, also texts that may be such names.
    attributes: set[str] = field(default_factory=set)
    # Module, level and names of each import statement; also those of `import_module("name")`.
    imports: list[tuple[str, int, tuple[str, ...]]] = field(default_factory=list)
    # Names of globals and of imported objects that are used as values, not only for an attribute.
    handed_on: set[str] = field(default_factory=set)


def used_by(code: CodeType) -> Used:
    """Return the names that `code` and the code inside it use."""
    used, constants, variables = Used(), set[str](), set[str]()
    imported: defaultdict[str, set[str]] = defaultdict(set)  # by the variable that holds it
    for inner in _all_code(code):
        instructions = [one for one in dis.get_instructions(inner) if one.opname not in NOTHING_DONE]
        used.names.update(one.argval for one in instructions if _is_global(one))
        used.attributes.update(one.argval for one in instructions if _is_attribute(one))
        used.imports += _import_statements(instructions)
        constants.update(text for text in _constants(instructions) if isinstance(text, str))
        for variable, name in _stored_imports(instructions):
            imported[variable].add(name)
        for one, after in pairwise(instructions):
            is_for_attribute = after.opname in OF_AN_ATTRIBUTE and after.argval != "__dict__"
            if _is_global(one) and "LOAD" in one.opname and not is_for_attribute:
                used.handed_on.add(one.argval)
            taken = _variables_taken(one, inner)
            variables.update(taken[:-1] if is_for_attribute else taken)
    for variable in (variables | used.handed_on) & imported.keys():
        used.handed_on |= imported[variable]
    _add_names_in_texts(used, constants)
    return used


def _is_global(instruction: dis.Instruction) -> bool:
    return "GLOBAL" in instruction.opname or instruction.opname == "LOAD_NAME"


def _is_attribute(instruction: dis.Instruction) -> bool:
    return instruction.opcode in dis.hasname and instruction.opname != "IMPORT_NAME" and not _is_global(instruction)


def _constants(instructions: list[dis.Instruction]) -> list[Any]:
    return [one.argval for one in instructions if one.opcode in dis.hasconst or one.opname == "LOAD_SMALL_INT"]


def _import_statements(instructions: list[dis.Instruction]) -> Iterator[tuple[str, int, tuple[str, ...]]]:
    """Yield the module, level and names of each; the two constants before it are the level and the names."""
    for at, one in enumerate(instructions):
        if one.opname == "IMPORT_NAME":
            level, names = _constants(instructions[:at])[-2:]
            yield one.argval, level, names or ()


def _stored_imports(instructions: list[dis.Instruction]) -> Iterator[tuple[str, str]]:
    """Yield the variable and the name of each import."""
    name = None
    for one in instructions:
        if one.opname in ("IMPORT_NAME", "IMPORT_FROM"):
            name = one.argval
        elif name is not None and one.opname.startswith("STORE_"):
            yield one.argval[0] if isinstance(one.argval, tuple) else one.argval, name
            name = None


def _add_names_in_texts(used: Used, texts: set[str]) -> None:
    """Add the names in `texts` where the code may look for what they name."""
    dotted = {text for text in texts if all(map(str.isidentifier, text.split(".")))}
    if (used.names | used.attributes) & EVALUATES_TEXT:
        words = {word for text in texts for word in IDENTIFIER.findall(text)}
        used.attributes |= words
        used.names |= words
    if used.names & ASKS_BY_TEXT:
        parts = {part for text in dotted for part in text.split(".")}
        used.attributes |= parts
        used.names |= parts
    if (used.names | used.attributes) & {"import_module", "__import__"}:
        used.imports += [(text, 0, ()) for text in sorted(dotted)]
    elif "sys" in used.names and "modules" in used.attributes:
        # A library's release counts also where it is not loaded: the loaded ones differ from run to run.
        used.imports += [(text, 0, ()) for text in sorted(dotted) if text in sys.modules or is_library(text)]


def asks_for_anything(used: Used) -> bool:
    """Return whether code looks for names of its own module that it may put together when it runs."""
    return bool(used.names & {"globals", "eval", "exec"}) or ("modules" in used.attributes and "__name__" in used.names)


def _variables_taken(instruction: dis.Instruction, code: CodeType) -> list[str]:
    """Return the local variables whose values an instruction takes, in order, without those of closures."""
    name, value = instruction.opname, instruction.argval
    if "LOAD" not in name or "CLOSURE" in name or "CLEAR" in name:
        return []
    if "DEREF" in name and isinstance(value, str):
        return [value]
    if "FAST" not in name:
        return []
    found = value if isinstance(value, tuple) else (value,)  # from 3.13 on, one instruction may take two
    if name.startswith("STORE_"):
        found = found[1:]
    return [one for one in found if one not in (*code.co_cellvars, *code.co_freevars)]


def absolute_name(module: str, level: int, package: str | None) -> str | None:
    """Return the name of an imported module, or None when it is relative to nothing."""
    if level == 0:
        return module
    try:
        return importlib.util.resolve_name("." * level + module, package)
    except (ImportError, ValueError, TypeError):
        return None


def _instructions(code: CodeType) -> list[dis.Instruction]:
    instructions = [one for one in dis.get_instructions(code) if one.opname != "EXTENDED_ARG"]
    kept = []
    for one, after in zip(instructions, [*instructions[1:], None]):
        if after is not None and after.opname == "STORE_NAME" and after.argval in NOT_BEHAVIOUR:
            continue
        kept.append(one)
    return kept


def _describe_instruction(instruction: dis.Instruction) -> tuple[Any, ...]:
    by_value = (dis.hasconst, dis.hasname, dis.haslocal, dis.hasfree)
    if any(instruction.opcode in kind for kind in by_value):
        return instruction.opname, instruction.argval
    return instruction.opname, instruction.arg


def _all_code(code: CodeType) -> Iterator[CodeType]:
    yield code
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from _all_code(constant)
