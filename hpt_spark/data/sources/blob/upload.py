"""The upload of files as blobs: in blocks with checksums, committed all at once.

The name of a block tells its content. What an interrupted upload has staged is thus known and not
sent again, and a blob that is equal already is left as it is.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator, Sequence
from concurrent.futures import Executor, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from hpt_spark.data.csv.overlap import bounded_map
from hpt_spark.data.sources.base import find_files
from hpt_spark.data.sources.blob.address import FORMS, parse_blob_uri
from hpt_spark.data.sources.blob.container import Container
from hpt_spark.data.sources.local import FolderSource
from hpt_spark.errors import InputError
from hpt_spark.masking import without_secrets
from hpt_spark.progress import Progress
from hpt_spark.storage import is_blob, local_path

CONNECTIONS = 4

_SMALLEST_BLOCK = 4 * 1024 * 1024
_MOST_BLOCKS = 50_000  # of one blob, says Azure


@dataclass(frozen=True)
class _Plan:
    """The blob that a file becomes."""

    path: Path
    size: int
    md5: bytes
    block_size: int
    blocks: list[str]


def upload(
    folder: str | os.PathLike[str], uri: str, *, credential: str | None = None, create_container: bool = False
) -> dict[str, str]:
    """Upload the files of the seven tables and return the outcome for each blob's URL.

    Parameters
    ----------
    folder : str or path
        Holds each table ``NAME`` as ``NAME.csv.zip``, ``NAME.csv.gz`` or ``NAME.csv``.
    uri : str
        A folder of a blob container.
    credential : str, optional
        The name of the environment variable that holds the secret.
    create_container : bool
        Create the container if there is none.

    Raises
    ------
    InputError
        If files are missing, or the container is refused.
    TransferError
        If the server cannot be reached.
    """
    if not is_blob(uri):
        raise InputError(f"source.uri={without_secrets(uri)} is no blob container, to which to upload: write {FORMS}")
    address = parse_blob_uri(uri)
    names = [file.name for file in find_files(FolderSource(local_path(folder))).values()]
    container = Container(address, credential)
    if create_container:
        container.create()
    there = {blob.name: (blob.size, blob.md5) for blob in container.blobs(to_write=True)}
    plans = [_plan(local_path(folder) / name) for name in names]
    equal = {plan.path.name for plan in plans if there.get(plan.path.name) == (plan.size, plan.md5)}
    others = [plan for plan in plans if plan.path.name not in equal]
    if others:
        _upload_all(container, others)
    return {address.location_of(name): _outcome(name, equal, there) for name in names}


def _outcome(name: str, equal: set[str], there: dict[str, tuple[int, bytes | None]]) -> str:
    if name in equal:
        return "is there already"
    return "replaced" if name in there else "uploaded"


def _upload_all(container: Container, plans: Sequence[_Plan]) -> None:
    with (
        Progress("upload", sum(plan.size for plan in plans), "B") as progress,
        ThreadPoolExecutor(CONNECTIONS) as connections,
    ):
        try:
            for plan in plans:
                for size in _upload(container, plan, connections):
                    progress.advance(size, note=plan.path.name)
        except BaseException:
            container.stop()
            raise


def _upload(container: Container, plan: _Plan, connections: Executor) -> Iterator[int]:
    """Upload a file; yield the size of each block that is there."""
    staged = container.staged(plan.path.name)
    handle = os.open(plan.path, os.O_RDONLY)

    def stage(index: int) -> int:
        block = plan.blocks[index]
        size = min(plan.block_size, plan.size - index * plan.block_size)
        if staged.get(block) != size:
            data = os.pread(handle, size, index * plan.block_size)
            if _block_name(index, data) != block:
                raise InputError(f"{plan.path} was changed while it was uploaded: run the upload again")
            container.stage(plan.path.name, block, data)
        return size

    try:
        yield from bounded_map(connections, stage, range(len(plan.blocks)), CONNECTIONS)
    finally:
        os.close(handle)
    container.commit(plan.path.name, plan.blocks, plan.md5)


def _plan(path: Path) -> _Plan:
    try:
        size = path.stat().st_size
        block_size = max(_SMALLEST_BLOCK, -(-size // _MOST_BLOCKS))
        digest = hashlib.md5(usedforsecurity=False)
        blocks: list[str] = []
        with path.open("rb") as file:
            while data := file.read(block_size):
                digest.update(data)
                blocks.append(_block_name(len(blocks), data))
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror or error}") from error
    return _Plan(path, size, digest.digest(), block_size, blocks)


def _block_name(index: int, data: bytes) -> str:
    """Return a name that no other content has; the names of a blob's blocks must be equally long."""
    digest = hashlib.sha256(data).hexdigest()[:32]
    return f"{index:05d}-{digest}"
