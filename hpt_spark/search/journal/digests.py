"""Digests of objects by what they are: the same in another process, whatever its hash seed or memory layout.

Data go by values (`data_digests`), functions and classes by what they do or by their library's
release (`code_digests`), other objects by class and attributes.
"""

from __future__ import annotations

import copyreg
import ctypes
import enum
import functools
import inspect
import sys
import types
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from scipy import sparse
from sklearn.base import BaseEstimator, clone
from sklearn.utils import check_random_state

from hpt_spark.errors import InputError
from hpt_spark.search.installed import is_library
from hpt_spark.search.journal import data_digests
from hpt_spark.search.journal.bytecode import behaviour
from hpt_spark.search.journal.code_digests import CodeDigester, found_in, module_of
from hpt_spark.search.journal.data_digests import PRIMITIVES, combine, primitives_digest
from hpt_spark.search.journal.digest_ledger import OF_PARAMETER

# Texts for people that `functools.update_wrapper` copies into an object around a function.
WRAPPER_METADATA = frozenset({"__doc__", "__annotations__", "__annotate__", "__type_params__"})
# scikit-learn's vectorizers know the list of words that they have warned of by its id; attrs keeps a hash.
PER_PROCESS_ATTRIBUTES = frozenset({"_stop_words_id", "_attrs_cached_hash"})


