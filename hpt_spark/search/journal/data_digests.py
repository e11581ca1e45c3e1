"""Digests of arrays, frames and sparse matrices: equal values have equal digests, however memory holds them.

Data are hashed in blocks, in threads, so that no second copy of a large matrix is ever made: what
lies in memory in the canonical order is hashed where it lies, anything else is copied block by block.
"""

from __future__ import annotations

import hashlib
import io
import os
import pickle
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import groupby
from typing import Any

import numpy as np

# Small beside the processor's last cache, large beside the cost of a Python call.
BLOCK_BYTES = 4 << 20
BLOCK_VALUES = BLOCK_BYTES // 8

PRIMITIVES = frozenset({type(None), bool, int, float, complex, str, bytes})

Of = Callable[[Any], bytes]


def combine(*parts: bytes | str) -> bytes:
    """Return one digest of several texts and digests, each told apart from its neighbours."""
    found = hashlib.sha256()
    for part in parts:
        content = part.encode("utf-8", "surrogatepass") if isinstance(part, str) else part
        found.update(len(content).to_bytes(8, "little"))
        found.update(content)
    return found.digest()


def primitives_digest(values: Sequence[Any]) -> bytes:
    """Return a digest of values whose types are all in `PRIMITIVES`."""
    buffer = io.BytesIO()
    pickler = pickle.Pickler(buffer, protocol=3)
    pickler.fast = True  # without its memo, which tells equal texts from identical ones
    pickler.dump(list(values))
    return hashlib.sha256(buffer.getbuffer()).digest()


def array_digest(array: np.ndarray, of: Of) -> bytes:
    """Return a digest of the shape, dtype and values of `array`, of Python objects by the digests that `of` returns."""
    about = f"{array.dtype.newbyteorder('=')!r} {array.shape}"
    if array.dtype.names is not None:  # what lies between the fields has no meaning
        return combine(about, *(array_digest(array[name], of) for name in array.dtype.names))
    if _holds_objects(array.dtype):
        return combine(about, *(_objects_digest(block.astype(object), of) for block in _blocks(array)))
    return combine(about, *_in_threads(_block_digest, _blocks(array)))


def masked_digest(array: np.ma.MaskedArray, of: Of) -> bytes:
    """Return a digest of a masked array; what lies under the mask has no meaning."""
    mask = np.ma.getmaskarray(array)
    values = np.ma.getdata(array).copy()
    values[mask] = np.zeros((), values.dtype)
    return combine("masked", array_digest(values, of), array_digest(mask, of), of(array.fill_value))


def sparse_digest(matrix: Any, of: Of) -> bytes:
    """Return a digest of the format, shape and stored values of a SciPy matrix, sorted or not."""
    about = f"{type(matrix).__name__} {matrix.format} {matrix.shape} {matrix.dtype!r}"
    if matrix.format not in ("csr", "csc"):
        matrix = matrix.tocsr()
    ends = matrix.indptr
    lines = np.searchsorted(ends, np.arange(BLOCK_VALUES, int(ends[-1]), BLOCK_VALUES))
    bounds = np.unique(np.concatenate(([0], lines, [len(ends) - 1])))
    of_index = np.int32 if max(matrix.shape) <= np.iinfo(np.int32).max else np.int64

    def line_block(bound: tuple[int, int]) -> bytes:
        first, last = bound
        within = slice(int(ends[first]), int(ends[last]))
        indices, data = matrix.indices[within].astype(of_index, copy=False), matrix.data[within]
        starts = ends[first : last + 1] - ends[first]
        if not _is_sorted(indices, starts):
            lines_of = np.repeat(np.arange(last - first), np.diff(starts))
            order = np.lexsort((indices, lines_of))
            indices, data = indices[order], data[order]
        return combine(_block_digest(indices), _block_digest(data))

    blocks = _in_threads(line_block, list(zip(bounds[:-1].tolist(), bounds[1:].tolist())))
    return combine(about, array_digest(ends.astype(np.int64, copy=False), of), *blocks)


def _is_sorted(indices: np.ndarray, starts: np.ndarray) -> bool:
    """Return whether the indices ascend within each line, of which `starts` has the places."""
    falls = indices[1:] < indices[:-1]
    inner = starts[(starts > 0) & (starts < len(indices))]
    falls[inner - 1] = False
    return not falls.any()


