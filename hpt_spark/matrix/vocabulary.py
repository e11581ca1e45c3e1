"""The vocabulary of a block: its terms in the order of their columns."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc


@dataclass(frozen=True)
class Vocabulary:
    """The terms of a block, each at its number: a bijection between terms and 0 .. n - 1."""

    block: str
    terms: tuple[str, ...]  # in order, each once

    @classmethod
    def of(cls, block: str, terms: Sequence[str], numeric: bool) -> Vocabulary:
        """Return the vocabulary of distinct `terms`, ordered by value if `numeric`, else by code point."""
        return cls(block, tuple(sorted(terms, key=int if numeric else None)))

    def __len__(self) -> int:
        return len(self.terms)

    def numbers(self, terms: pa.Array) -> np.ndarray:
        """Return the number of each of `terms`; -1 where a term is not in the vocabulary."""
        return places_among(self._arrow_terms, terms)

    @cached_property
    def _arrow_terms(self) -> pa.Array:
        return pa.array(self.terms, pa.string())


def places_among(known: pa.Array, values: pa.Array) -> np.ndarray:
    """Return the position of each value in `known` as int32; -1 where it is absent."""
    found = pc.index_in(values, value_set=known)
    return pc.fill_null(found, -1).to_numpy(zero_copy_only=False).astype(np.int32, copy=False)


def codes_of(values: pa.Array) -> tuple[np.ndarray, list[Any]]:
    """Return int32 codes and the distinct values, like ``pandas.factorize(sort=True)``; texts go by code point."""
    encoded = values.dictionary_encode()
    order = pc.sort_indices(encoded.dictionary).to_numpy()
    places = np.argsort(order).astype(np.int32)
    return places[encoded.indices.to_numpy(zero_copy_only=False)], encoded.dictionary.take(pa.array(order)).to_pylist()
