"""Digests of functions, classes and modules: a library's by name, the user's own by what they do.

The digest of each piece of the user's code is kept under a name (`digest_ledger`); the digest of what
uses it holds that name only.
"""

from __future__ import annotations

import abc
import ctypes.wintypes
import functools
import gc
import hashlib
import importlib
import os
import sys
import types
import weakref
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from typing import Any

import numpy as np

from hpt_spark.errors import InputError
from hpt_spark.search.installed import compiled_file, is_library
from hpt_spark.search.journal.bytecode import Used, absolute_name, asks_for_anything, used_by
from hpt_spark.search.journal.data_digests import combine
from hpt_spark.search.journal.digest_ledger import DigestLedger

# Where a module and its parts lie: no function's result should depend on them.
OF_A_MODULE = frozenset(
    {
        *("__name__", "__file__", "__cached__", "__path__", "__builtins__", "__doc__", "__spec__", "__loader__"),
        *("__package__", "__annotations__", "__annotate__", "__conditional_annotations__", "__warningregistry__"),
    }
)
NAMED_TYPES = (types.FunctionType, types.BuiltinFunctionType, types.MethodType, type, np.ufunc)
CODE_TYPES = (types.FunctionType, type)
SLOTS = (types.GetSetDescriptorType, types.MemberDescriptorType)
OF_A_CLASS = (types.MethodDescriptorType, types.WrapperDescriptorType, types.ClassMethodDescriptorType, *SLOTS)
C_FIELD = type(ctypes.wintypes.POINT.x)  # the type of the descriptors that ctypes makes of `_fields_`
# What Python makes of a class statement: its place, its texts and annotations, caches.
OF_A_CLASS_STATEMENT = frozenset(
    {
        *("__module__", "__qualname__", "__doc__", "__dict__", "__weakref__", "__annotations__", "__annotate__"),
        *("__annotate_func__", "__annotations_cache__", "__firstlineno__", "__static_attributes__"),
        *("__abstractmethods__", "_abc_impl", "__parameters__", "__orig_bases__"),
        *("__classcell__", "__conditional_annotations__", "__type_params__", "__slotnames__"),
        "_value2member_map_",  # of an enumeration, in which a Flag notes the combinations that were made
    }
)
WEAK = (weakref.WeakKeyDictionary, weakref.WeakValueDictionary, weakref.WeakSet)