def frame_digest(frame: Any, of: Of) -> bytes:
    """Return a digest of a pandas DataFrame by column names, dtypes, values and index.

    Neighbouring columns of one NumPy dtype are hashed together, row by row, so that it does not count
    which of them pandas holds in one block.
    """
    parts = [of(list(frame.columns)), of(list(frame.columns.names)), index_digest(frame.index, of)]
    at = 0
    for dtype, group in groupby(frame.dtypes):
        width = len(list(group))
        columns = frame.iloc[:, at : at + width]
        at += width
        if isinstance(dtype, np.dtype) and dtype.kind in "biufc":
            height = max(1, BLOCK_BYTES // (dtype.itemsize * width))
            pieces = [columns.iloc[i : i + height] for i in range(0, len(frame), height)]
            blocks = _in_threads(lambda piece: _block_digest(piece.to_numpy()), pieces)
            parts.append(combine(f"{dtype} {columns.shape}", *blocks))
        else:
            parts.extend(column_digest(columns.iloc[:, i], of) for i in range(width))
    return combine("frame", *parts)


def series_digest(series: Any, of: Of) -> bytes:
    """Return a digest of a pandas Series by name, dtype, values and index."""
    return combine("series", of(series.name), index_digest(series.index, of), column_digest(series, of))


def index_digest(index: Any, of: Of) -> bytes:
    """Return a digest of a pandas Index by names, dtype and values; a range equals the numbers that it stands for."""
    names = of(list(index.names))
    if index.nlevels > 1:
        levels = (column_digest(index.get_level_values(level), of) for level in range(index.nlevels))
        return combine("levels", names, *levels)
    if isinstance(getattr(index, "step", None), int):  # a RangeIndex would keep its numbers, once it has made them
        pieces = (index[i : i + BLOCK_VALUES].to_numpy() for i in range(0, max(1, len(index)), BLOCK_VALUES))
        return combine("index", names, combine(f"{index.dtype!r} {index.shape}", *map(_block_digest, pieces)))
    return combine("index", names, column_digest(index, of))


def column_digest(column: Any, of: Of) -> bytes:
    """Return a digest of the dtype and values of a pandas Series, Index or array; of its mask and categories, too."""
    import pandas as pd

    if isinstance(column.dtype, np.dtype):
        return array_digest(column.to_numpy(), of)
    array = getattr(column, "array", column)
    about = f"{array.dtype} {len(array)}"
    if isinstance(array, pd.arrays.SparseArray):
        indices = array.sp_index.to_int_index().indices
        return combine(about, of(array.fill_value), array_digest(np.asarray(array.sp_values), of), of(indices))
    if isinstance(array, pd.Categorical):
        about = f"category {array.ordered} {len(array)}"
        return combine(about, index_digest(array.categories, of), array_digest(np.asarray(array.codes), of))
    if isinstance(array, pd.arrays.IntervalArray):
        return combine(about, index_digest(array.left, of), index_digest(array.right, of))
    pieces = [array[i : i + BLOCK_VALUES] for i in range(0, len(array), BLOCK_VALUES)]
    if isinstance(array, (pd.arrays.IntegerArray, pd.arrays.FloatingArray, pd.arrays.BooleanArray)):
        numbers = array.dtype.numpy_dtype

        def masked(piece: Any) -> bytes:
            values = piece.to_numpy(dtype=numbers, na_value=numbers.type(0))
            return combine(_block_digest(np.asarray(piece.isna())), _block_digest(values))

        return combine(about, *_in_threads(masked, pieces))
    if isinstance(array, (pd.arrays.DatetimeArray, pd.arrays.TimedeltaArray, pd.arrays.PeriodArray)):
        return combine(about, *_in_threads(lambda piece: _block_digest(piece.asi8), pieces))
    return combine(about, *(_objects_digest(np.asarray(piece, dtype=object), of) for piece in pieces))


def _blocks(array: np.ndarray) -> list[np.ndarray]:
    """Return `array` in blocks along its first axes; they depend on its shape and dtype alone."""
    if array.nbytes <= BLOCK_BYTES or array.ndim == 0:
        return [array]
    row = array.nbytes // len(array)
    if row > BLOCK_BYTES and array.ndim > 1:
        return [block for one in array for block in _blocks(one)]
    height = max(1, BLOCK_BYTES // row)
    return [array[i : i + height] for i in range(0, len(array), height)]


def _block_digest(block: np.ndarray) -> bytes:
    """Return a digest of the values of a block in C order and in this machine's order of bytes."""
    block = block.astype(block.dtype.newbyteorder("="), copy=False)
    if block.dtype.kind in "fc" and block.dtype.itemsize not in (2, 4, 8, 16 if block.dtype.kind == "c" else 8):
        return combine(*map(_block_digest, _halves(block)))
    if block.dtype.kind == "V" and block.dtype.names is None and block.dtype.subdtype is None:
        return hashlib.sha256(block.tobytes()).digest()
    return hashlib.sha256(np.ascontiguousarray(block).reshape(-1).view(np.uint8).data).digest()


def _halves(block: np.ndarray) -> list[np.ndarray]:
    """Return a long double, whose last bytes are padding, as its exponent and two doubles that make up its mantissa."""
    if block.dtype.kind == "c":
        return [*_halves(block.real), *_halves(block.imag)]
    with np.errstate(all="ignore"):
        mantissa, exponent = np.frexp(block)
        high = mantissa.astype(np.float64)
        return [exponent, high, (mantissa - high).astype(np.float64)]


def _holds_objects(dtype: np.dtype) -> bool:
    return dtype.hasobject or dtype.kind == "T"  # NumPy's texts of any length hold pointers, too


def _objects_digest(block: np.ndarray, of: Of) -> bytes:
    values = block.ravel().tolist()
    if set(map(type, values)) <= PRIMITIVES:
        return primitives_digest(values)
    return combine(*map(of, values))


def _in_threads(function: Callable[[Any], bytes], blocks: Sequence[Any]) -> Iterable[bytes]:
    """Return the digests of all blocks; NumPy and hashlib let other threads run while they work."""
    threads = min(
        len(blocks), len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    )
    if threads < 2:
        return [function(block) for block in blocks]
    with ThreadPoolExecutor(threads) as pool:
        return list(pool.map(function, blocks))