class Digester(CodeDigester):
    """Digests of the parts of one search, and of the user's code that they use."""

    def __init__(self) -> None:
        super().__init__()
        self._memo: dict[tuple[int, bool, bool], tuple[Any, bytes]] = {}
        self._open: dict[int, int] = {}

    def digest(self, what: str, value: Any, uses: str = "uses", cloned: bool = False) -> str:
        """Return a digest of a part of the search.

        Parameters
        ----------
        what, uses : str
            The part in the words of a message: "scorer", which "uses" a function.
        value : object
        cloned : bool
            Whether estimators are cloned before they are used, so that only their parameters count.

        Raises
        ------
        InputError
            When `value` holds something that cannot be compared with another process's.
        """
        self._root = (what, uses)
        try:
            with self._as(cloned, True):
                return self.of(value).hex()
        except RecursionError:
            raise InputError(
                f"the journal cannot record the {what}: it holds objects within objects, too many for Python to go "
                "through; keep them in a list, or search without a journal."
            ) from None

    def of(self, value: Any) -> bytes:
        """Return the digest of any object."""
        kind = type(value)
        if kind in PRIMITIVES:
            return primitives_digest([value])
        if kind in (list, tuple) and set(map(type, value)) <= PRIMITIVES:
            return combine(kind.__name__, primitives_digest(value))
        key = (id(value), self._cloned, self._ordered)
        if key in self._memo:
            return self._memo[key][1]
        if id(value) in self._open:
            return combine("holds itself", str(len(self._open) - self._open[id(value)]))
        self._open[id(value)] = len(self._open)
        try:
            found = self._of_object(value, kind)
        finally:
            del self._open[id(value)]
        self._memo[key] = (value, found)  # the object too: its id must stay its own
        return found

    def _of_object(self, value: Any, kind: type) -> bytes:
        if kind in (list, tuple):
            return combine(kind.__name__, *map(self.of, value))
        if kind in (dict, types.MappingProxyType):
            return self._mapping(value)
        if kind in (set, frozenset):
            return combine(kind.__name__, *sorted(map(self.of, value)))
        if kind is bytearray:
            return combine("bytearray", bytes(value))
        if self._cloned and hasattr(value, "get_params") and not isinstance(value, type):
            return self._estimator(value)
        # clone() deep-copies all else, so that fitted state counts.
        with self._as(False, self._ordered or not is_library(kind.__module__)):
            return self._copied(value, kind)

    def _copied(self, value: Any, kind: type) -> bytes:
        if isinstance(value, (np.ndarray, np.generic)):
            return self._array(value, kind)
        if sparse.issparse(value):
            return data_digests.sparse_digest(value, self.of)
        if isinstance(value, types.CodeType):
            return combine("code", self.of(behaviour(value)))
        if isinstance(value, types.ModuleType):
            return self.module(value, None, set())
        return self._pandas(value) or self.named(value, kind) or self._instance(value, kind)

    def _mapping(self, value: Mapping[Any, Any]) -> bytes:
        """Return the digest of a dict; its order counts wherever the user's own code may go through it."""
        pairs = []
        for key, item in _without_wrapper_metadata(value):
            with self._within(f"the parameter `{key}`" if isinstance(key, str) and self._cloned else None):
                pairs.append(combine(self.of(key), self.of(item)))
        return combine("dict", *(pairs if self._ordered else sorted(pairs)))

    def _array(self, value: Any, kind: type) -> bytes:
        if isinstance(value, np.ma.MaskedArray):
            return data_digests.masked_digest(value, self.of)
        found = data_digests.array_digest(np.asarray(value), self.of)
        if kind in (np.ndarray, np.memmap):  # where it lies is not what it is
            return combine("array", found)
        own = getattr(value, "__dict__", None)
        return combine("array of", self.of(kind), found, *([self.of(own)] if own else []))

    def _pandas(self, value: Any) -> bytes | None:
        pandas = sys.modules.get("pandas")
        if pandas is None or not isinstance(
            value, (pandas.DataFrame, pandas.Series, pandas.Index, pandas.api.extensions.ExtensionArray)
        ):
            return None
        self.note("pandas")
        of_kind = self.of(type(value)) if not isinstance(value, pandas.Index) else b""
        if isinstance(value, (pandas.DataFrame, pandas.Series)):
            digest = data_digests.frame_digest if isinstance(value, pandas.DataFrame) else data_digests.series_digest
            attrs = [self._attribute(value, "attrs", value.attrs)] if value.attrs else []
            # What a subclass declares to pandas as its own; a Series so declares its name.
            own = [name for name in value._metadata if name not in ("name", "_name")]
            attrs += [self._attribute(value, name, getattr(value, name, None)) for name in own]
            return combine(of_kind, digest(value, self.of), *attrs)
        if isinstance(value, pandas.Index):
            return data_digests.index_digest(value, self.of)
        return combine(of_kind, data_digests.column_digest(value, self.of))

    def _estimator(self, value: Any) -> bytes:
        """Return the digest of what makes a clone of an estimator: its parameters, and what cloning carries over."""
        own_clone = getattr(type(value), "__sklearn_clone__", None)
        if own_clone not in (None, BaseEstimator.__sklearn_clone__):
            with self._as(False, self._ordered):
                return self._instance(value, type(value))
        copied = clone(value)
        params = copied.get_params(deep=False)
        made_by_constructor = getattr(type(value)(**params), "__dict__", {})
        carried_over = {k: v for k, v in getattr(copied, "__dict__", {}).items() if k not in made_by_constructor}
        if is_library(type(value).__module__):
            params.pop("memory", None)  # where scikit-learn's pipelines keep what they have fitted
        # A library's estimator looks class weights up by their keys; a function of the user's may go through a dict.
        is_own = not is_library(type(value).__module__)
        ordered = is_own or any(map(callable, params.values()))
        with self._as(True, ordered):
            names = params if is_own and _takes_any_name(type(value)) else sorted(params)
            parts = [combine(name, self._parameter(value, name, params[name])) for name in names]
        return combine("estimator", self.of(type(value)), self.of(carried_over), *parts)

    def _parameter(self, estimator: Any, name: str, value: Any) -> bytes:
        found = self._attribute(estimator, name, value)
        self.parameters.setdefault(f"{OF_PARAMETER}{name}` of a {type(estimator).__name__}", []).append(found)
        return found

    def _instance(self, value: Any, kind: type) -> bytes:
        """Return the digest of an object as pickle takes it apart."""
        if value is check_random_state(None):
            return combine("NumPy's own generator")
        stats = sys.modules.get("scipy.stats")
        if stats is not None and isinstance(value, stats.distributions.rv_frozen):
            # It holds a copy of NumPy's own generator, once it was cloned; a search draws with its random_state.
            shape = {name: one for name, one in value.dist.__getstate__().items() if name != "_random_state"}
            parts = [type(value.dist), shape, value.args, value.kwds]
            return combine("distribution", *map(self.of, parts))
        if isinstance(value, ctypes.CDLL):  # it holds the address at which this process has it
            return combine("shared library", self.of(kind), *map(self.of, _of_shared_library(value)))
        if isinstance(value, enum.Enum):  # pickle looks it up by its value, and leaves out what else it holds
            return combine("member", self.of(kind), self.of(_without_caches(value)))
        if hasattr(value, "__array__") and not hasattr(value, "columns") and is_library(kind.__module__):
            try:
                array = np.asarray(value)
            except Exception:  # of the library: it lies on another device, say
                raise self._without_digest(value) from None
            return combine("array of", self.of(kind), self.of(array))
        reducer = copyreg.dispatch_table.get(kind)
        try:
            reduced = reducer(value) if reducer else value.__reduce_ex__(4)
        except Exception:  # whatever its own code raises
            raise self._without_digest(value) from None
        if isinstance(reduced, str):
            module = module_of(value, reduced)
            if found_in(module, reduced) is not value:
                raise self._without_digest(value)
            self.note(module)
            if is_library(kind.__module__):
                return combine("global", module, reduced)
            # It is pickled by its name mostly because it holds what cannot be pickled, a lock say.
            own = self._by_name(getattr(value, "__dict__", {}), lambda name, one: self._attribute(value, name, one))
            return combine("global", module, reduced, self.of(kind), own)
        maker, args, state, items, pairs = (*reduced, None, None, None, None)[:5]
        parts = [self.of(maker), self.of(args)]
        if type(state) is dict:
            told = list(_without_wrapper_metadata(_without_scratch(value, state)))
            # The user's own code may go through ``vars(self)``; a cache has its place there by its first use.
            anywhere = state.keys() if is_library(kind.__module__) else _caches_of(kind)
            told.sort(key=lambda pair: str(pair[0]) if pair[0] in anywhere else "")
            parts += [
                combine(self.of(k), self._attribute(value, k, one))
                for k, one in told
                if k not in PER_PROCESS_ATTRIBUTES
            ]
        else:
            parts.append(self.of(state))
        parts.append(combine(*map(self.of, items or ())))
        parts.append(combine(*(combine(self.of(key), self.of(item)) for key, item in pairs or ())))
        return combine("object", *parts)

    def _attribute(self, owner: Any, name: Any, value: Any) -> bytes:
        with self._within(f"`{name}` of a {type(owner).__name__}"):
            return self.of(value)

    def _without_digest(self, value: Any) -> InputError:
        kind = type(value)
        name = kind.__name__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__qualname__}"
        place = self._at[-1] if self._at else "it"
        instead = "give a list or an array instead" if hasattr(value, "__next__") else "make it where it is used"
        return InputError(
            f"the journal cannot record the {self._root[0]}: {place} is a {name}, which cannot be compared with that "
            f"of another run; {instead}, or search without a journal."
        )


