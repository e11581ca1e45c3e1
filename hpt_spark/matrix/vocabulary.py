"""The columns of one block: its terms in order."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc


@dataclass(frozen=True)
class Vocabulary:
    """The terms of a block, each at its number: a bijection between terms and 0 .. n - 1.

    Parameters
    ----------
    block : str
    terms : tuple of str
        In order, each once.
    """

    block: str
    terms: tuple[str, ...]

    @classmethod
    def of(cls, block: str, terms: Sequence[str], numeric: bool) -> Vocabulary:
        """Return the vocabulary of distinct `terms`, ordered by value if `numeric`, else by code point."""
        return cls(block, tuple(sorted(terms, key=int if numeric else None)))

    def __len__(self) -> int:
        return len(self.terms)

    def numbers(self, terms: pa.Array) -> np.ndarray:
        """Return the number of each of `terms`; -1 where a term is not in the vocabulary.

        Returns
        -------
        ndarray of int32, shape (n_terms,)
        """
        found = pc.index_in(terms, value_set=self._arrow_terms)
        return pc.fill_null(found, -1).to_numpy(zero_copy_only=False).astype(np.int32, copy=False)

    @cached_property
    def _arrow_terms(self) -> pa.Array:
        return pa.array(self.terms, pa.string())