class CodeDigester(DigestLedger):
    """Digests of functions, classes and modules, and of what they use."""

    def named(self, value: Any, kind: type) -> bytes | None:
        """Return the digest of a function, a class or what wraps one; None for any other object."""
        if value.__class__ is not kind and hasattr(value, "__wrapped__"):  # wrapt's decorators pass for what they wrap
            return combine("proxy", *map(self.of, (kind, value.__wrapped__, _own_state_of_proxy(value))))
        if isinstance(value, type):
            return self._class(value)
        if isinstance(value, types.FunctionType):
            return self._function(value)
        if isinstance(value, types.MethodType):
            function = value.__func__
            is_of_class = getattr(getattr(value.__self__, function.__name__, None), "__func__", None) is function
            return combine("method", self.of(value.__self__), function.__name__ if is_of_class else self.of(function))
        if isinstance(value, (property, functools.cached_property)):
            functions = (value.fget, value.fset, value.fdel) if isinstance(value, property) else (value.func,)
            return combine(kind.__name__, *map(self._method, functions))
        if isinstance(value, functools.singledispatchmethod):
            return combine(kind.__name__, self._method(value.func), self.of(value.dispatcher))
        if isinstance(value, (staticmethod, classmethod)):
            return combine(kind.__name__, self._method(value.__func__))
        if isinstance(value, OF_A_CLASS):
            return combine("member", self.of(value.__objclass__), value.__name__)
        module, name = getattr(value, "__module__", None), getattr(value, "__qualname__", None)
        if isinstance(value, (types.BuiltinFunctionType, types.MethodWrapperType)):
            owner = value.__self__
            if owner is not None and not isinstance(owner, types.ModuleType):
                return combine("builtin", self.of(owner), value.__name__)
            module = module or "builtins"
        if isinstance(module, str) and isinstance(name, str) and found_in(module, name) is value:
            if is_library(module):
                self.note(module)
                return combine("named", module, name)
            if compiled_file(module):
                return combine("compiled", self._compiled(module), name)
        # A partial holds more than what it may name as wrapped; a cache, or Numba's compiled function, does not.
        is_partial = isinstance(value, functools.partial)
        if hasattr(value, "__wrapped__") and is_library(kind.__module__) and not is_partial:
            options = getattr(value, "targetoptions", None)
            return combine("wrapper", self.of(kind), self.of(value.__wrapped__), self.of(options))
        return None

    def _class(self, kind: type) -> bytes:
        if is_library(kind.__module__) and found_in(kind.__module__, kind.__qualname__) is kind:
            for base in kind.__mro__:
                self.note(base.__module__)
            return combine("class", kind.__module__, kind.__qualname__, *map(self.of, _registered_with(kind)))
        return combine("class", self._of_users(id(kind), kind, kind.__name__, lambda: self._class_body(kind)))

    def _class_body(self, kind: type) -> bytes:
        parts = [self.of(type(kind)), *map(self.of, kind.__bases__), self._compiled(kind.__module__)]
        parts += [*map(self.of, _registered_with(kind)), combine(*_data_of(kind))]
        for name, value in sorted(vars(kind).items()):
            if name in OF_A_CLASS_STATEMENT or (name.startswith("__pydantic_") and name != "__pydantic_fields__"):
                continue
            if name == "__hash__" and _is_made_by_attrs(value):
                continue
            try:
                with self._within(f"`{name}` of the class `{kind.__name__}`"):
                    parts.append(combine(name, b"" if isinstance(value, (*SLOTS, C_FIELD)) else self._method(value)))
            except InputError:
                if not (name.startswith("__") and name.endswith("__")):
                    raise  # else it is what a library has made of the class, pydantic's validator say
        return combine(*parts)

    def _method(self, value: Any) -> bytes:
        """Return the digest of what a class holds; its functions are part of its own code."""
        if type(value) is types.FunctionType and not is_library(value.__globals__.get("__name__")):
            return self._function_body(value)
        return self.of(value)

    def _function(self, function: types.FunctionType) -> bytes:
        if is_library(function.__globals__.get("__name__")):
            return self._library_function(function)
        name = function.__qualname__.rpartition("<locals>.")[2]
        return combine("function", self._of_users(id(function), function, name, lambda: self._function_body(function)))

    def _library_function(self, function: types.FunctionType) -> bytes:
        module, name = function.__module__, function.__qualname__
        if is_library(module) and found_in(module, name) is function:
            self.note(module)
            return combine("named", module, name)
        # A library has made it, mostly around a function of the user.
        self.note(function.__globals__["__name__"])
        if isinstance(
            registry := getattr(function, "registry", None), types.MappingProxyType
        ):  # functools.singledispatch
            return combine("dispatch", self.of(registry))
        parts = [self.of(function.__defaults__), self.of(function.__kwdefaults__), self.of(dict(vars(function)))]
        for name, content in _cells(function):
            parts.append(combine(name, b"" if isinstance(content, WEAK) else self.of(content)))
        return combine("made by", function.__globals__["__name__"], function.__code__.co_name, *parts)

    def _function_body(self, function: types.FunctionType) -> bytes:
        used = used_by(function.__code__)
        parts = [self.of(function.__code__), self.of(function.__defaults__), self.of(function.__kwdefaults__)]
        parts.append(self.of(dict(vars(function))))
        for name, content in _cells(function):
            parts.append(combine(name, self._used(name, content, used, id(function))))
        scope = function.__globals__
        asked = used.names | _code_in(scope) if asks_for_anything(used) else used.names
        for name in sorted(asked - OF_A_MODULE):
            if name in scope:
                parts.append(combine(name, self._used(name, scope[name], used, id(scope))))
        for name, level, names in used.imports:
            within = None if name in used.handed_on else used
            parts.append(self._imported(absolute_name(name, level, scope.get("__package__")), names, within))
        parts.append(self._compiled(scope.get("__name__")))
        return combine(*parts)

    def _used(self, name: str, value: Any, used: Used | None, scope: int, seen: set[int] | None = None) -> bytes:
        """Return the digest of what the user's code finds under a name."""
        if isinstance(value, types.ModuleType):
            handed_on = used is not None and name in used.handed_on
            return self.module(value, None if handed_on else used, set() if seen is None else seen)
        if value is os.environ:  # another one in each process; its variables are read where they matter
            return combine("environment")
        user = self._users[-1] if self._users else name
        with self._within(f"`{name}`, which `{user}` uses,"):
            if isinstance(value, NAMED_TYPES):
                return self.of(value)
            label = f"the value of `{name}`, which `{user}` uses"
            return self._kept((scope, name), value, label, lambda: self.of(value)).encode()

    def module(self, module: types.ModuleType, used: Used | None, seen: set[int]) -> bytes:
        """Return the digest of what the user's code takes out of a module; with None for `used`, of all that is in it.

        Which attributes are asked of a module that is handed on as a value, nobody can tell.
        """
        if is_library(module.__name__):
            self.note(module.__name__)
            return combine("module", module.__name__)
        if id(module) in seen:
            return combine("module again")
        seen.add(id(module))
        found = vars(module)
        parts = [self._compiled(module.__name__)]
        asked = set(found) if used is None else (used.attributes | {"__getattr__"}) & set(found)
        for name in sorted(asked - OF_A_MODULE):
            parts.append(combine(name, self._used(name, found[name], used, id(module), seen)))
        return combine("module", *parts)

    def _imported(self, name: str | None, names: tuple[str, ...], used: Used | None) -> bytes:
        """Return the digest of what a function imports when it is called."""
        if name is None:
            return combine("no module")
        if is_library(name):
            self.note(name)
            return combine("module", name)
        try:
            importlib.import_module(name)
            module = importlib.__import__(name, fromlist=names)
        except (Exception, SystemExit):  # as it may be meant, where one of several modules is tried
            return combine("no module", name)
        return self.module(module, used, set())

    def _compiled(self, module: str | None) -> bytes:
        """Return the digest of a user's module of machine code and of the user's code that it imports; else none."""
        file = None if is_library(module) else compiled_file(module or "")
        if module is None or file is None:
            return b""
        label = f"what `{module}` imports"
        imported = self._kept(("compiled", module), module, label, lambda: self._imported_by_compiled(module))
        return combine(hashlib.sha256(file.read_bytes()).digest(), imported)

    def _imported_by_compiled(self, module: str) -> bytes:
        """Return the digest of all of the user's code that is imported: machine code does not show what it uses."""
        parts = []
        for name, value in sorted(getattr(sys.modules.get(module), "__dict__", {}).items()):
            if isinstance(value, types.ModuleType):
                if not is_library(value.__name__):
                    own = {own: one for own, one in vars(value).items() if own not in OF_A_MODULE}
                    of = functools.partial(self._used, used=None, scope=id(value), seen={id(value)})
                    parts.append(combine(name, self._compiled(value.__name__), self._by_name(own, of)))
            elif isinstance(value, CODE_TYPES) and value.__module__ != module and not is_library(value.__module__):
                parts.append(combine(name, self.of(value)))
        return combine(*parts)

    def _by_name(self, values: Mapping[str, Any], of: Callable[[str, Any], bytes]) -> bytes:
        """Return the digest of named values; a value without a digest, such as a lock, counts by its name alone."""
        parts = []
        for name, value in sorted(values.items()):
            try:
                parts.append(combine(name, of(name, value)))
            except InputError:
                parts.append(combine(name))
        return combine(*parts)


