"""The row numbers of all folds, in one array."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np


@dataclass(frozen=True)
class Folds(Sequence[tuple[np.ndarray, np.ndarray]]):
    """A sequence of (train, test), each an array of row numbers.

    Workers map a large array and keep a small one each; thousands of folds as arrays of their own
    would be gigabytes in the workers of a node.
    """

    rows: np.ndarray  # int32 or int64: training and test rows of the first fold, then of the second, and so on
    ends: np.ndarray  # int64, 2 x folds + 1: where each of these parts ends in `rows`, with a zero before

    @classmethod
    def of(cls, folds: Iterable[tuple[Any, Any]], rows: int) -> Folds:
        """Return the folds that a splitter gave: arrays, masks, ranges, slices or lists, over so many rows."""
        parts = [_row_numbers(part, rows) for fold in folds for part in fold]
        dtype = np.int32 if rows <= np.iinfo(np.int32).max else np.int64
        ends = np.cumsum([0, *(len(part) for part in parts)], dtype=np.int64)
        flat = np.empty(ends[-1], dtype)
        for at, part in enumerate(parts):
            flat[ends[at] : ends[at + 1]] = part
        return cls(flat, ends)

    def __len__(self) -> int:
        return (len(self.ends) - 1) // 2

    def __getitem__(self, number: Any) -> Any:
        if not 0 <= number < len(self):
            raise IndexError(number)
        start, middle, end = self.ends[2 * number : 2 * number + 3]
        return self.rows[start:middle], self.rows[middle:end]

    def key(self, number: int) -> bytes:
        """Return a digest of a fold, equal for the same rows in another evaluation."""
        train, test = self[number]
        return hashlib.blake2b(train.tobytes() + b"|" + test.tobytes(), digest_size=16).digest()

    @property
    def most_training_rows(self) -> int:
        """The largest number of training rows of a fold."""
        return int(np.diff(self.ends)[::2].max(initial=0))


def _row_numbers(part: Any, rows: int) -> np.ndarray:
    if isinstance(part, slice):
        return np.arange(rows)[part]
    numbers = np.asarray(part)
    if numbers.dtype == bool:
        if len(numbers) != rows:
            raise IndexError(f"a fold of cv is a mask of {len(numbers):,} rows, but there are {rows:,}")
        return np.flatnonzero(numbers)
    if numbers.size and numbers.dtype.kind not in "iu":
        raise IndexError(f"a fold's rows must be whole numbers or truth values, but cv gave {numbers.dtype}")
    if numbers.size and not -rows <= numbers.min() <= numbers.max() < rows:
        raise IndexError(f"cv gave rows from {numbers.min()} to {numbers.max()}, but there are {rows:,}")
    return numbers