def _takes_any_name(kind: type) -> bool:
    """Return whether the constructor of an estimator takes ``**``, so that it may depend on their order."""
    try:
        taken = inspect.signature(kind.__init__, follow_wrapped=False).parameters.values()  # type: ignore[misc]
    except (TypeError, ValueError):
        return True
    return any(one.kind is inspect.Parameter.VAR_KEYWORD for one in taken)


def _without_caches(member: enum.Enum) -> dict[str, Any]:
    """Return what a member of an enumeration holds, but for what a use of it leaves there."""
    left = {*_caches_of(type(member)), "_inverted_"}
    return {name: one for name, one in vars(member).items() if name not in left}


def _caches_of(kind: type) -> set[str]:
    """Return the names of the attributes that an object computes at their first use."""
    scopes = map(vars, kind.__mro__)
    return {name for scope in scopes for name, one in scope.items() if isinstance(one, functools.cached_property)}


def _of_shared_library(library: ctypes.CDLL) -> tuple[Any, ...]:
    """Return the name of a shared library, its content where it is a file, and its functions' declarations."""
    functions = {name: one for name, one in sorted(vars(library).items()) if isinstance(one, library._FuncPtr)}
    declarations = {name: (one.restype, one.argtypes, one.errcheck) for name, one in functions.items()}
    declared = {name: one for name, one in declarations.items() if one != (ctypes.c_int, None, None)}
    file = Path(library._name or "")
    return library._name, file.read_bytes() if file.is_file() else None, declared


def _without_scratch(value: Any, state: dict[str, Any]) -> dict[str, Any]:
    """Return the state of an object; of a spline of FITPACK's without the memory in which it was computed."""
    interpolate = sys.modules.get("scipy.interpolate")
    if interpolate is None or not isinstance(value, interpolate.UnivariateSpline):
        return state
    data = state.get("_data", ())  # x, y, w, xb, xe, k, s, n, t, c, fp, fpint, nrdata, ier
    if len(data) != 14 or "_eval_args" not in state:  # of a class of the user's with a state of its own
        return state
    return {**state, "_data": (*data[:8], *state["_eval_args"], data[10], data[-1])}


def _without_wrapper_metadata(attributes: Mapping[Any, Any]) -> Iterable[tuple[Any, Any]]:
    """Return the pairs of a dict; where it is that of an object around a function, without the function's texts."""
    if "__wrapped__" not in attributes:
        return attributes.items()
    return [(name, value) for name, value in attributes.items() if name not in WRAPPER_METADATA]
