"""The names of a design matrix's columns, and of columns with odd numbers."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from scipy import sparse

LARGEST = float(np.finfo(np.float32).max)


def column_names(columns: Sequence[tuple[str, str]]) -> list[str]:
    """Return the names of columns that are given as pairs of a block and a term."""
    return [f"{block}={term}" if term else block for block, term in columns]


def columns_with(is_odd: Callable[[np.ndarray], np.ndarray], X: Any, columns: Sequence[tuple[str, str]]) -> list[str]:
    """Return the names of the columns, in order, in which a stored number `is_odd`, by a mask of an array of them."""
    if sparse.issparse(X):
        cells = X.tocoo()
        places = np.unique(cells.col[is_odd(cells.data)])
    else:
        places = np.flatnonzero(is_odd(X).any(axis=0))
    names = column_names(columns)
    return [names[place] for place in places]
