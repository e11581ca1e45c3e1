"""One copy of large arrays per node, mapped into the memory of every process that uses them.

An object is pickled with its large arrays left out of the pickle (protocol 5, PEP 574). The pickle
and the arrays lie one after another in a file that the processes of a node map read-only, so that a
node's page cache holds them once, however many processes there are. What travels with a task is
where they lie.
"""

from __future__ import annotations

import io
import mmap
import os
import pickle
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cloudpickle
import numpy as np

from hpt_spark.search.execution.address_space import translate_lack_of_address_space
from hpt_spark.storage.disk_errors import translate_disk_errors

PIECE_BYTES = 64 << 20  # small beside the arrays, large beside the cost of sending one
MARK = b"\1"  # of a piece that is in its place
SECONDS_BETWEEN_TRIES = 0.01  # short beside the writing of a piece
ALIGNMENT = 64  # bytes; a cache line, and enough for every dtype
# Smaller arrays are each process's own and may be written to, as joblib has it for its processes.
SMALLEST_SHARED = 1 << 20


@dataclass(frozen=True)
class SharedObject:
    """Where a shared object lies."""

    token: str  # unique name of this object
    path: str  # its file on the node that wrote it
    places: tuple[tuple[int, int], ...]  # offset and length of its pickle and then of each array, in bytes

    @property
    def size(self) -> int:
        """Bytes of the pickle and the arrays."""
        return sum(length for _, length in self.places)

    @property
    def pickled_size(self) -> int:
        """Bytes of the pickle alone."""
        return self.places[0][1]

    @property
    def pieces(self) -> int:
        """In how many pieces its file is sent to other nodes."""
        return -(-sum(self.places[-1]) // PIECE_BYTES)

    def load(self, path: str | None = None, writable: bool = False) -> Any:
        """Return the object with its arrays mapped from `path` (by default `self.path`).

        They are read-only; with `writable`, this process alone sees what it writes to them.
        """
        access = mmap.ACCESS_COPY if writable else mmap.ACCESS_READ
        with translate_lack_of_address_space(self.size):
            with open(path or self.path, "rb") as file:
                mapped = memoryview(mmap.mmap(file.fileno(), 0, access=access))
            pickled, *arrays = (mapped[offset : offset + length] for offset, length in self.places)
            return pickle.loads(pickled, buffers=arrays)


def read_in_pieces(shared: SharedObject) -> Iterator[bytes]:
    """Yield the file piece by piece, as it is sent to other nodes."""
    with open(shared.path, "rb") as file:
        while piece := file.read(PIECE_BYTES):
            yield piece


def is_shared_here(shared: SharedObject) -> bool:
    """Return whether this is the node that wrote the file: its name is unique."""
    return os.path.exists(shared.path)


def put_in_place(shared: SharedObject, number: int, content: bytes, folder: Path) -> None:
    """Write piece `number` of `shared` into this node's file, unless another process here has done so.

    Pieces come in any order, and a process may be killed at any moment: a piece counts when its mark is there. The
    processes of the node have `folder` in common.
    """
    target = _file_in(folder, shared)
    unfinished = target.with_suffix(".unfinished")
    with _locked(target.with_suffix(".marks")) as marks:
        if is_shared_here(shared) or target.exists():
            return
        if os.pread(marks, 1, number) != MARK:
            with open(os.open(unfinished, os.O_WRONLY | os.O_CREAT, 0o600), "wb") as file:
                file.seek(number * PIECE_BYTES)
                file.write(content)
            os.pwrite(marks, MARK, number)
        if os.pread(marks, shared.pieces, 0) == MARK * shared.pieces:
            os.replace(unfinished, target)


def path_on_this_node(shared: SharedObject, fetch: Callable[[], None], folder: Path) -> str:
    """Return a file of this node with the content of `shared`; the first process here that asks fetches it.

    `fetch` has all pieces put in place, in `folder`, which the processes of this node have in common.
    """
    if is_shared_here(shared):
        return shared.path
    target = _file_in(folder, shared)
    with _locked(target.with_suffix(".lock")):
        if not target.exists():
            fetch()
    return str(target)


def _file_in(folder: Path, shared: SharedObject) -> Path:
    return folder / Path(shared.path).name


@contextmanager
def _locked(path: Path) -> Iterator[int]:
    """Give a file that no other process of this node has at the same time."""
    from filelock import lock_descriptor  # here, because no worker on the driver's own node needs it

    file = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        lock_descriptor(file, poll_interval=SECONDS_BETWEEN_TRIES)
        yield file
    finally:
        os.close(file)


def share(value: Any, folder: Path) -> SharedObject:
    """Write `value` into one file in `folder` and return how to load it.

    Object arrays (texts, say) have no buffer and become each process's own.
    """
    token = uuid.uuid4().hex
    path = folder / f"{token}.shared"
    arrays: list[pickle.PickleBuffer] = []
    pickled = io.BytesIO()

    def into_the_pickle(array: pickle.PickleBuffer) -> bool:
        if array.raw().nbytes < SMALLEST_SHARED:
            return True
        arrays.append(array)
        return False

    _ArrayPickler(pickled, protocol=5, buffer_callback=into_the_pickle).dump(value)
    places = []
    with translate_disk_errors(path), path.open("wb") as file:
        for content in (pickled.getbuffer(), *(array.raw() for array in arrays)):
            with content as view:
                file.write(b"\0" * (-file.tell() % ALIGNMENT))
                places.append((file.tell(), view.nbytes))
                file.write(view)
    return SharedObject(token, str(path), tuple(places))


def whole_file(path: str) -> SharedObject:
    """Return a file of any content as one that nodes can have; it is read, not loaded."""
    return SharedObject(Path(path).stem, path, ((0, os.path.getsize(path)),))


class _ArrayPickler(cloudpickle.Pickler):
    """A pickler that leaves out also the arrays which NumPy puts into the pickle: mapped and strided ones.

    Sums depend in their last bits on the order of strides, so that an array keeps its own.
    """

    def reducer_override(self, value: Any) -> Any:
        if type(value) is np.memmap or (type(value) is np.ndarray and not value.flags.forc):
            array = value.view(np.ndarray)
            if array.flags.forc:
                return array.__reduce_ex__(5)
            backwards = tuple(axis for axis, stride in enumerate(array.strides) if stride < 0)
            axes = sorted(range(array.ndim), key=lambda axis: -abs(array.strides[axis]))
            compact = np.ascontiguousarray(np.flip(array, backwards).transpose(axes))
            return _with_strides, (compact, np.argsort(axes), backwards)
        return super().reducer_override(value)


def _with_strides(compact: np.ndarray, axes: np.ndarray, backwards: tuple[int, ...]) -> np.ndarray:
    return np.flip(compact.transpose(axes), backwards)
