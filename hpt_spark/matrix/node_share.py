"""One copy of large arrays per node, mapped into the memory of every process that uses them.

An object is pickled with its arrays left out of the pickle (protocol 5, PEP 574). The pickle, which
is small, travels; the arrays lie one after another in a file that the processes of a node map
read-only, so that a node's page cache holds them once, however many processes there are.
"""

from __future__ import annotations

import fcntl
import mmap
import os
import pickle
import uuid
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cloudpickle

PIECE_BYTES = 64 << 20  # small beside the arrays, large beside the cost of sending one
ALIGNMENT = 64  # bytes; a cache line, and enough for every dtype


@dataclass(frozen=True)
class SharedObject:
    """Where the arrays of a shared object lie, and the pickle of the rest.

    Parameters
    ----------
    token : str
        Unique name of this object.
    path : str
        The file of the arrays on the node that wrote it.
    pickled : bytes
        The object without its arrays.
    places : tuple of (offset, length)
        Where each array lies in the file, in bytes.
    """

    token: str
    path: str
    pickled: bytes
    places: tuple[tuple[int, int], ...]

    @property
    def size(self) -> int:
        """Bytes of the arrays."""
        return sum(length for _, length in self.places)

    def load(self, path: str | None = None) -> Any:
        """Return the object with its arrays mapped, read-only, from `path` (by default `self.path`)."""
        buffers = []
        if self.places:
            with open(path or self.path, "rb") as file:
                mapped = memoryview(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ))
            buffers = [mapped[offset : offset + length] for offset, length in self.places]
        return pickle.loads(self.pickled, buffers=buffers)


def read_in_pieces(shared: SharedObject) -> Iterator[bytes]:
    """Yield the file of the arrays piece by piece, as it is sent to other nodes."""
    with open(shared.path, "rb") as file:
        while piece := file.read(PIECE_BYTES):
            yield piece


def path_on_this_node(shared: SharedObject, pieces: Callable[[], Iterable[bytes]], folder: Path) -> str:
    """Return a file of this node with the arrays of `shared`; the first process here that asks writes it.

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
    """Write the arrays of `value` into one file in `folder` and return how to load it.

    Object arrays (texts, say) have no buffer and travel inside the pickle.
    """
    token = uuid.uuid4().hex
    path = folder / f"{token}.arrays"
    arrays: list[pickle.PickleBuffer] = []
    pickled = cloudpickle.dumps(value, protocol=5, buffer_callback=arrays.append)
    places = []
    with open(path, "wb") as file:
        for array in arrays:
            file.write(b"\0" * (-file.tell() % ALIGNMENT))
            with array.raw() as view:
                places.append((file.tell(), view.nbytes))
                file.write(view)
        if not file.tell():
            file.write(b"\0")  # an empty file cannot be mapped
        file.flush()
        os.fsync(file.fileno())
    return SharedObject(token, str(path), pickled, tuple(places))
