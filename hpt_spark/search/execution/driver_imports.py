"""The places of the driver's modules, so that the processes of the fits import the same ones."""

from __future__ import annotations

import importlib
import importlib.util
import os
import struct
import sys
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec
from typing import Any

from hpt_spark.search.installed import ALWAYS_LIBRARIES, is_installed_file

STARTED = time.time()
EDITED = (
    "the module {} was edited after the driver had loaded it ({}): load it anew in the driver, by importlib.reload, "
    "or start the driver anew."
)
# When a module's file was written, in whole seconds, and how many bytes it has, as Python notes them.
State = tuple[int, int]
# Of each module the last specification, how often it came anew, and its file as it was loaded.
_loads: dict[str, tuple[ModuleSpec, int, State | None]] = {}


@dataclass(frozen=True)
class DriverImports:
    """The state of the driver's imports when a search begins."""

    # Where its modules come from, in the order of its `sys.path`; None where the workers do not see these places, and
    # have their own.
    path: tuple[str, ...] | None
    prefix: str  # its Python environment
    # The modules that it has loaded and that are not installed: their names, their files, a number that changes when
    # one is loaded anew, by `importlib.reload`, say, and when the file that was loaded was written and its bytes (None
    # where that is no longer known, because it was edited).
    loads: tuple[tuple[str, str, int, State | None], ...]

    @classmethod
    def of_now(cls, is_local: bool) -> DriverImports:
        """Return the imports of this process, for workers of its own machine or of others."""
        path = None
        if is_local:
            # A relative entry means another place to a process that was started elsewhere.
            path = tuple(os.path.abspath(entry) for entry in sys.path if isinstance(entry, str))
        loads = ((name, os.path.abspath(str(spec.origin)), *_load(name, spec)) for name, spec in _own_modules())
        return cls(path, sys.prefix, tuple(loads))

    def take_effect(self) -> None:
        """Let this process import what the driver has imported, and else from where the driver would."""
        own = [entry for entry in sys.path if isinstance(entry, str)]
        driver_s = self.path or ()
        # The driver's order decides which module a name means.
        first, last = (driver_s, own) if self.prefix == sys.prefix else (own, driver_s)
        sys.path[:] = dict.fromkeys([*first, *last])
        if self.path is not None:
            sys.meta_path.insert(0, _LoadedFiles({name: (file, state) for name, file, _, state in self.loads}))
        importlib.invalidate_caches()

    def are_stale_here(self) -> bool:
        """Return whether this process itself has loaded one of these modules, and maybe not as the driver has it."""
        for name, origin, number, _ in self.loads:
            spec = getattr(sys.modules.get(name), "__spec__", None)
            if spec is not None and (
                number or (self.path is not None and spec.origin != origin) or _written(spec.origin) > STARTED
            ):
                return True
        return False


class _LoadedFiles(MetaPathFinder):
    """Finds modules by the files that the driver has loaded them from, whatever ``sys.path`` has come to since.

    Nothing holds the text that the driver has loaded: a file that was edited since is refused.
    """

    def __init__(self, files: Mapping[str, tuple[str, State | None]]) -> None:
        self._files = files

    def find_spec(self, name: str, path: Any = None, target: Any = None) -> ModuleSpec | None:
        file, loaded = self._files.get(name, ("", None))
        if not os.path.isfile(file):
            return None  # not the driver's, or in an archive
        if _state(file) != loaded:
            raise ImportError(EDITED.format(name, file), name=name)
        is_package = os.path.basename(file).startswith("__init__.")
        within = [os.path.dirname(file)] if is_package else None
        return importlib.util.spec_from_file_location(name, file, submodule_search_locations=within)


def _own_modules() -> Iterator[tuple[str, ModuleSpec]]:
    """Yield the loaded modules with a file that no installed package has, this package's left out."""
    for name, module in sorted(sys.modules.copy().items()):
        # Asked by getattr, a lazy module would load itself.
        spec: Any = getattr(module, "__dict__", {}).get("__spec__")
        origin = getattr(spec, "origin", None)
        if not isinstance(origin, str) or not getattr(spec, "has_location", False) or name == "__main__":
            continue
        # Of an installed package a process knows one release for life, as the driver does.
        if name.partition(".")[0] not in ALWAYS_LIBRARIES and not is_installed_file(origin):
            yield name, spec


def _load(name: str, spec: ModuleSpec) -> tuple[int, State | None]:
    """Return a number that changes with each loading, which makes a new specification, and the file that was loaded."""
    last, number, loaded = _loads.get(name, (None, -1, None))
    if last is not spec:
        number, loaded = number + 1, _loaded(spec)
        _loads[name] = (spec, number, loaded)
    return number, loaded


def _loaded(spec: ModuleSpec) -> State | None:
    """Return the state of a module's file as it was loaded; None if it was edited since.

    The file of its bytecode, which Python writes when it loads a new text, holds the state of that text.
    """
    now = _state(str(spec.origin))
    if _written(spec.cached) < STARTED:
        return now
    with open(str(spec.cached), "rb") as file:
        header = file.read(16)
    _, flags, *of_text = struct.unpack("<4sLLL", header.ljust(16))
    return now if flags or tuple(of_text) == now else None


def _state(file: str) -> State | None:
    """Return when a file was written and its bytes, as the header of the bytecode has them; None for none."""
    try:
        found = os.stat(file)
    except OSError:
        return None
    return int(found.st_mtime) & 0xFFFFFFFF, found.st_size & 0xFFFFFFFF


def _written(file: str | None) -> float:
    """Return when a module's file was written; 0 for one in an archive."""
    try:
        return os.stat(file or "").st_mtime
    except OSError:
        return 0.0