def _is_made_by_attrs(value: Any) -> bool:
    """Return whether a method is of attrs: its ``__hash__`` holds the hash of a text, another one in each process."""
    code = getattr(value, "__code__", None)
    return code is not None and code.co_filename.startswith("<attrs generated")


def _data_of(kind: type) -> list[str]:
    """Return the names of a class's attributes in order, which code may go through; a method may be moved."""
    return [
        name
        for name, value in vars(kind).items()
        if not hasattr(type(value), "__get__") and not (name.startswith("__") and name.endswith("__"))
    ]


def _registered_with(kind: type) -> list[type]:
    """Return the classes that `register` has made subclasses of an abstract one; of a library's, the user's alone."""
    if not isinstance(kind, abc.ABCMeta):
        return []
    known = [one for one in (reference() for reference in abc._get_dump(kind)[0]) if one is not None]  # type: ignore[attr-defined]
    is_own = not is_library(kind.__module__)
    kept = [one for one in known if is_own or not is_library(one.__module__)]
    return sorted(kept, key=lambda one: (one.__module__, one.__qualname__))


def _own_state_of_proxy(proxy: Any) -> dict[str, Any]:
    """Return what a proxy of wrapt holds beside what it wraps, whose attributes it shows as its own."""
    held = {name: getattr(proxy, name, None) for name in ("_self_wrapper", "_self_enabled")}
    found = gc.get_referents(proxy)  # the state of a proxy in C, which shows the dict of what it wraps as its own
    with suppress(AttributeError):
        found.append(object.__getattribute__(proxy, "__dict__"))  # and of one in Python, from 3.13 on
    for own in found:
        if type(own) is dict and own is not proxy.__wrapped__:
            held |= {name: one for name, one in own.items() if str(name).startswith("_self_")}
    return held


def _code_in(scope: Mapping[str, Any]) -> set[str]:
    """Return the names of the user's functions and classes among globals."""
    return {name for name, value in scope.items() if isinstance(value, CODE_TYPES) and not is_library(value.__module__)}


def _cells(function: types.FunctionType) -> Iterator[tuple[str, Any]]:
    """Yield the variables that a function has of those around it."""
    for name, cell in zip(function.__code__.co_freevars, function.__closure__ or ()):
        try:
            yield name, cell.cell_contents
        except ValueError:  # not yet assigned
            continue


def found_in(module: str, name: str) -> Any:
    """Return what a module has under a dotted name, or None."""
    found: Any = sys.modules.get(module)
    try:
        for part in name.split("."):
            found = getattr(found, part, None)
    except Exception:  # of a module's own ``__getattr__``, which may import a missing module
        return None
    return found


def module_of(value: Any, name: str) -> str:
    """Return the module in which a global lies, as pickle looks for it; a module that raises does not have it."""
    named = getattr(value, "__module__", None)
    if named is not None:
        return str(named)
    modules = (module for module in sys.modules.copy() if module not in ("__main__", "__mp_main__"))
    return next((module for module in modules if found_in(module, name) is value), "__main__")
