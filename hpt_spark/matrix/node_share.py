"""One copy of large arrays per node, mapped into the memory of every process that uses them.

An object is pickled with its large arrays left out of the pickle (protocol 5, PEP 574). The pickle
and the arrays lie one after another in a file that the processes of a node map read-only, so that a
node's page cache holds them once, however many processes there are. What travels with a task is
where they lie.
"""

from __future__ import annotations

import fcntl
import io
import mmap
import os
import pickle
import uuid
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cloudpickle
import numpy as np

PIECE_BYTES = 64 << 20  # small beside the arrays, large beside the cost of sending one
ALIGNMENT = 64  # bytes; a cache line, and enough for every dtype
# Smaller arrays are each process's own and may be written to, as joblib has it for its processes.
SMALLEST_SHARED = 1 << 20


@dataclass(frozen=True)
class SharedObject:
    """Where a shared object lies.

    Parameters
    ----------
    token : str
        Unique name of this object.
    path : str
        Its file on the node that wrote it.
    places : tuple of (offset, length)
        Where its pickle and then each array lie in the file, in bytes.
    """

    token: str
    path: str
    places: tuple[tuple[int, int], ...]

    @property
    def size(self) -> int:
        """Bytes of the pickle and the arrays."""
        return sum(length for _, length in self.places)

    def load(self, path: str | None = None) -> Any:
        """Return the object with its arrays mapped, read-only, from `path` (by default `self.path`)."""
        with open(path or self.path, "rb") as file:
            mapped = memoryview(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ))
        pickled, *arrays = (mapped[offset : offset + length] for offset, length in self.places)
        return pickle.loads(pickled, buffers=arrays)


def read_in_pieces(shared: SharedObject) -> Iterator[bytes]:
    """Yield the file piece by piece, as it is sent to other nodes."""
    with open(shared.path, "rb") as file:
        while piece := file.read(PIECE_BYTES):
            yield piece


def path_on_this_node(shared: SharedObject, pieces: Callable[[], Iterable[bytes]], folder: Path) -> str:
    """Return a file of this node with the content of `shared`; the first process here that asks writes it.

    Parameters
    ----------
    shared : SharedObject
    pieces : callable
        Gives the content, piece by piece; called at most once per node.
    folder : Path
        A folder that the processes of this node have in common.
    """
    if os.path.exists(shared.path):  # this is the node that shared it: the name is unique
        return shared.path
    target = folder / Path(shared.path).name
    with open(folder / f"{target.name}.lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not target.exists():
            unfinished = target.with_suffix(".unfinished")
            with open(unfinished, "wb") as file:
                for piece in pieces():
                    file.write(piece)
            os.replace(unfinished, target)
    return str(target)


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
    with open(path, "wb") as file:
        for content in (pickled.getbuffer(), *(array.raw() for array in arrays)):
            with content as view:
                file.write(b"\0" * (-file.tell() % ALIGNMENT))
                places.append((file.tell(), view.nbytes))
                file.write(view)
    return SharedObject(token, str(path), tuple(places))


class _ArrayPickler(cloudpickle.Pickler):
    """A pickler that leaves out also the arrays which NumPy puts into the pickle: mapped and strided ones."""

    def reducer_override(self, value: Any) -> Any:
        if type(value) is np.memmap or (type(value) is np.ndarray and not value.flags.forc):
            return np.asarray(value, order="A" if value.flags.forc else "C").view(np.ndarray).__reduce_ex__(5)
        return super().reducer_override(value)
