"""Random draws that are the same on every platform.

Only two things of a generator are used, uniform doubles and whole 64-bit integers, and a
weight is rounded to a whole number before anything is drawn with it. So the last bit of an
``exp`` or of a matrix product, which differs between processors and libraries, decides nothing.
"""

from __future__ import annotations

from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

Generator = np.random.Generator
Integers = NDArray[np.int64]
Floats = NDArray[np.float64]

_HEAVIEST = 2**24  # the integer of the heaviest weight of a row; the others in proportion, at least 1
_STEPS = 4096
_NORMAL = np.array([round(NormalDist().inv_cdf((step + 0.5) / _STEPS), 6) for step in range(_STEPS)])


def streams(seed: int, names: tuple[str, ...]) -> dict[str, Generator]:
    """Return an independent stream of random numbers for each of `names`."""
    children = np.random.SeedSequence(seed).spawn(len(names))
    return {name: np.random.Generator(np.random.PCG64(child)) for name, child in zip(names, children)}


def below(rng: Generator, bound: int | Integers, size: int) -> Integers:
    """Return `size` whole numbers, each at least 0 and less than its `bound`."""
    return (rng.random(size) * bound).astype(np.int64)


def shuffled(rng: Generator, size: int) -> Integers:
    """Return 0 .. `size` - 1 in random order."""
    return np.argsort(rng.random(size), kind="stable")


def normal(rng: Generator, size: int) -> Floats:
    """Return `size` numbers of a standard normal distribution, taken from a table of its quantiles."""
    return _NORMAL[below(rng, _STEPS, size)]


def unique_ids(rng: Generator, size: int) -> Integers:
    """Return distinct signed 64-bit integers, one in a hundred of which differs from its neighbour in one bit.

    A conversion to float makes one number of such a pair.
    """
    while True:
        ids = rng.integers(-(2**63), 2**63 - 1, size, dtype=np.int64, endpoint=True)
        ids[1::100] = ids[::100][: len(ids[1::100])] ^ 1
        if len(np.unique(ids)) == size:
            return ids


class Weighted:
    """Draws items by `weights`: in each row, how likely each item is, relative to the row's others."""

    def __init__(self, weights: Floats) -> None:
        whole = np.rint(weights / weights.max(axis=1, keepdims=True) * _HEAVIEST).astype(np.int64)
        self._items = weights.shape[1]
        self._ends = np.cumsum(np.maximum(whole, 1))
        row_ends = self._ends[self._items - 1 :: self._items]
        self._row_starts = np.concatenate([[0], row_ends[:-1]])
        self._row_totals = row_ends - self._row_starts

    def draw(self, rng: Generator, rows: Integers) -> Integers:
        """Return for each of `rows` one item."""
        mark = self._row_starts[rows] + below(rng, self._row_totals[rows], len(rows))
        return np.searchsorted(self._ends, mark, side="right") - rows * self._items


def draw_one_row(rng: Generator, weights: Floats, size: int) -> Integers:
    """Return `size` items drawn by the one row of `weights`."""
    return Weighted(weights[np.newaxis, :]).draw(rng, np.zeros(size, np.int64))
