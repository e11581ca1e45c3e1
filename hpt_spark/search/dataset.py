"""The data of a search: rows, targets, and the parameters of ``fit`` and of the scorer."""

from __future__ import annotations

import pickle
from collections.abc import Iterable, Mapping
from copy import deepcopy
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import cloudpickle
import numpy as np
from scipy import sparse

from hpt_spark.errors import ArgumentError
from hpt_spark.search.sklearn_compat import check_method_params

# Cells of these types cannot be changed, so that two cuts may hold the same ones.
UNCHANGEABLE = (str, bytes, int, float, complex, bool, type(None), np.generic)
PARTS = ("X", "y", "fit_params", "score_params")


@dataclass(frozen=True)
class Dataset:
    """The data of a search, uncut; each fit cuts a fold out of them."""

    # As the user gave them.
    X: Any
    y: Any
    # The arguments of the estimator's `fit` and of the scorer.
    fit_params: Mapping[str, Any]
    score_params: Mapping[str, Any]

    def is_made_of_the_same(self, other: Dataset) -> bool:
        """Return whether `other` holds the very same objects."""

        def parts(data: Dataset) -> list[tuple[str, int]]:
            params = [*data.fit_params.items(), ("", None), *data.score_params.items()]
            return [("X", id(data.X)), ("y", id(data.y)), *((name, id(value)) for name, value in params)]

        return parts(self) == parts(other)

    def refuse_used_up(self) -> None:
        """Raise ArgumentError for a parameter that can be gone through once only, such as a generator."""
        for kind, given in (("fit", self.fit_params), ("score", self.score_params)):
            for name, value in given.items():
                if hasattr(value, "__next__"):
                    raise ArgumentError(
                        f"the {kind} parameter `{name}` is a {type(value).__name__}, which can be gone through once "
                        "only, but every fit needs it; give a list or an array."
                    )

    def for_one_fit(self, with_read_only: bool = False) -> Dataset:
        """Return the data for one fit, which may write into what it cuts of them and no other fit sees it.

        A cut copies its cells. This copies the objects that two cuts would share nevertheless: lists in the cells, and
        parameters that are not cut. With `with_read_only`, for a fit that tried to write there, it copies parameters
        that are mapped read-only, too, which may be large.
        """
        parts = {name: getattr(self, name) for name in PARTS}
        copies = {name: copied(parts[name]) for name in self._shared_by_cuts}
        if with_read_only:
            copies.update({name: deepcopy(parts[name]) for name in ("fit_params", "score_params")})
        return Dataset(**{**parts, **copies}) if copies else self

    @cached_property
    def _shared_by_cuts(self) -> frozenset[str]:
        """The names of the parts of which two cuts may hold the same changeable object."""
        found = {name for name in ("X", "y") if _has_changeable_cells(getattr(self, name))}
        for name in ("fit_params", "score_params"):
            values = getattr(self, name).values()
            if any(_has_changeable_cells(value) or not self._is_cut(value) for value in values):
                found.add(name)
        return frozenset(found)

    def _is_cut(self, value: Any) -> bool:
        """Return whether `value` has a value per row, or nothing in it that could be changed."""
        none = np.empty(0, dtype=int)
        cut = check_method_params(self.X, params={"value": value}, indices=none)["value"]
        return isinstance(value, UNCHANGEABLE) or cut is not value


NO_DATA = Dataset(None, None, {}, {})


def copied(value: Any) -> Any:
    """Return a copy of `value` and of all that it holds, but for read-only arrays, which nobody can change."""
    read_only: list[pickle.PickleBuffer] = []

    def into_the_pickle(buffer: pickle.PickleBuffer) -> bool:
        if buffer.raw().readonly:
            read_only.append(buffer)
        return not buffer.raw().readonly

    return pickle.loads(cloudpickle.dumps(value, protocol=5, buffer_callback=into_the_pickle), buffers=read_only)


def _has_changeable_cells(value: Any) -> bool:
    """Return whether a cut of `value` may share a changeable object with it."""
    if isinstance(value, UNCHANGEABLE) or sparse.issparse(value):
        return False
    if isinstance(value, np.ndarray):
        return value.dtype.hasobject and _are_changeable(value.ravel().tolist())
    if isinstance(value, (list, tuple)):
        return _are_changeable(value)
    if type(value).__module__.partition(".")[0] == "pandas":
        columns = [value] if value.ndim == 1 else [value.iloc[:, at] for at in range(value.shape[1])]
        return any(column.dtype == object and _are_changeable(column) for column in columns)
    return True  # a kind of data that is not known here


def _are_changeable(cells: Iterable[Any]) -> bool:
    return not all(issubclass(kind, UNCHANGEABLE) for kind in set(map(type, cells)))
